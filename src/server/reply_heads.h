// Puts the heads of a finished request's reply before its data.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/request_slot.h"

namespace blockd::server {

// What the connection agreed on, as far as replies depend on it.
struct ReplyFormat {
    bool is_structured = false;
    uint32_t base_allocation_id = 0;
};

// `offset`: of a READ, where the block that could not be read begins, if that is known.
void write_error_reply(RequestSlot& slot, const ReplyFormat& format, nbd::WireError error,
                       std::string_view text, std::optional<uint64_t> offset = {});

// The reply of a command that succeeded; the buffers of a READ or BLOCK_STATUS are part of it.
void write_success_reply(RequestSlot& slot, const ReplyFormat& format);

}  // namespace blockd::server
