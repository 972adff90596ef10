#include "crash/cut_scripts.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "crash/cut_contract.h"
#include "crash/cut_disk.h"
#include "crash/cut_recovery.h"
#include "crash/cut_run.h"

namespace blockd::crash {
namespace {

constexpr uint64_t block_size = 4096;
constexpr uint64_t region_size = 4 * block_size;
constexpr size_t regions_per_daemon = 512;  // 8 MiB.
constexpr size_t open_changes_max = 12;     // Of one script: 4096 subsets.

// Each block, two blocks, and bytes that begin and end inside of blocks.
constexpr std::array<Region, 6> targets = {
    Region{0 * block_size, block_size},     Region{1 * block_size, block_size},
    Region{2 * block_size, block_size},     Region{3 * block_size, block_size},
    Region{1 * block_size, 2 * block_size}, Region{6244, 3901}};

std::vector<LoggedRequest> all_requests() {
    std::vector<LoggedRequest> requests = {{.kind = RequestKind::flush}};
    const auto add = [&requests](RequestKind kind, bool has_fua) {
        for (const Region& target : targets) {
            requests.push_back(
                {.kind = kind, .has_fua = has_fua, .offset = target.offset, .size = target.size});
        }
    };
    add(RequestKind::write, false);
    add(RequestKind::write, true);
    add(RequestKind::write_zeroes, false);
    add(RequestKind::trim, false);
    return requests;
}

using Script = std::vector<LoggedRequest>;

// Those of one to three requests that begin with this one.
std::vector<Script> scripts_from(const LoggedRequest& first) {
    const std::vector<LoggedRequest> requests = all_requests();
    std::vector<Script> scripts = {{first}};
    for (const LoggedRequest& second : requests) {
        scripts.push_back({first, second});
        for (const LoggedRequest& third : requests) scripts.push_back({first, second, third});
    }
    return scripts;
}

// One script in the record of all of them.
struct ScriptRun {
    Region region;
    size_t first_request;
    size_t request_count;
};

// A disk that a cut of a script left, and the cuts that could leave it.
struct State {
    const Contract* contract;
    std::string image;
    std::set<uint64_t> cuts;
    std::string script;
};

// All scripts that begin with one request, one after the other, each on a region of its own.
class ScriptSession {
  public:
    ScriptSession(const CampaignOptions& options, CutResults& results)
        : results_(results), folder_(options.scratch) {}

    void run(const std::vector<Script>& scripts);

  private:
    RecordedRun record(const std::vector<Script>& scripts);
    void cut(const ScriptRun& script, uint64_t begin, uint64_t end);
    void judge();

    CutResults& results_;
    const support::TemporaryDirectory folder_;
    std::vector<ScriptRun> runs_;
    RecordedRun recorded_;
    Timeline timeline_;
    std::vector<std::unique_ptr<Contract>> contracts_;
    std::vector<State> states_;
};

RecordedRun ScriptSession::record(const std::vector<Script>& scripts) {
    RecordedDaemon daemon(stamped(0, 0, scripts.size() * region_size));
    if (!daemon.is_ready()) return {.fault = "the daemon did not start"};
    ClientLog log;
    uint64_t clock = 0;
    {
        LoggedClient client(daemon.connect(), log, clock);
        for (const Script& script : scripts) {
            const uint64_t offset = runs_.size() * region_size;
            runs_.push_back({.region = {.offset = offset, .size = region_size},
                             .first_request = log.size(),
                             .request_count = script.size()});
            for (LoggedRequest request : script) {
                if (request.kind != RequestKind::flush) request.offset += offset;
                client.send(std::move(request));
                client.take_answer();
            }
            if (client.is_broken()) return {.fault = "the daemon broke a connection"};
        }
    }
    return std::move(daemon).finish(std::move(log));
}

void ScriptSession::run(const std::vector<Script>& scripts) {
    recorded_ = record(scripts);
    if (!recorded_.fault.empty()) return results_.fault(recorded_.fault);
    timeline_ = timeline_of(recorded_.record, recorded_export, recorded_.log.size());
    if (!timeline_.fault.empty()) return results_.fault("record: " + timeline_.fault);
    results_.count("scripts", scripts.size());
    results_.count("events recorded", timeline_.event_count);
    uint64_t begin = 0;
    for (const ScriptRun& script : runs_) {
        const size_t last = script.first_request + script.request_count - 1;
        const uint64_t end = timeline_.answers[last];
        if (end == never) {
            results_.violation("a request of a script failed");
            return;
        }
        cut(script, begin, end);
        begin = end;
        if (states_.size() >= regions_per_daemon) judge();
        if (results_.is_over()) return;
    }
    judge();
}

// The subset-th of the subsets of `count` open changes; beyond them each change torn in three ways,
// while all others survive or none does.
bool survives(uint64_t choice, size_t count, size_t index, uint64_t sector) {
    const uint64_t subset_count = uint64_t{1} << count;
    if (choice < subset_count) return (choice >> index & 1) != 0;
    const uint64_t torn = choice - subset_count;
    if (torn / 6 != index) return torn % 2 == 0;
    switch (torn % 6 / 2) {
        case 0: return sector % 2 == 0;
        case 1: return sector < 4;
        default: return sector >= 4;
    }
}

// `begin` and `end` are the answers to the last requests of the script before and of this one.
void ScriptSession::cut(const ScriptRun& script, uint64_t begin, uint64_t end) {
    const std::span requests =
        std::span(recorded_.log).subspan(script.first_request, script.request_count);
    const std::span answers =
        std::span(timeline_.answers).subspan(script.first_request, script.request_count);
    const auto after = [begin](const auto& operation) { return operation.submitted > begin; };
    const auto first_change =
        std::find_if(timeline_.changes.begin(), timeline_.changes.end(), after);
    const auto first_sync = std::find_if(timeline_.syncs.begin(), timeline_.syncs.end(), after);
    std::vector<DiskChange> changes;
    std::vector<DiskSync> syncs;
    std::set<uint64_t> cuts = {begin};
    for (auto change = first_change; change != timeline_.changes.end() && change->submitted < end;
         ++change) {
        changes.push_back(*change);
        cuts.insert({change->submitted, change->completed});
    }
    for (auto sync = first_sync; sync != timeline_.syncs.end() && sync->submitted < end; ++sync) {
        syncs.push_back(*sync);
        cuts.insert({sync->submitted, sync->completed});
    }
    cuts.insert(answers.begin(), answers.end());
    cuts.erase(never);

    const std::string initial = recorded_.initial.substr(script.region.offset, region_size);
    contracts_.push_back(std::make_unique<Contract>(
        Contract::Clients{.requests = requests, .answers = answers}, initial, script.region));
    std::string text;
    for (const LoggedRequest& request : requests) text += text_of(request) + "; ";
    std::map<std::string, std::set<uint64_t>> images;
    for (const uint64_t place : cuts) {
        const CutDisk disk(initial, script.region, changes, syncs, place);
        const size_t count = disk.open_count();
        if (count > open_changes_max) return results_.fault("too many open changes: " + text);
        const uint64_t choices = (uint64_t{1} << count) + 6 * count;
        for (uint64_t choice = 0; choice < choices; ++choice) {
            images[disk.image([&](size_t index, uint64_t sector) {
                return survives(choice, count, index, sector);
            })].insert(place);
        }
        results_.count("states", choices);
        results_.count("bytes promised and checked",
                       contracts_.back()->promised_bytes(place) * choices);
    }
    results_.count("cuts", cuts.size());
    for (auto& [image, places] : images) {
        states_.push_back({.contract = contracts_.back().get(),
                           .image = image,
                           .cuts = std::move(places),
                           .script = text});
    }
}

// Several disks are one export: the daemon keeps no state between its blocks.
void ScriptSession::judge() {
    for (size_t first = 0; first < states_.size(); first += regions_per_daemon) {
        const size_t count = std::min(regions_per_daemon, states_.size() - first);
        std::string image;
        for (size_t index = 0; index < count; ++index) image += states_[first + index].image;
        const Recovery recovery = recover(folder_, {image});
        if (!recovery.fault.empty()) {
            results_.violation(recovery.fault);
            return;
        }
        results_.count("disks read back", count);
        for (size_t index = 0; index < count; ++index) {
            const State& state = states_[first + index];
            const std::string_view bytes =
                std::string_view(recovery.images[0]).substr(index * region_size, region_size);
            for (const uint64_t place : state.cuts) {
                if (const auto what = state.contract->violation(bytes, place)) {
                    results_.violation("script: " + state.script + "cut behind event " +
                                       std::to_string(place) + ": " + *what);
                }
            }
        }
    }
    states_.clear();
    contracts_.clear();
}

}  // namespace

void cut_all_scripts(const CampaignOptions& options, CutResults& results) {
    const std::vector<LoggedRequest> requests = all_requests();
    std::atomic<size_t> next = 0;
    std::vector<std::thread> jobs;
    for (uint32_t job = 0; job < options.jobs; ++job) {
        jobs.emplace_back([&] {
            while (!results.is_over()) {
                const size_t number = next++;
                if (number >= requests.size()) return;
                ScriptSession(options, results).run(scripts_from(requests[number]));
            }
        });
    }
    for (std::thread& job : jobs) job.join();
}

}  // namespace blockd::crash
