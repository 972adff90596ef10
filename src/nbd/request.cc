#include "nbd/request.h"

#include "nbd/wire_bytes.h"

namespace blockd::nbd {

Result<std::optional<Request>> parse_request(std::span<const std::byte> bytes) {
    const std::optional<be32> magic = WireReader(bytes).take<be32>();
    if (!magic) return std::optional<Request>();
    if (*magic != request_magic) return Error{ErrorCode::protocol, 0, "read request magic"};
    const std::optional<RequestHeader> header = WireReader(bytes).take<RequestHeader>();
    if (!header) return std::optional<Request>();
    return std::optional(Request{
        .command = Command(uint16_t(header->command)),
        .flags = header->flags,
        .cookie = header->cookie,
        .offset = header->offset,
        .size = header->size,
    });
}

namespace {

// What sets one command apart in the checks that all commands share.
struct CommandRules {
    bool is_known = true;
    bool modifies = false;
    bool has_range = true;
    uint16_t flag_advertised = 0;  // The transmission flag that must have been sent; 0: none.
    uint16_t flags_allowed = 0;    // Besides FUA.
    WireError past_end = WireError::invalid;
};

// The flags that depend on what was advertised are allowed only then.
CommandRules rules_of(Command command, const RequestLimits& limits) {
    const bool has_df = (limits.flags & transmission_flag::send_df) != 0;
    const bool has_fast_zero = (limits.flags & transmission_flag::send_fast_zero) != 0;
    const uint16_t fast_zero = has_fast_zero ? command_flag::fast_zero : uint16_t(0);
    switch (command) {
        case Command::read:
            return {.flags_allowed = has_df ? command_flag::dont_fragment : uint16_t(0)};
        case Command::write: return {.modifies = true, .past_end = WireError::no_space};
        case Command::flush:
            return {.has_range = false, .flag_advertised = transmission_flag::send_flush};
        case Command::trim:
            return {.modifies = true, .flag_advertised = transmission_flag::send_trim};
        case Command::cache: return {.flag_advertised = transmission_flag::send_cache};
        case Command::write_zeroes:
            return {.modifies = true,
                    .flag_advertised = transmission_flag::send_write_zeroes,
                    .flags_allowed = uint16_t(command_flag::no_hole | fast_zero),
                    .past_end = WireError::no_space};
        case Command::block_status: return {.flags_allowed = command_flag::request_one};
        case Command::disconnect: break;
    }
    return {.is_known = false};
}

Refusal check_flags(const Request& request, const CommandRules& rules,
                    const RequestLimits& limits) {
    const bool has_fua = (limits.flags & transmission_flag::send_fua) != 0;
    const uint32_t allowed = rules.flags_allowed | (has_fua ? command_flag::fua : uint16_t(0));
    if ((request.flags & ~allowed) == 0) return {};
    return {WireError::invalid, "the command does not take these flags"};
}

Refusal check_advertised(const Request& request, const CommandRules& rules,
                         const RequestLimits& limits) {
    // Before the next check: a read-only export does not advertise TRIM and WRITE_ZEROES.
    if (rules.modifies && (limits.flags & transmission_flag::read_only) != 0) {
        return {WireError::not_permitted, "the export is read-only"};
    }
    if ((limits.flags & rules.flag_advertised) != rules.flag_advertised) {
        return {WireError::invalid, "the export does not offer the command"};
    }
    if (request.command == Command::block_status && !limits.has_base_allocation) {
        return {WireError::invalid, "no metadata context was negotiated for the export"};
    }
    return {};
}

Refusal check_size(const Request& request) {
    if (request.command == Command::block_status && request.size == 0) {
        return {WireError::invalid, "the length is zero"};
    }
    if (request.size <= payload_size_max) return {};
    // EOVERFLOW is allowed only where the request itself carries no payload.
    if (request.command == Command::read) {
        return {WireError::overflow, "more than 32 MiB in one request"};
    }
    if (request.command == Command::write) {
        return {WireError::invalid, "more than 32 MiB in one request"};
    }
    return {};
}

Refusal check_range(const Request& request, const CommandRules& rules, uint64_t export_size) {
    if (!rules.has_range) {
        if (request.offset == 0 && request.size == 0) return {};
        return {WireError::invalid, "a flush takes no offset and no length"};
    }
    // Written so that no offset wraps around.
    if (request.offset <= export_size && request.size <= export_size - request.offset) return {};
    return {rules.past_end, "the range ends past the end of the export"};
}

Refusal find_refusal(const Request& request, const RequestLimits& limits) {
    const CommandRules rules = rules_of(request.command, limits);
    if (!rules.is_known) return {WireError::invalid, "unknown command"};
    if (const Refusal refusal = check_flags(request, rules, limits)) return refusal;
    if (const Refusal refusal = check_advertised(request, rules, limits)) return refusal;
    if (const Refusal refusal = check_size(request)) return refusal;
    return check_range(request, rules, limits.export_size);
}

}  // namespace

Refusal check_request(const Request& request, const RequestLimits& limits) {
    if (request.command == Command::disconnect) return {};
    Refusal refusal = find_refusal(request, limits);
    if (request.has_payload() && request.size > payload_skip_size_max) refusal.closes = true;
    ASSERT(refusal || !refusal.closes);
    return refusal;
}

}  // namespace blockd::nbd
