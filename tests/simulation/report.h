// What a campaign tells: lines for people, JSON for docs/reliability.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/campaign.h"
#include "simulation/options.h"

namespace blockd::simulation {

struct MutantResult {
    std::string_view name;
    bool is_found;
    uint64_t seeds;  // Up to the one that found it.
    std::string complaint;
};

// Prints the figures; on failure the seed, and the command that runs it again. The exit code.
int report_campaign(const Options& options, const CampaignResult& result);

void write_mutant_report(const Options& options, const std::vector<MutantResult>& results);

}  // namespace blockd::simulation
