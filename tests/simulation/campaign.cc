#include "simulation/campaign.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "simulation/world.h"

namespace blockd::simulation {
namespace {

using Clock = std::chrono::steady_clock;

// Of real time: a world that takes longer turns without an end. Most take a few milliseconds.
constexpr unsigned world_seconds_max = 300;

static_assert(sizeof(Figures) % sizeof(uint64_t) == 0);
using FigureArray = std::array<uint64_t, sizeof(Figures) / sizeof(uint64_t)>;

// What a process tells the one that started it; in memory that both see.
struct Report {
    uint64_t worlds;
    uint64_t current_seed;
    uint64_t failed_seed;
    uint64_t trace_hash;
    bool has_failed;
    FigureArray figures;
    std::array<uint64_t, size_t(probe::Mark::count)> mark_hits;
    std::array<char, 4096> complaint;
};

struct Shared {
    std::atomic<bool> is_over;
    std::array<Report, 64> reports;
};

Shared& make_shared_memory() {
    void* const memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        std::perror("simulate: mmap");
        std::exit(2);
    }
    return *new (memory) Shared{};
}

void add(Report& report, const Figures& figures) {
    const auto added = std::bit_cast<FigureArray>(figures);
    for (size_t index = 0; index < added.size(); ++index) report.figures[index] += added[index];
}

void fail(Report& report, uint64_t seed, const std::string& complaint) {
    report.has_failed = true;
    report.failed_seed = seed;
    std::snprintf(report.complaint.data(), report.complaint.size(), "%s", complaint.c_str());
}

void run_seed(const CampaignOptions& options, uint64_t seed, Report& report) {
    report.current_seed = seed;
    alarm(world_seconds_max);
    const Swarm swarm = swarm_of(seed, options.settings);
    const auto telling = options.is_verbose ? World::Telling::everything : World::Telling::nothing;
    const Verdict verdict = World(seed, swarm, telling).run();
    ++report.worlds;
    report.trace_hash += Random::mix(seed ^ verdict.trace_hash);
    add(report, verdict.figures);
    if (!verdict.complaint.empty()) return fail(report, seed, verdict.complaint);
    if (!options.runs_twice) return;
    const Verdict again = World(seed, swarm).run();
    const bool is_same = again.trace_hash == verdict.trace_hash && again.complaint.empty();
    if (!is_same) fail(report, seed, "the second run (--twice) left another trace");
}

void work(const CampaignOptions& options, uint32_t job, Shared& shared) {
    Report& report = shared.reports[job];
    const Clock::time_point end = Clock::now() + std::chrono::seconds(options.seconds);
    probe::active_mutant = options.mutant;
    for (uint64_t index = job; options.seeds == 0 || index < options.seeds; index += options.jobs) {
        if (shared.is_over || report.has_failed) break;
        if (options.seconds > 0 && Clock::now() >= end) break;
        run_seed(options, options.first_seed + index, report);
    }
    if (report.has_failed) shared.is_over = true;
    report.mark_hits = probe::mark_hits;
}

std::string end_of(int status) {
    if (WIFEXITED(status)) return "ended with exit code " + std::to_string(WEXITSTATUS(status));
    const int number = WTERMSIG(status);
    std::string text = std::string("ended by ") + strsignal(number);
    if (number == SIGABRT) text += ": an assertion, see above";
    if (number == SIGALRM) text += ": the world does not end";
    return text;
}

void collect(const CampaignOptions& options, const Report& report, CampaignResult& result) {
    result.worlds += report.worlds;
    result.trace_hash += report.trace_hash;
    auto sum = std::bit_cast<FigureArray>(result.figures);
    for (size_t index = 0; index < sum.size(); ++index) sum[index] += report.figures[index];
    result.figures = std::bit_cast<Figures>(sum);
    for (size_t index = 0; index < report.mark_hits.size(); ++index) {
        result.mark_hits[index] += report.mark_hits[index];
    }
    const bool is_first = !result.has_failed || report.failed_seed < result.failed_seed;
    if (!report.has_failed || !is_first) return;
    result.has_failed = true;
    result.failed_seed = report.failed_seed;
    result.worlds_until_failure = report.failed_seed - options.first_seed + 1;
    result.complaint = report.complaint.data();
}

}  // namespace

Swarm swarm_of(uint64_t seed, const std::vector<std::pair<std::string, uint64_t>>& settings) {
    Swarm swarm = Swarm::draw(seed);
    for (const auto& [name, value] : settings) {
        const auto found = std::ranges::find(swarm_parameters(), name, &SwarmParameter::name);
        if (found == swarm_parameters().end()) {
            std::fprintf(stderr, "simulate: there is no parameter \"%s\"\n", name.c_str());
            std::exit(2);
        }
        swarm.*found->value = value;
    }
    return swarm;
}

CampaignResult run_campaign(const CampaignOptions& options) {
    static Shared& shared = make_shared_memory();
    const Clock::time_point begin = Clock::now();
    (void)swarm_of(options.first_seed, options.settings);  // Ends here if a name is unknown.
    shared.is_over = false;
    std::vector<pid_t> processes;
    std::fflush(nullptr);
    for (uint32_t job = 0; job < options.jobs; ++job) {
        shared.reports[job] = {};
        const pid_t process = fork();
        if (process == 0) {
            work(options, job, shared);
            std::fflush(nullptr);
            std::_Exit(0);
        }
        processes.push_back(process);
    }
    CampaignResult result;
    for (uint32_t job = 0; job < options.jobs; ++job) {
        int status = 0;
        waitpid(processes[job], &status, 0);
        Report& report = shared.reports[job];
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            shared.is_over = true;
            fail(report, report.current_seed, end_of(status));
        }
        collect(options, report, result);
    }
    result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return result;
}

}  // namespace blockd::simulation
