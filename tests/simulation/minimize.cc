#include "simulation/minimize.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "probes/probe_names.h"

namespace blockd::simulation {
namespace {

using Settings = std::vector<std::pair<std::string, uint64_t>>;

bool fails_with(CampaignOptions options, const Settings& settings) {
    options.settings = settings;
    options.seeds = 1;
    options.jobs = 1;
    return run_campaign(options).has_failed;
}

Settings with(Settings settings, std::string_view name, uint64_t value) {
    std::erase_if(settings, [&](const auto& setting) { return setting.first == name; });
    settings.emplace_back(name, value);
    return settings;
}

// Halves it for as long as the world still fails.
void shrink(const CampaignOptions& options, Settings& settings, const SwarmParameter& parameter) {
    uint64_t value = swarm_of(options.first_seed, settings).*parameter.value;
    while (value > 1) {
        const Settings tried = with(settings, parameter.name, value / 2);
        if (!fails_with(options, tried)) return;
        settings = tried;
        value /= 2;
    }
}

}  // namespace

int minimize(const CampaignOptions& options) {
    Settings settings = options.settings;
    if (!fails_with(options, settings)) {
        std::printf("seed %llu does not fail\n",
                    static_cast<unsigned long long>(options.first_seed));
        return 0;
    }
    for (const SwarmParameter& parameter : swarm_parameters()) {
        if (!parameter.is_fault) continue;
        if (swarm_of(options.first_seed, settings).*parameter.value == 0) continue;
        const Settings tried = with(settings, parameter.name, 0);
        if (fails_with(options, tried)) settings = tried;
    }
    for (const SwarmParameter& parameter : swarm_parameters()) {
        const bool is_work = parameter.name == "operations" || parameter.name == "clients" ||
                             parameter.name == "depth";
        if (is_work) shrink(options, settings, parameter);
    }
    std::string command = "scripts/simulate --seed " + std::to_string(options.first_seed);
    if (options.mutant != probe::Mutant::none) {
        command += " --mutant " + std::string(probe::mutant_names[size_t(options.mutant)]);
    }
    for (const auto& [name, value] : settings) {
        command += " --set " + name + "=" + std::to_string(value);
    }
    std::printf("%s\n", command.c_str());
    return 1;
}

}  // namespace blockd::simulation
