// pthread_set_qos_class_self_np(3), macOS: without a class a thread may be kept on the slow cores.
// pthread_setschedparam would opt it out of classes for ever.
#include "io/worker_thread.h"

#include <pthread.h>
#include <pthread/qos.h>

namespace blockd::io {

void prepare_worker_thread(const char* name) {
    ::pthread_setname_np(name);
    ::pthread_set_qos_class_self_np(QOS_CLASS_USER_INITIATED, 0);
}

}  // namespace blockd::io
