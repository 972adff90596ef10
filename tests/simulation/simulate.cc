// Runs simulated worlds: see docs/testing.md.
#include <cstdio>
#include <string>
#include <variant>

#include "probes/probe_names.h"
#include "simulation/campaign.h"
#include "simulation/minimize.h"
#include "simulation/options.h"
#include "simulation/report.h"

namespace blockd::simulation {
namespace {

CampaignOptions campaign_of(const Options& options) {
    return {.first_seed = options.first_seed,
            .seeds = options.seeds,
            .seconds = options.seconds,
            .jobs = options.jobs,
            .runs_twice = options.runs_twice,
            .is_verbose = options.is_verbose,
            .settings = options.settings};
}

// How many seeds it takes to notice each mutant; false when one passes them all.
int try_mutants(const Options& options) {
    int missed = 0;
    std::vector<MutantResult> results;
    for (size_t index = 1; index < probe::mutant_names.size(); ++index) {
        CampaignOptions campaign = campaign_of(options);
        campaign.mutant = probe::Mutant(index);
        const CampaignResult result = run_campaign(campaign);
        results.push_back({.name = probe::mutant_names[index],
                           .is_found = result.has_failed,
                           .seeds = result.worlds_until_failure,
                           .complaint = result.complaint});
        std::printf(
            "%-32s %s\n", std::string(probe::mutant_names[index]).c_str(),
            result.has_failed ? std::to_string(result.worlds_until_failure).c_str() : "NOT FOUND");
        std::fflush(stdout);
        if (!result.has_failed) ++missed;
    }
    write_mutant_report(options, results);
    std::printf("%zu mutants, %d not found\n", results.size(), missed);
    return missed == 0 ? 0 : 1;
}

int simulate(const Options& options) {
    CampaignOptions campaign = campaign_of(options);
    if (!options.mutant.empty()) {
        const std::optional<probe::Mutant> mutant = probe::mutant_named(options.mutant);
        if (!mutant) {
            std::fprintf(stderr, "simulate: there is no mutant \"%s\"\n", options.mutant.c_str());
            return 2;
        }
        campaign.mutant = *mutant;
    }
    if (options.minimizes) return minimize(campaign);
    if (options.tries_mutants) return try_mutants(options);
    const CampaignResult result = run_campaign(campaign);
    return report_campaign(options, result);
}

}  // namespace
}  // namespace blockd::simulation

int main(int count, char** arguments) {
    using namespace blockd::simulation;
    const auto options = parse_options(count, arguments);
    if (const auto* const ending = std::get_if<Ending>(&options)) {
        std::fputs(ending->text.c_str(), ending->exit_code == 0 ? stdout : stderr);
        return ending->exit_code;
    }
    return simulate(std::get<Options>(options));
}
