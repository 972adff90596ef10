// Closing what the emulation watches.
#include <kqueue_emulation/hooks.h>
#include <unistd.h>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {

void close_watched(int fd) {
    ::kqueue_forget(fd);
    ::close(fd);
}

int close_queue(int kq) { return ::kqueue_close(kq); }

}  // namespace blockd::test
