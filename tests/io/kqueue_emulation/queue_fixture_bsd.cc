// A real kqueue notices close(2) by itself.
#include <unistd.h>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {

void close_watched(int fd) { ::close(fd); }

int close_queue(int kq) { return ::close(kq); }

}  // namespace blockd::test
