// The NBD protocol as the tests know it: numbers and layouts written out from the specification,
// sharing nothing with the product, so that a mistake there cannot hide behind itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace blockd::support {

namespace wire {

inline constexpr uint64_t greeting_magic = 0x4e42444d41474943;
inline constexpr uint64_t option_magic = 0x49484156454f5054;
inline constexpr uint64_t option_reply_magic = 0x0003e889045565a9;
inline constexpr uint32_t request_magic = 0x25609513;
inline constexpr uint32_t simple_reply_magic = 0x67446698;
inline constexpr uint32_t structured_reply_magic = 0x668e33ef;

// Options.
inline constexpr uint32_t opt_export_name = 1;
inline constexpr uint32_t opt_abort = 2;
inline constexpr uint32_t opt_list = 3;
inline constexpr uint32_t opt_starttls = 5;
inline constexpr uint32_t opt_info = 6;
inline constexpr uint32_t opt_go = 7;
inline constexpr uint32_t opt_structured_reply = 8;
inline constexpr uint32_t opt_list_meta_context = 9;
inline constexpr uint32_t opt_set_meta_context = 10;
inline constexpr uint32_t opt_extended_headers = 11;

// Option replies.
inline constexpr uint32_t rep_ack = 1;
inline constexpr uint32_t rep_server = 2;
inline constexpr uint32_t rep_info = 3;
inline constexpr uint32_t rep_meta_context = 4;
inline constexpr uint32_t rep_error_bit = 0x80000000;
inline constexpr uint32_t rep_unsupported = 0x80000001;
inline constexpr uint32_t rep_policy = 0x80000002;
inline constexpr uint32_t rep_invalid = 0x80000003;
inline constexpr uint32_t rep_platform = 0x80000004;
inline constexpr uint32_t rep_unknown = 0x80000006;
inline constexpr uint32_t rep_shutdown = 0x80000007;
inline constexpr uint32_t rep_too_big = 0x80000009;

// Information types.
inline constexpr uint16_t info_export = 0;
inline constexpr uint16_t info_name = 1;
inline constexpr uint16_t info_description = 2;
inline constexpr uint16_t info_block_size = 3;

// Transmission flags.
inline constexpr uint16_t has_flags = 1 << 0;
inline constexpr uint16_t read_only = 1 << 1;
inline constexpr uint16_t send_flush = 1 << 2;
inline constexpr uint16_t send_fua = 1 << 3;
inline constexpr uint16_t send_trim = 1 << 5;
inline constexpr uint16_t send_write_zeroes = 1 << 6;
inline constexpr uint16_t send_df = 1 << 7;
inline constexpr uint16_t can_multi_conn = 1 << 8;
inline constexpr uint16_t send_cache = 1 << 10;
inline constexpr uint16_t send_fast_zero = 1 << 11;

// Commands.
inline constexpr uint16_t cmd_read = 0;
inline constexpr uint16_t cmd_write = 1;
inline constexpr uint16_t cmd_disconnect = 2;
inline constexpr uint16_t cmd_flush = 3;
inline constexpr uint16_t cmd_trim = 4;
inline constexpr uint16_t cmd_cache = 5;
inline constexpr uint16_t cmd_write_zeroes = 6;
inline constexpr uint16_t cmd_block_status = 7;
inline constexpr uint16_t cmd_resize = 8;

// Command flags.
inline constexpr uint16_t flag_fua = 1 << 0;
inline constexpr uint16_t flag_no_hole = 1 << 1;
inline constexpr uint16_t flag_df = 1 << 2;
inline constexpr uint16_t flag_req_one = 1 << 3;
inline constexpr uint16_t flag_fast_zero = 1 << 4;

// Chunks of structured replies.
inline constexpr uint16_t chunk_none = 0;
inline constexpr uint16_t chunk_data = 1;
inline constexpr uint16_t chunk_hole = 2;
inline constexpr uint16_t chunk_block_status = 5;
inline constexpr uint16_t chunk_error = 0x8001;
inline constexpr uint16_t chunk_error_offset = 0x8002;
inline constexpr uint16_t chunk_done = 1;

// Errors.
inline constexpr uint32_t no_error = 0;
inline constexpr uint32_t eperm = 1;
inline constexpr uint32_t eio = 5;
inline constexpr uint32_t einval = 22;
inline constexpr uint32_t enospc = 28;
inline constexpr uint32_t eoverflow = 75;
inline constexpr uint32_t enotsup = 95;
inline constexpr uint32_t eshutdown = 108;

inline constexpr uint32_t state_hole = 1;
inline constexpr uint32_t state_zero = 2;

}  // namespace wire

inline constexpr uint64_t kibibyte = 1024;
inline constexpr uint64_t mebibyte = 1024 * kibibyte;
inline constexpr uint64_t gibibyte = 1024 * mebibyte;

// Big-endian integers, put one after the other: WireBytes().u32(7).text("disk").bytes().
class WireBytes {
  public:
    WireBytes& u16(uint16_t value) { return integer(value, 2); }
    WireBytes& u32(uint32_t value) { return integer(value, 4); }
    WireBytes& u64(uint64_t value) { return integer(value, 8); }
    WireBytes& raw(std::string_view bytes);
    // A string as options carry it: its size in 32 bits, then its bytes.
    WireBytes& sized_text(std::string_view text);

    const std::string& bytes() const { return bytes_; }

  private:
    WireBytes& integer(uint64_t value, size_t size);

    std::string bytes_;
};

// The big-endian integer at `position`; 0 where `bytes` is too short.
uint16_t read_u16(std::string_view bytes, size_t position);
uint32_t read_u32(std::string_view bytes, size_t position);
uint64_t read_u64(std::string_view bytes, size_t position);

// IHAVEOPT, the option, the size of its data, the data.
std::string option_bytes(uint32_t option, std::string_view data = {});

// Only the head of an option, which promises `size` bytes.
std::string option_head_bytes(uint32_t option, uint32_t size);

// Data of INFO and GO.
std::string info_data(std::string_view name, std::initializer_list<uint16_t> types = {});

// Data of LIST_META_CONTEXT and SET_META_CONTEXT.
std::string meta_data(std::string_view name, std::initializer_list<std::string_view> queries);

struct RequestFields {
    uint16_t command = wire::cmd_read;
    uint16_t flags = 0;
    uint64_t cookie = 0;
    uint64_t offset = 0;
    uint32_t size = 0;
};
std::string request_bytes(const RequestFields& request);

bool is_valid_utf8(std::string_view text);

}  // namespace blockd::support
