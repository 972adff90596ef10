#include "io/worker_thread.h"

#include <pthread.h>
#include <pthread_np.h>

namespace blockd::io {

void prepare_worker_thread(const char* name) { ::pthread_set_name_np(::pthread_self(), name); }

}  // namespace blockd::io
