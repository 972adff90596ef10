// Shows a copy's progress on stderr: a bar on a terminal, or JSON lines for a program.
#pragma once

#include <blockd/io/loop.h>

#include <cstdint>

#include "blockctl/invocation.h"
#include "blockctl/progress.h"

namespace blockd::blockctl {

class ProgressDisplay {
  public:
    ProgressDisplay(ProgressKind kind, uint64_t size, uint64_t now_ns);

    // As often as one likes; shows something every tenth of a second.
    void update(uint64_t size_done, uint64_t now_ns);

    // How long the loop may sleep before update() wants to be called.
    uint64_t wait_ns_max() const {
        return kind_ == ProgressKind::none ? io::loop_wait_ns_max : interval_ns;
    }

    // The last line. Nothing is shown after it.
    void finish(ProgressEnd end, uint64_t size_done, uint64_t now_ns);

  private:
    static constexpr uint64_t interval_ns = 100'000'000;

    void show() const;

    ProgressKind kind_;
    ProgressMeter meter_;
    uint64_t shown_at_ns_;
};

}  // namespace blockd::blockctl
