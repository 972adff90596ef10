// The random campaign: runs of random requests, each with power cuts at every point of its record.
#pragma once

#include <cstdint>
#include <string>

#include "crash/cut_results.h"

namespace blockd::crash {

struct CampaignOptions {
    uint64_t seed = 1;
    uint64_t states = 10'000;
    uint32_t jobs = 2;
    std::string scratch;  // A folder for the disks after the cuts: fast rather than real.
    std::string keep;     // A folder for what the first violation was found in; empty: nowhere.
};

void cut_random_workloads(const CampaignOptions& options, CutResults& results);

}  // namespace blockd::crash
