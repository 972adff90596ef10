// Reads what `blockd --record` wrote, by docs/record.md alone: it shares nothing with the product,
// so that a mistake there cannot hide behind itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace blockd::support {

enum class RecordedKind : uint16_t {
    file = 1,
    write = 2,
    punch_hole = 3,
    zero_range = 4,
    sync = 5,
    send = 6,
    done = 7,
    connected = 8,
    closed = 9,
    end = 10,
};

// A piece of a send: `size` bytes, of which the first are known.
struct RecordedPiece {
    uint64_t size = 0;
    std::string bytes;
};

struct RecordedEvent {
    RecordedKind kind = RecordedKind::end;
    uint64_t operation = 0;
    uint32_t file = 0;
    uint64_t offset = 0;
    uint64_t size = 0;
    int64_t result = 0;
    std::string payload;                // Of a file its name, of a write its data.
    std::vector<RecordedPiece> pieces;  // Of a send.
};

struct Record {
    std::vector<RecordedEvent> events;
    std::string fault;      // What is wrong with it; the events before that place are there.
    bool is_whole = false;  // No fault, and it has its end.
};

Record parse_record(std::string_view bytes);
Record read_record(const std::string& path);

}  // namespace blockd::support
