#include "simulation/report.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>

#include "probes/probe_names.h"

namespace blockd::simulation {
namespace {

using Json = nlohmann::ordered_json;

Json figures_of(const CampaignResult& result) {
    const Figures& figures = result.figures;
    return {{"seeds", result.worlds},
            {"client operations", figures.client_operations},
            {"client operations answered", figures.operations_answered},
            {"client operations per second",
             uint64_t(double(figures.client_operations) / std::max(result.seconds, 0.001))},
            {"bytes written", figures.bytes_written},
            {"bytes read", figures.bytes_read},
            {"disk operations", figures.disk_operations},
            {"connections", figures.connections},
            {"read errors", figures.read_errors},
            {"write errors", figures.write_errors},
            {"sync errors", figures.sync_errors},
            {"full disks", figures.no_space_errors},
            {"short transfers", figures.short_transfers},
            {"stalls of the disk", figures.stalls},
            {"truncations", figures.truncations},
            {"connections cut", figures.connections_cut},
            {"clients that stalled", figures.stalled_clients},
            {"hostile connections", figures.hostile_connections},
            {"kills", figures.kills},
            {"power cuts", figures.power_cuts},
            {"stops", figures.stops},
            {"virtual seconds", figures.virtual_seconds},
            {"turns of the loop", figures.turns}};
}

void write_report(const Options& options, Json report) {
    if (options.report_path.empty()) return;
    std::ofstream file(options.report_path);
    file << report.dump(2) << '\n';
    if (!file) std::fprintf(stderr, "simulate: cannot write %s\n", options.report_path.c_str());
}

std::string replay_of(const Options& options, uint64_t seed) {
    std::string command = "scripts/simulate --seed " + std::to_string(seed);
    if (!options.mutant.empty()) command += " --mutant " + options.mutant;
    for (const auto& [name, value] : options.settings) {
        command += " --set " + name + "=" + std::to_string(value);
    }
    return command;
}

// With the shipped libraries there are no marks at all.
std::vector<std::string_view> missing_marks(const CampaignResult& result) {
    std::vector<std::string_view> missing;
    for (size_t index = 0; index < result.mark_hits.size(); ++index) {
        if (result.mark_hits[index] == 0) missing.push_back(probe::mark_names[index]);
    }
    return missing;
}

}  // namespace

int report_campaign(const Options& options, const CampaignResult& result) {
    const Json figures = figures_of(result);
    for (const auto& [name, value] : figures.items()) {
        std::printf("%-32s %s\n", name.c_str(), value.dump().c_str());
    }
    std::printf("%-32s %016llx\n", "trace", static_cast<unsigned long long>(result.trace_hash));
    Json marks = Json::object();
    for (size_t index = 0; index < result.mark_hits.size(); ++index) {
        marks[std::string(probe::mark_names[index])] = result.mark_hits[index];
    }
    write_report(options, {{"harness", "simulation"},
                           {"command", "scripts/simulate --seeds " + std::to_string(options.seeds) +
                                           " --first-seed " + std::to_string(options.first_seed)},
                           {"seed", options.first_seed},
                           {"seconds", result.seconds},
                           {"figures", figures},
                           {"marks", marks},
                           {"violations", result.has_failed ? 1 : 0}});
    if (result.has_failed) {
        std::printf("FAILED: seed %llu: %s\nTo see it again: %s\n",
                    static_cast<unsigned long long>(result.failed_seed), result.complaint.c_str(),
                    replay_of(options, result.failed_seed).c_str());
        return 1;
    }
    if (!options.checks_marks) return 0;
    const std::vector<std::string_view> missing = missing_marks(result);
    for (const std::string_view mark : missing) {
        std::printf("FAILED: the mark %s was never hit\n", std::string(mark).c_str());
    }
    return missing.empty() ? 0 : 1;
}

void write_mutant_report(const Options& options, const std::vector<MutantResult>& results) {
    Json mutants = Json::array();
    uint64_t missed = 0;
    for (const MutantResult& result : results) {
        mutants.push_back({{"name", result.name},
                           {"seeds", result.seeds},
                           {"found", result.is_found},
                           {"complaint", result.complaint}});
        if (!result.is_found) ++missed;
    }
    write_report(options, {{"harness", "mutants"},
                           {"command", "scripts/simulate --mutants --seeds " +
                                           std::to_string(options.seeds) + " --first-seed " +
                                           std::to_string(options.first_seed)},
                           {"seed", options.first_seed},
                           {"mutants", mutants},
                           {"violations", missed}});
}

}  // namespace blockd::simulation
