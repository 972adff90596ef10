#include <fcntl.h>

#include "blockctl/page_cache_drain.h"

namespace blockd::blockctl {

class PageCacheDrain::Thread {};

// F_NOCACHE (fcntl(2)) turns caching off for the file as a whole; a hint, so a refusal does not
// matter.
PageCacheDrain::PageCacheDrain(io::Fd file) { fcntl(int(file), F_NOCACHE, 1); }

PageCacheDrain::~PageCacheDrain() = default;

void PageCacheDrain::written(uint64_t /*offset*/, uint64_t /*size*/) {}

Result<Ok> PageCacheDrain::end() { return Ok(); }

}  // namespace blockd::blockctl
