#include "support/record_reader.h"

#include <cstddef>
#include <utility>

#include "support/temporary_directory.h"

namespace blockd::support {
namespace {

constexpr size_t header_size = 16;
constexpr size_t entry_size = 56;
constexpr uint32_t version_known = 1;

uint64_t little_endian(std::string_view bytes, size_t offset, size_t size) {
    uint64_t value = 0;
    for (size_t index = size; index-- > 0;) {
        value = value << 8 | static_cast<uint8_t>(bytes[offset + index]);
    }
    return value;
}

// The pieces of a send; false when they do not fill the payload exactly.
bool take_pieces(std::string_view payload, RecordedEvent& event) {
    uint64_t total = 0;
    while (!payload.empty()) {
        if (payload.size() < 8) return false;
        const uint64_t size = little_endian(payload, 0, 4);
        const uint64_t known = little_endian(payload, 4, 4);
        if (known > size || payload.size() - 8 < known) return false;
        event.pieces.push_back({.size = size, .bytes = std::string(payload.substr(8, known))});
        payload.remove_prefix(8 + known);
        total += size;
    }
    return total == event.size;
}

class Parser {
  public:
    explicit Parser(std::string_view bytes) : rest_(bytes) {}

    Record run() && {
        if (!take_header()) return std::move(record_);
        while (record_.fault.empty() && !rest_.empty()) take_entry();
        record_.is_whole = record_.fault.empty() && has_ended();
        return std::move(record_);
    }

  private:
    bool has_ended() const {
        return !record_.events.empty() && record_.events.back().kind == RecordedKind::end;
    }

    void fail(const std::string& reason) {
        record_.fault = "entry " + std::to_string(record_.events.size()) + ": " + reason;
    }

    bool take_header() {
        const bool is_record = rest_.size() >= header_size && rest_.substr(0, 8) == "BKRECORD" &&
                               little_endian(rest_, 8, 4) == version_known &&
                               little_endian(rest_, 12, 4) == 0;
        if (!is_record) record_.fault = "this is no record of version 1";
        rest_.remove_prefix(is_record ? header_size : 0);
        return is_record;
    }

    void take_entry() {
        if (has_ended()) return fail("it lies behind the end");
        if (rest_.size() < entry_size) return fail("it is cut off");
        if (rest_.substr(0, 4) != "ETRY") return fail("its magic is wrong");
        const uint64_t kind = little_endian(rest_, 4, 2);
        if (kind < 1 || kind > 10) return fail("its kind is unknown");
        if (little_endian(rest_, 6, 2) != 0) return fail("its reserved bytes are not zero");
        if (little_endian(rest_, 8, 8) != record_.events.size()) return fail("one is missing");

        const uint64_t payload_size = little_endian(rest_, 28, 4);
        if (rest_.size() - entry_size < payload_size) return fail("its payload is cut off");
        RecordedEvent event;
        event.kind = static_cast<RecordedKind>(kind);
        event.operation = little_endian(rest_, 16, 8);
        event.file = static_cast<uint32_t>(little_endian(rest_, 24, 4));
        event.offset = little_endian(rest_, 32, 8);
        event.size = little_endian(rest_, 40, 8);
        event.result = static_cast<int64_t>(little_endian(rest_, 48, 8));
        const std::string_view payload = rest_.substr(entry_size, payload_size);
        if (event.kind == RecordedKind::send) {
            if (!take_pieces(payload, event)) return fail("its pieces do not add up");
        } else {
            event.payload = payload;
        }
        if (event.kind == RecordedKind::write && event.payload.size() != event.size) {
            return fail("it is a write without its data");
        }
        record_.events.push_back(std::move(event));
        rest_.remove_prefix(entry_size + payload_size);
    }

    std::string_view rest_;
    Record record_;
};

}  // namespace

Record parse_record(std::string_view bytes) { return Parser(bytes).run(); }

Record read_record(const std::string& path) { return parse_record(read_file(path)); }

}  // namespace blockd::support
