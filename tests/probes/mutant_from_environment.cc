// For blockd-probed: the environment variable BLOCKD_MUTANT names the mutant that is active. A name
// that does not exist ends the program, so that a misspelt one cannot pass for a test.
#include <cstdio>
#include <cstdlib>

#include "probes/probe.h"
#include "probes/probe_names.h"

namespace blockd::probe {
namespace {

Mutant mutant_from_environment() {
    const char* const name = std::getenv("BLOCKD_MUTANT");
    if (name == nullptr) return Mutant::none;
    const std::optional<Mutant> mutant = mutant_named(name);
    if (!mutant) {
        std::fprintf(stderr, "BLOCKD_MUTANT: there is no mutant \"%s\"; see probe.h\n", name);
        std::exit(2);
    }
    std::fprintf(stderr, "a deliberate bug is active: %s\n", name);
    return *mutant;
}

[[maybe_unused]] const bool is_set = [] {
    active_mutant = mutant_from_environment();
    return true;
}();

}  // namespace
}  // namespace blockd::probe
