// Many worlds, in processes of their own: an assertion that fails ends only one of them, and is
// reported with its seed like any other complaint.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "probes/probe.h"
#include "simulation/swarm.h"
#include "simulation/surroundings.h"

namespace blockd::simulation {

struct CampaignOptions {
    uint64_t first_seed = 1;
    uint64_t seeds = 1;    // 0: as many as the time allows.
    uint64_t seconds = 0;  // 0: no limit.
    uint32_t jobs = 1;
    bool runs_twice = false;
    bool is_verbose = false;
    probe::Mutant mutant = probe::Mutant::none;
    std::vector<std::pair<std::string, uint64_t>> settings;
};

struct CampaignResult {
    uint64_t worlds = 0;
    uint64_t worlds_until_failure = 0;  // Up to the first one that failed, with it.
    uint64_t trace_hash = 0;            // Of all worlds.
    Figures figures;
    std::array<uint64_t, size_t(probe::Mark::count)> mark_hits{};
    double seconds = 0;
    bool has_failed = false;
    uint64_t failed_seed = 0;
    std::string complaint;
};

// The parameters of a seed, with the settings in their places. An unknown name ends the program.
Swarm swarm_of(uint64_t seed, const std::vector<std::pair<std::string, uint64_t>>& settings);

CampaignResult run_campaign(const CampaignOptions& options);

}  // namespace blockd::simulation
