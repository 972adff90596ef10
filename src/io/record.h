// The format of a record: what a daemon did to its data files and told its clients, in order.
//
// A RecordHeader, then entries: a RecordEntry each, followed by `payload_size` bytes of payload.
// All integers are little-endian. See docs/record.md.
#pragma once

#include <blockd/endian.h>

#include <cstddef>
#include <cstdint>

namespace blockd::io {

inline constexpr uint64_t record_magic = 0x44524f4345524b42;  // "BKRECORD" as it lies in the file.
inline constexpr uint32_t record_version = 1;
inline constexpr uint32_t record_entry_magic = 0x59525445;  // "ETRY"

// Bytes of one piece of a send that are recorded: every reply's head is smaller.
inline constexpr uint32_t record_piece_size_max = 4096;

// Bytes of one payload: the largest operation that a loop takes.
inline constexpr uint32_t record_payload_size_max = 1u << 30;

enum class RecordKind : uint16_t {
    file = 1,        // A data file is followed: all that it holds now is durable.
    write = 2,       // Given to the system: the payload to `offset` of `file`.
    punch_hole = 3,  // Given to the system: zeros to `offset` of `file`.
    zero_range = 4,  // Given to the system: zeros to `offset` of `file`.
    sync = 5,        // Given to the system: make all durable that was done before.
    send = 6,        // Given to the system: the client may see these bytes from now on.
    done = 7,        // The system said what became of `operation`.
    connected = 8,   // A client was accepted: `file` is its socket.
    closed = 9,      // The socket `file` is closed; the number may be given to another one.
    end = 10,        // An orderly end: the record is whole.
};

// Start of the file.
//
//   offset  size  field
//        0     8  magic     record_magic
//        8     4  version   record_version
//       12     4  reserved  0
struct RecordHeader {
    le64 magic;
    le32 version;
    le32 reserved;
};
static_assert(sizeof(RecordHeader) == 16);
static_assert(offsetof(RecordHeader, version) == 8);
static_assert(offsetof(RecordHeader, reserved) == 12);

// One event.
//
//   offset  size  field
//        0     4  magic         record_entry_magic
//        4     2  kind          RecordKind
//        6     2  reserved      0
//        8     8  sequence      the entry's place: 0, 1, 2, ...
//       16     8  operation     number of what is given to the system, from 1 on, and of its done;
//                               0 with the other kinds
//       24     4  file          number of the data file or socket
//       28     4  payload_size  bytes that follow
//       32     8  offset        bytes from the start of the data file; 0 where there is none
//       40     8  size          bytes of the operation, or of the data file
//       48     8  result        done: a count, or a negated errno, in two's complement; else 0
struct RecordEntry {
    le32 magic;
    le16 kind;
    le16 reserved;
    le64 sequence;
    le64 operation;
    le32 file;
    le32 payload_size;
    le64 offset;
    le64 size;
    le64 result;
};
static_assert(sizeof(RecordEntry) == 56);
static_assert(alignof(RecordEntry) == 1, "read in place, at any address");
static_assert(offsetof(RecordEntry, sequence) == 8);
static_assert(offsetof(RecordEntry, file) == 24);
static_assert(offsetof(RecordEntry, result) == 48);

// The payload of a send is one of these for each piece, each followed by its recorded bytes.
//
//   offset  size  field
//        0     4  size           bytes of the piece
//        4     4  recorded_size  bytes of it that follow: record_piece_size_max at most
struct RecordPiece {
    le32 size;
    le32 recorded_size;
};
static_assert(sizeof(RecordPiece) == 8);
static_assert(offsetof(RecordPiece, recorded_size) == 4);

}  // namespace blockd::io
