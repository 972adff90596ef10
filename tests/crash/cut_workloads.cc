#include "crash/cut_workloads.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "crash/cut_contract.h"
#include "crash/cut_disk.h"
#include "crash/cut_recovery.h"
#include "crash/cut_run.h"

namespace blockd::crash {
namespace {

constexpr uint64_t states_per_workload = 500;
constexpr size_t states_per_daemon = 64;

// A disk after a cut.
struct State {
    uint64_t cut;
    CutMode mode;
    std::string image;
};

// One recorded run, and the cuts in it.
class CutRun {
  public:
    CutRun(const CampaignOptions& options, uint64_t number, CutResults& results)
        : options_(options),
          number_(number),
          results_(results),
          random_(options.seed * 1'000'003 + number),
          workload_(draw_workload(random_)),
          folder_(options.scratch) {}

    void run(uint64_t state_count);

  private:
    void count_requests(const RecordedRun& run);
    void judge(const Contract& contract, const std::vector<State>& states);
    void judge_second_cuts(const Contract& contract, const State& state, size_t index,
                           const Recovery& recovery);
    void blame(const State& state, const std::string& what);
    void keep(const State& state) const;

    const CampaignOptions& options_;
    const uint64_t number_;
    CutResults& results_;
    Random random_;
    const Workload workload_;
    const Region region_{.offset = 0, .size = workload_.image_size};
    RecordedRun run_;
    const support::TemporaryDirectory folder_;
};

void CutRun::run(uint64_t state_count) {
    run_ = run_workload(workload_, random_);
    const RecordedRun& run = run_;
    if (!run.fault.empty()) return results_.fault(run.fault);
    const Timeline timeline = timeline_of(run.record, recorded_export, run.log.size());
    if (!timeline.fault.empty()) return results_.fault("record: " + timeline.fault);
    count_requests(run);
    results_.count("events recorded", timeline.event_count);

    const Contract contract({.requests = run.log, .answers = timeline.answers}, run.initial,
                            region_);
    std::vector<State> states;
    for (uint64_t count = 0; count < state_count && !results_.is_over(); ++count) {
        // Evenly over the record, each time round with another mode for each place.
        const uint64_t turn = count / timeline.event_count;
        const uint64_t cut = state_count < timeline.event_count ? random_() % timeline.event_count
                                                                : count % timeline.event_count;
        const auto mode = static_cast<CutMode>((cut + turn) % cut_mode_count);
        const CutDisk disk(run.initial, region_, timeline.changes, timeline.syncs, cut);
        states.push_back({.cut = cut, .mode = mode, .image = cut_image(disk, mode, random_)});
        results_.count("open changes at cuts", disk.open_count());
        if (states.size() < states_per_daemon) continue;
        judge(contract, states);
        states.clear();
    }
    if (!states.empty()) judge(contract, states);
}

void CutRun::count_requests(const RecordedRun& run) {
    results_.count("workloads");
    results_.count("requests", run.log.size());
    for (const LoggedRequest& request : run.log) {
        if (request.answered == never) continue;
        const bool is_flush = request.kind == RequestKind::flush;
        results_.count(is_flush ? "flushes answered" : "changes answered");
        if (request.has_fua) results_.count("changes with FUA answered");
    }
}

void CutRun::judge(const Contract& contract, const std::vector<State>& states) {
    std::vector<std::string> images;
    images.reserve(states.size());
    for (const State& state : states) images.push_back(state.image);
    const Recovery recovery = recover(folder_, images);
    if (!recovery.fault.empty()) {
        results_.violation(recovery.fault);
        return;
    }
    results_.count("second cuts", recovery.record.events.size());
    for (size_t index = 0; index < states.size(); ++index) {
        const State& state = states[index];
        results_.count("states");
        results_.count(std::string("states, ") + name_of(state.mode));
        results_.count("bytes promised and checked", contract.promised_bytes(state.cut));
        if (const auto what = contract.violation(recovery.images[index], state.cut)) {
            blame(state, *what);
        }
        judge_second_cuts(contract, state, index, recovery);
    }
}

// The power fails again while the daemon starts, or while clients only read. What was promised
// before the first cut is promised still.
void CutRun::judge_second_cuts(const Contract& contract, const State& state, size_t index,
                               const Recovery& recovery) {
    const Timeline timeline = timeline_of(recovery.record, std::to_string(index), 0);
    if (!timeline.fault.empty()) return results_.fault("record: " + timeline.fault);
    results_.count("changes asked for by a daemon after a cut", timeline.changes.size());
    // Where the daemon asked for nothing, a cut leaves what is judged already.
    for (const DiskChange& change : timeline.changes) {
        for (const uint64_t cut : {change.submitted, change.completed}) {
            const CutDisk disk(state.image, region_, timeline.changes, timeline.syncs, cut);
            for (const CutMode mode : {CutMode::none, CutMode::all, CutMode::torn}) {
                const auto what = contract.violation(cut_image(disk, mode, random_), state.cut);
                if (what) blame(state, "after a second cut: " + *what);
            }
        }
    }
    // And what it may have done without asking for it through its loop.
    if (recovery.disks[index] == state.image) return;
    results_.count("disks changed by a daemon after a cut");
    if (const auto what = contract.violation(recovery.disks[index], state.cut)) {
        blame(state, "on the disk itself, after it was served: " + *what);
    }
}

void CutRun::blame(const State& state, const std::string& what) {
    const bool is_first = results_.violation(
        "seed " + std::to_string(options_.seed) + ", workload " + std::to_string(number_) + " (" +
        text_of(workload_) + "), cut behind event " + std::to_string(state.cut) +
        ", survivors: " + name_of(state.mode) + ": " + what);
    if (is_first && !options_.keep.empty()) keep(state);
}

void CutRun::keep(const State& state) const {
    std::filesystem::create_directories(options_.keep);
    support::write_file(options_.keep + "/record", run_.record_bytes);
    support::write_file(options_.keep + "/before.img", run_.initial);
    support::write_file(options_.keep + "/after.img", state.image);
    std::string text = "cut behind event " + std::to_string(state.cut) + "\n";
    for (size_t index = 0; index < run_.log.size(); ++index) {
        const LoggedRequest& request = run_.log[index];
        text += std::to_string(index + 1) + " " + text_of(request) + ": sent at " +
                std::to_string(request.sent) + ", ";
        text += request.answered == never
                    ? "not answered\n"
                    : "answered at " + std::to_string(request.answered) + "\n";
    }
    support::write_file(options_.keep + "/requests", text);
}

}  // namespace

void cut_random_workloads(const CampaignOptions& options, CutResults& results) {
    const uint64_t workload_count =
        (options.states + states_per_workload - 1) / states_per_workload;
    std::atomic<uint64_t> next = 0;
    std::vector<std::thread> jobs;
    for (uint32_t job = 0; job < options.jobs; ++job) {
        jobs.emplace_back([&] {
            while (!results.is_over()) {
                const uint64_t number = next++;
                if (number >= workload_count) return;
                const uint64_t before = number * states_per_workload;
                CutRun(options, number, results)
                    .run(std::min(states_per_workload, options.states - before));
            }
        });
    }
    for (std::thread& job : jobs) job.join();
}

}  // namespace blockd::crash
