// The NBD protocol's numbers: magics, options, commands, flags, errors and bounds.
//
// Source: the NBD project's doc/proto.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace blockd::nbd {

inline constexpr uint16_t default_port = 10809;

inline constexpr uint64_t greeting_magic = 0x4e42444d41474943;  // "NBDMAGIC"
inline constexpr uint64_t option_magic = 0x49484156454f5054;    // "IHAVEOPT"
inline constexpr uint64_t option_reply_magic = 0x0003e889045565a9;
inline constexpr uint32_t request_magic = 0x25609513;
inline constexpr uint32_t simple_reply_magic = 0x67446698;
inline constexpr uint32_t structured_reply_magic = 0x668e33ef;

// Names, descriptions, error texts and metadata queries, in bytes.
inline constexpr uint32_t string_size_max = 4096;

// What any side may send or ask for in one READ or WRITE.
inline constexpr uint32_t payload_size_max = 32u << 20;

// Descriptors of one block status chunk.
inline constexpr uint32_t block_descriptors_max = 1u << 20;

namespace handshake_flag {
inline constexpr uint16_t fixed_newstyle = 1 << 0;
inline constexpr uint16_t no_zeroes = 1 << 1;
}  // namespace handshake_flag

enum class Option : uint32_t {
    export_name = 1,
    abort = 2,
    list = 3,
    starttls = 5,
    info = 6,
    go = 7,
    structured_reply = 8,
    list_meta_context = 9,
    set_meta_context = 10,
};

enum class OptionReply : uint32_t {
    ack = 1,
    server = 2,
    info = 3,
    meta_context = 4,
    error_unsupported = 0x80000001,
    error_policy = 0x80000002,
    error_invalid = 0x80000003,
    error_platform = 0x80000004,
    error_tls_required = 0x80000005,
    error_unknown = 0x80000006,
    error_shutdown = 0x80000007,
    error_block_size_required = 0x80000008,
    error_too_big = 0x80000009,
};
inline constexpr uint32_t option_reply_error_bit = 0x80000000;

enum class InfoType : uint16_t { export_info = 0, name = 1, description = 2, block_size = 3 };

namespace transmission_flag {
inline constexpr uint16_t has_flags = 1 << 0;
inline constexpr uint16_t read_only = 1 << 1;
inline constexpr uint16_t send_flush = 1 << 2;
inline constexpr uint16_t send_fua = 1 << 3;
inline constexpr uint16_t rotational = 1 << 4;
inline constexpr uint16_t send_trim = 1 << 5;
inline constexpr uint16_t send_write_zeroes = 1 << 6;
inline constexpr uint16_t send_df = 1 << 7;
inline constexpr uint16_t can_multi_conn = 1 << 8;
inline constexpr uint16_t send_cache = 1 << 10;
inline constexpr uint16_t send_fast_zero = 1 << 11;
}  // namespace transmission_flag

enum class Command : uint16_t {
    read = 0,
    write = 1,
    disconnect = 2,
    flush = 3,
    trim = 4,
    cache = 5,
    write_zeroes = 6,
    block_status = 7,
};

namespace command_flag {
inline constexpr uint16_t fua = 1 << 0;
inline constexpr uint16_t no_hole = 1 << 1;
inline constexpr uint16_t dont_fragment = 1 << 2;
inline constexpr uint16_t request_one = 1 << 3;
inline constexpr uint16_t fast_zero = 1 << 4;
}  // namespace command_flag

enum class ChunkType : uint16_t {
    none = 0,
    offset_data = 1,
    offset_hole = 2,
    block_status = 5,
    error = 0x8001,
    error_offset = 0x8002,
};
inline constexpr uint16_t chunk_type_error_bit = 0x8000;
inline constexpr uint16_t chunk_flag_done = 1 << 0;

enum class WireError : uint32_t {
    none = 0,
    not_permitted = 1,    // EPERM
    io = 5,               // EIO
    no_memory = 12,       // ENOMEM
    invalid = 22,         // EINVAL
    no_space = 28,        // ENOSPC
    overflow = 75,        // EOVERFLOW
    not_supported = 95,   // ENOTSUP
    shutting_down = 108,  // ESHUTDOWN
};

// Block status descriptor flags of the metadata context "base:allocation".
inline constexpr uint32_t allocation_hole = 1 << 0;
inline constexpr uint32_t allocation_zero = 1 << 1;

}  // namespace blockd::nbd
