#include "nbd/printable.h"

#include "nbd/wire_bytes.h"

namespace blockd::nbd {

std::string printable(std::string_view text) {
    std::string result(utf8_front(text, printable_size_max));
    const bool has_utf8 = is_utf8(result);
    for (size_t index = 0; index < result.size(); ++index) {
        const unsigned char byte = static_cast<unsigned char>(result[index]);
        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !has_utf8)) result[index] = '?';
        // U+0080 to U+009F, the C1 controls, are 0xc2 0x80 to 0xc2 0x9f.
        if (byte == 0xc2 && has_utf8 && static_cast<unsigned char>(result[index + 1]) < 0xa0) {
            result.replace(index, 2, "?");
        }
    }
    return result;
}

}  // namespace blockd::nbd
