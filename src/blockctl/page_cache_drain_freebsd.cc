#include "blockctl/page_cache_drain.h"

namespace blockd::blockctl {

// ZFS has a cache of its own, which this advice does not reach.
class PageCacheDrain::Thread {};

PageCacheDrain::PageCacheDrain(io::Fd /*file*/) {}

PageCacheDrain::~PageCacheDrain() = default;

void PageCacheDrain::written(uint64_t /*offset*/, uint64_t /*size*/) {}

Result<Ok> PageCacheDrain::end() { return Ok(); }

}  // namespace blockd::blockctl
