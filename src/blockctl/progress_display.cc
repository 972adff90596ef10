#include "blockctl/progress_display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "blockctl/json_output.h"

namespace blockd::blockctl {
namespace {

uint32_t terminal_columns() {
    constexpr uint32_t columns_default = 80;
    struct winsize window {};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 2) {
        return columns_default;
    }
    return window.ws_col;
}

}  // namespace

ProgressDisplay::ProgressDisplay(ProgressKind kind, uint64_t size, uint64_t now_ns)
    : kind_(kind), meter_(size, now_ns), shown_at_ns_(now_ns) {}

void ProgressDisplay::update(uint64_t size_done, uint64_t now_ns) {
    if (kind_ == ProgressKind::none || now_ns - shown_at_ns_ < interval_ns) return;
    shown_at_ns_ = now_ns;
    meter_.update(size_done, now_ns);
    show();
}

void ProgressDisplay::finish(ProgressEnd end, uint64_t size_done, uint64_t now_ns) {
    if (kind_ == ProgressKind::none) return;
    meter_.finish(end, size_done, now_ns);
    show();
    if (kind_ == ProgressKind::bar) std::fputc('\n', stderr);
}

void ProgressDisplay::show() const {
    if (kind_ == ProgressKind::json) {
        std::fputs(json_of_progress(meter_.state()).c_str(), stderr);
        return;
    }
    // One column stays free: a full line would wrap on some terminals. ESC [K clears what an
    // earlier, longer line left.
    const std::string line = progress_line(meter_.state(), terminal_columns() - 1);
    std::fprintf(stderr, "\r%s\033[K", line.c_str());
}

}  // namespace blockd::blockctl
