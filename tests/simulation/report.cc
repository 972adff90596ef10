#include "simulation/report.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>

#include "probes/probe_names.h"

namespace blockd::simulation {
namespace {

using Json = nlohmann::ordered_json;

Json figures_of(const Options& options, const CampaignResult& result) {
    const Figures& figures = result.figures;
    const double process_seconds = std::max(result.seconds * options.jobs, 0.001);
    return {{"seeds", result.worlds},
            {"client operations", figures.client_operations},
            {"client operations answered", figures.operations_answered},
            {"client operations per second and process",
             uint64_t(double(figures.client_operations) / process_seconds)},
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
            {"failed sends", figures.failed_sends},
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

// What the seeds do not say.
std::string choices_of(const Options& options) {
    std::string command;
    if (options.runs_twice) command += " --twice";
    if (!options.mutant.empty()) command += " --mutant " + options.mutant;
    for (const auto& [name, value] : options.settings) {
        command += " --set " + name + "=" + std::to_string(value);
    }
    return command;
}

std::string campaign_command(const Options& options, const CampaignResult& result) {
    std::string command = "scripts/simulate --first-seed " + std::to_string(options.first_seed) +
                          " --seeds " + std::to_string(result.worlds) + choices_of(options);
    if (options.checks_marks) command += " --marks";
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
    std::vector<std::string_view> missing;
    if (options.checks_marks) missing = missing_marks(result);
    const Json figures = figures_of(options, result);
    for (const auto& [name, value] : figures.items()) {
        std::printf("%-32s %s\n", name.c_str(), value.dump().c_str());
    }
    std::printf("%-32s %016llx\n", "trace", static_cast<unsigned long long>(result.trace_hash));
    Json marks = Json::object();
    for (size_t index = 0; index < result.mark_hits.size(); ++index) {
        marks[std::string(probe::mark_names[index])] = result.mark_hits[index];
    }
    write_report(options, {{"harness", "simulation"},
                           {"command", campaign_command(options, result)},
                           {"seed", options.first_seed},
                           {"seconds", result.seconds},
                           {"figures", figures},
                           {"marks", marks},
                           {"violations", missing.size() + (result.has_failed ? 1 : 0)}});
    if (result.has_failed) {
        std::printf(
            "FAILED: seed %llu: %s\nTo see it again: %s\n",
            static_cast<unsigned long long>(result.failed_seed), result.complaint.c_str(),
            ("scripts/simulate --seed " + std::to_string(result.failed_seed) + choices_of(options))
                .c_str());
        return 1;
    }
    if (result.worlds == 0) {
        std::puts("FAILED: no world was run");
        return 1;
    }
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
