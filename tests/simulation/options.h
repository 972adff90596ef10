// The command line of the simulator.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace blockd::simulation {

struct Options {
    uint64_t first_seed = 1;
    uint64_t seeds = 0;    // 0: as many as the time allows.
    uint64_t seconds = 0;  // 0: as long as the seeds take.
    uint32_t jobs = 1;
    bool runs_twice = false;     // Each seed must leave the same trace twice.
    bool minimizes = false;      // The one seed fails: find what it takes.
    bool is_verbose = false;     // Prints what the servers log.
    bool checks_marks = false;   // A mark that was never hit is a failure.
    bool tries_mutants = false;  // Each mutant, until a seed finds it.
    std::string mutant;          // Active in every world.
    std::string report_path;     // Where the figures go, as JSON.
    std::vector<std::pair<std::string, uint64_t>> settings;  // Of the swarm, by name.
};

// The text to print and the exit code, when there is nothing to run.
struct Ending {
    std::string text;
    int exit_code;
};

std::variant<Options, Ending> parse_options(int count, char** arguments);

}  // namespace blockd::simulation
