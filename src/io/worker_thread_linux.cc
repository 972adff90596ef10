#include "io/worker_thread.h"

#include <pthread.h>

namespace blockd::io {

void prepare_worker_thread(const char* name) { ::pthread_setname_np(::pthread_self(), name); }

}  // namespace blockd::io
