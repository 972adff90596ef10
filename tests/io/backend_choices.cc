#include "io/loop_conformance.h"

#include <array>

namespace blockd::io {

std::span<const BackendChoice> backend_choices() {
    static constexpr std::array<BackendChoice, 1> choices = {
        BackendChoice{.name = "kqueue", .make = make_kqueue_backend},
    };
    return choices;
}

}  // namespace blockd::io
