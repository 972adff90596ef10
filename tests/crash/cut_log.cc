#include "crash/cut_log.h"

namespace blockd::crash {
namespace {

constexpr uint64_t cell_size = 8;

// The finaliser of SplitMix64: every bit of the input moves every bit of the output.
uint64_t mixed(uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

const char* name_of(RequestKind kind) {
    switch (kind) {
        case RequestKind::write: return "write";
        case RequestKind::write_zeroes: return "write zeroes";
        case RequestKind::trim: return "trim";
        case RequestKind::flush: return "flush";
    }
    return "";
}

}  // namespace

std::string stamped(uint64_t writer, uint64_t offset, uint64_t size) {
    const uint64_t key = mixed(writer + 0x9e3779b97f4a7c15);
    std::string bytes(size, '\0');
    uint64_t cell = 0;
    for (uint64_t index = 0; index < size; ++index) {
        const uint64_t place = offset + index;
        if (index == 0 || place % cell_size == 0) cell = mixed(key ^ mixed(place / cell_size));
        // Never a zero: what was zeroed is told from what was written by every byte.
        bytes[index] = static_cast<char>(1 + (cell >> place % cell_size * 8 & 0xff) % 255);
    }
    return bytes;
}

std::string text_of(const LoggedRequest& request) {
    std::string text = name_of(request.kind);
    if (request.has_fua) text += "+FUA";
    if (request.kind == RequestKind::flush) return text;
    return text + " " + std::to_string(request.offset) + "+" + std::to_string(request.size);
}

}  // namespace blockd::crash
