#include "server/export_table.h"

#include <blockd/assert.h>

namespace blockd::server {

Export::Export(const ExportOptions& options, uint32_t requests_max)
    : name(options.name),
      description(options.description),
      is_default(options.is_default),
      is_read_only(options.is_read_only),
      disk({.file = options.file,
            .size = options.size == 0 ? options.file.size : options.size,
            .requests_max = requests_max,
            .cache_size = options.cache_size}),
      flags_(offered_flags()) {}

uint64_t Export::attach() {
    const std::lock_guard guard(attaching);
    return ++attach_count;
}

uint16_t Export::offered_flags() const {
    using namespace nbd::transmission_flag;
    unsigned flags = has_flags | send_flush | send_fua | can_multi_conn | send_cache;
    if (is_read_only) return uint16_t(flags | read_only);

    flags |= send_write_zeroes;
    if (disk.can_trim()) flags |= send_trim;
    if (disk.can_zero_fast()) flags |= send_fast_zero;
    return uint16_t(flags);
}

nbd::ExportDescription ExportTable::describe(size_t index) const {
    ASSERT(index < exports_.size());
    const Export& described = *exports_[index];
    return {.name = described.name,
            .description = described.description,
            .size = described.disk.size(),
            .flags = described.flags()};
}

size_t ExportTable::find(std::string_view name) const {
    for (size_t index = 0; index < exports_.size(); ++index) {
        const Export& candidate = *exports_[index];
        if (candidate.name == name) return index;
        if (name.empty() && (candidate.is_default || exports_.size() == 1)) return index;
    }
    return none;
}

}  // namespace blockd::server
