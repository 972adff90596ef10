// The NBD wire format: every struct here is bytes on the socket, big-endian. See docs/nbd.md.
//
// Source: the NBD project's doc/proto.md.
#pragma once

#include <blockd/endian.h>
#include <blockd/nbd_constants.h>

#include <cstddef>
#include <cstdint>

namespace blockd::nbd {

// Greeting, server to client, as soon as it connects.
//
//   offset  size  field
//        0     8  magic         greeting_magic
//        8     8  option_magic  option_magic
//       16     2  flags         handshake_flag bits
struct Greeting {
    be64 magic;
    be64 option_magic;
    be16 flags;
};
static_assert(sizeof(Greeting) == 18);
static_assert(offsetof(Greeting, option_magic) == 8);
static_assert(offsetof(Greeting, flags) == 16);

// Option, client to server, followed by `size` bytes of data.
//
//   offset  size  field
//        0     8  magic   option_magic
//        8     4  option  Option
//       12     4  size    bytes of data that follow
struct OptionHeader {
    be64 magic;
    be32 option;
    be32 size;
};
static_assert(sizeof(OptionHeader) == 16);
static_assert(offsetof(OptionHeader, option) == 8);
static_assert(offsetof(OptionHeader, size) == 12);

// Reply to an option, server to client, followed by `size` bytes of data.
//
//   offset  size  field
//        0     8  magic   option_reply_magic
//        8     4  option  the option that it answers
//       12     4  type    OptionReply
//       16     4  size    bytes of data that follow
struct OptionReplyHeader {
    be64 magic;
    be32 option;
    be32 type;
    be32 size;
};
static_assert(sizeof(OptionReplyHeader) == 20);
static_assert(offsetof(OptionReplyHeader, option) == 8);
static_assert(offsetof(OptionReplyHeader, size) == 16);

// Information NBD_INFO_EXPORT.
//
//   offset  size  field
//        0     2  type   InfoType::export_info
//        2     8  size   bytes of the export
//       10     2  flags  transmission_flag bits
struct InfoExport {
    be16 type;
    be64 size;
    be16 flags;
};
static_assert(sizeof(InfoExport) == 12);
static_assert(offsetof(InfoExport, size) == 2);
static_assert(offsetof(InfoExport, flags) == 10);

// Information NBD_INFO_BLOCK_SIZE.
//
//   offset  size  field
//        0     2  type       InfoType::block_size
//        2     4  minimum    bytes; offsets and sizes are multiples of it
//        6     4  preferred  bytes
//       10     4  maximum    bytes of one payload
struct InfoBlockSize {
    be16 type;
    be32 minimum;
    be32 preferred;
    be32 maximum;
};
static_assert(sizeof(InfoBlockSize) == 14);
static_assert(offsetof(InfoBlockSize, minimum) == 2);
static_assert(offsetof(InfoBlockSize, maximum) == 10);

// Answer to NBD_OPT_EXPORT_NAME, followed by 124 zero bytes unless NO_ZEROES was agreed.
//
//   offset  size  field
//        0     8  size   bytes of the export
//        8     2  flags  transmission_flag bits
struct ExportNameReply {
    be64 size;
    be16 flags;
};
static_assert(sizeof(ExportNameReply) == 10);
static_assert(offsetof(ExportNameReply, flags) == 8);
inline constexpr size_t export_name_padding_size = 124;

// Request, client to server. A write is followed by `size` bytes of payload.
//
//   offset  size  field
//        0     4  magic    request_magic
//        4     2  flags    command_flag bits
//        6     2  command  Command
//        8     8  cookie   opaque, echoed in the reply
//       16     8  offset   bytes from the start of the export
//       24     4  size     bytes to read, write, trim or zero
struct RequestHeader {
    be32 magic;
    be16 flags;
    be16 command;
    be64 cookie;
    be64 offset;
    be32 size;
};
static_assert(sizeof(RequestHeader) == 28);
static_assert(alignof(RequestHeader) == 1, "parsed in place, at any address");
static_assert(offsetof(RequestHeader, cookie) == 8);
static_assert(offsetof(RequestHeader, size) == 24);

// Simple reply, server to client. A successful read is followed by its data.
//
//   offset  size  field
//        0     4  magic   simple_reply_magic
//        4     4  error   WireError
//        8     8  cookie  of the request
struct SimpleReplyHeader {
    be32 magic;
    be32 error;
    be64 cookie;
};
static_assert(sizeof(SimpleReplyHeader) == 16);
static_assert(offsetof(SimpleReplyHeader, error) == 4);
static_assert(offsetof(SimpleReplyHeader, cookie) == 8);

// Chunk of a structured reply, server to client, followed by `size` bytes of payload.
//
//   offset  size  field
//        0     4  magic   structured_reply_magic
//        4     2  flags   chunk_flag_done on the last one
//        6     2  type    ChunkType
//        8     8  cookie  of the request
//       16     4  size    bytes of payload
struct ChunkHeader {
    be32 magic;
    be16 flags;
    be16 type;
    be64 cookie;
    be32 size;
};
static_assert(sizeof(ChunkHeader) == 20);
static_assert(offsetof(ChunkHeader, cookie) == 8);
static_assert(offsetof(ChunkHeader, size) == 16);

// Payload of ChunkType::offset_hole. That of offset_data is be64 offset, then the data.
//
//   offset  size  field
//        0     8  offset  bytes from the start of the export
//        8     4  size    bytes that read as zeros
struct HolePayload {
    be64 offset;
    be32 size;
};
static_assert(sizeof(HolePayload) == 12);
static_assert(offsetof(HolePayload, size) == 8);

// Payload of ChunkType::error, followed by `text_size` bytes of UTF-8; error_offset has a be64
// offset after the text.
//
//   offset  size  field
//        0     4  error      WireError
//        4     2  text_size  bytes of text that follow
struct ErrorPayload {
    be32 error;
    be16 text_size;
};
static_assert(sizeof(ErrorPayload) == 6);
static_assert(offsetof(ErrorPayload, text_size) == 4);

// Payload of ChunkType::block_status: be32 context id, then any number of these.
//
//   offset  size  field
//        0     4  size   bytes that the status holds for
//        4     4  flags  allocation_hole, allocation_zero
struct BlockDescriptor {
    be32 size;
    be32 flags;
};
static_assert(sizeof(BlockDescriptor) == 8);
static_assert(offsetof(BlockDescriptor, flags) == 4);

}  // namespace blockd::nbd
