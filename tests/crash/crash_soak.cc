// blockd under load among clients in trouble, for a long time: it must not grow, and not slow down.
//
//     crash_soak soak [--minutes N] [--seed N] [--report FILE]
//
// Four clients load it and judge each answer; eight others stall, die in the middle of what they
// say, and come back. Memory, file descriptors and the p99 of reads are sampled; from a sixth of
// the run on they must be flat: the last third is compared with the one before it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "crash/arguments.h"
#include "crash/loaded_daemon.h"
#include "crash/report.h"
#include "crash/rude_client.h"

namespace blockd::crash {
namespace {

using Clock = std::chrono::steady_clock;
using support::mebibyte;

constexpr uint32_t rude_count = 8;
constexpr uint64_t spare_size = 16 * mebibyte;
constexpr uint64_t request_size_max = 4 * mebibyte;  // More than a socket takes: sent in parts.
constexpr uint64_t samples_min = 24;
constexpr std::chrono::milliseconds sample_pause_max{10'000};

// What may differ between two equal stretches of time. Memory: a burst touches pages of the arena
// for the first time, up to buffer_bytes; two bytes lost per request are as much in half an hour.
constexpr double resident_slack_mebibytes = 16;
// Time: other programs on the machine.
constexpr double p99_slack = 1.5;
constexpr double p99_slack_ms = 5;

struct Sample {
    double resident_mebibytes = 0;
    double descriptors = 0;
    double p99_ms = 0;
};

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values.empty() ? 0 : values[values.size() / 2];
}

class Soak {
  public:
    Soak(const Arguments& arguments, Report& report)
        : duration_(std::chrono::minutes(arguments.number("minutes", 30))),
          numbers_(arguments.seed()),
          report_(report),
          daemon_({.spare_size = spare_size,
                   .request_size_max = request_size_max,
                   .limits = {"\"transfer_timeout\": \"2s\""}}) {}

    void run() {
        if (!daemon_.start()) return report_.add_violation("it does not start");
        const uint32_t descriptors_before = daemon_.daemon.status().descriptor_count;
        daemon_.connect(numbers_());
        daemon_.start_load();
        start_rude_clients();
        watch();
        stop_rude_clients();
        for (const auto& client : daemon_.clients()) client->wind_down();
        daemon_.wait_for_load();
        report_.add_violations(daemon_.take_violations());
        const bool is_free = support::eventually(
            [&] { return daemon_.daemon.status().descriptor_count <= descriptors_before; });
        if (!is_free) report_.add_violation("file descriptors are left after all clients");
        daemon_.verify(numbers_());
        report_.add_violations(daemon_.take_violations());
        if (daemon_.daemon.terminate() != 0) report_.add_violation("no clean end");
        judge();
        add_figures();
    }

  private:
    void start_rude_clients() {
        for (uint32_t index = 0; index < rude_count; ++index) {
            const RudeClient::Target target = {
                .endpoints = {daemon_.endpoint(), daemon_.tcp_endpoint()},
                .offset = daemon_.spare_offset(),
                .size = spare_size};
            rude_clients_.push_back(std::make_unique<RudeClient>(target, numbers_()));
            threads_.emplace_back([&client = *rude_clients_.back()] { client.run(); });
        }
    }

    void stop_rude_clients() {
        for (const auto& client : rude_clients_) client->stop();
        for (std::thread& thread : threads_) thread.join();
    }

    void watch() {
        const auto pause = std::min<Clock::duration>(sample_pause_max, duration_ / samples_min);
        const auto end = Clock::now() + duration_;
        for (auto next = Clock::now() + pause; next <= end; next += pause) {
            std::this_thread::sleep_until(next);
            if (!daemon_.daemon.is_running()) return report_.add_violation("it died");
            take_sample();
        }
    }

    void take_sample() {
        std::vector<uint64_t> latencies;
        for (const auto& client : daemon_.clients()) {
            const std::vector<uint64_t> some = client->take_read_latencies_ns();
            latencies.insert(latencies.end(), some.begin(), some.end());
        }
        std::ranges::sort(latencies);
        if (latencies.empty()) return report_.add_violation("nothing was read for a while");
        const support::ProcessStatus status = daemon_.daemon.status();
        const Sample sample = {
            .resident_mebibytes = static_cast<double>(status.resident_bytes) / mebibyte,
            .descriptors = double(status.descriptor_count),
            .p99_ms = static_cast<double>(latencies[latencies.size() * 99 / 100]) / 1e6};
        std::cout << samples_.size() << ": " << sample.resident_mebibytes << " MiB, "
                  << sample.descriptors << " descriptors, p99 " << sample.p99_ms << " ms of "
                  << latencies.size() << " reads" << std::endl;
        samples_.push_back(sample);
    }

    // The median over a stretch of the samples, in sixths of the run.
    double median_of(double Sample::*member, size_t first_sixth, size_t end_sixth) const {
        std::vector<double> values;
        for (size_t index = samples_.size() * first_sixth / 6;
             index < samples_.size() * end_sixth / 6; ++index) {
            values.push_back(samples_[index].*member);
        }
        return median(values);
    }

    void judge() {
        if (samples_.size() < samples_min - 1) {
            return report_.add_violation("too few samples to judge by");
        }
        const double resident = median_of(&Sample::resident_mebibytes, 1, 3);
        const double resident_later = median_of(&Sample::resident_mebibytes, 4, 6);
        if (resident_later > resident + resident_slack_mebibytes) {
            report_.add_violation("it grew from " + std::to_string(resident) + " to " +
                                  std::to_string(resident_later) + " MiB");
        }
        const double p99_ms = median_of(&Sample::p99_ms, 1, 3);
        const double p99_later_ms = median_of(&Sample::p99_ms, 4, 6);
        if (p99_later_ms > p99_ms * p99_slack + p99_slack_ms) {
            report_.add_violation("it slowed down from " + std::to_string(p99_ms) + " to " +
                                  std::to_string(p99_later_ms) + " ms");
        }
        const double descriptors_max =
            std::ranges::max(samples_, {}, &Sample::descriptors).descriptors;
        // Those that are closing are on their way out for the transfer timeout at most.
        if (descriptors_max > samples_[0].descriptors + 4 * rude_count) {
            report_.add_violation("it has " + std::to_string(descriptors_max) + " descriptors");
        }
        report_.add("resident early, MiB", resident);
        report_.add("resident late, MiB", resident_later);
        report_.add("p99 of reads early, ms", p99_ms);
        report_.add("p99 of reads late, ms", p99_later_ms);
        report_.add("descriptors at most", descriptors_max);
    }

    void add_figures() {
        uint64_t visits = 0;
        uint64_t cut_offs = 0;
        for (const auto& client : rude_clients_) {
            visits += client->visit_count();
            cut_offs += client->cut_off_count();
            if (client->endless_count() != 0) {
                report_.add_violation("a client that takes nothing was not cut off");
            }
        }
        const LoadCounts& counts = daemon_.counts();
        const auto add = [this](const char* name, uint64_t value) {
            report_.add(name, static_cast<double>(value));
        };
        add("samples", samples_.size());
        add("writes acknowledged", counts.writes_acknowledged);
        add("reads answered", counts.reads);
        add("sectors judged while it ran", counts.sectors_read);
        add("clients that broke off", visits);
        add("clients that stalled and were cut off", cut_offs);
        if (testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) {
            report_.add_violation("a client failed, see above");
        }
    }

    const std::chrono::seconds duration_;
    std::mt19937_64 numbers_;
    Report& report_;
    LoadedDaemon daemon_;
    std::vector<std::unique_ptr<RudeClient>> rude_clients_;
    std::vector<std::thread> threads_;
    std::vector<Sample> samples_;
};

}  // namespace
}  // namespace blockd::crash

int main(int count, char** words) {
    using namespace blockd::crash;
    const Arguments arguments(count, words, {"soak"}, {"minutes", "seed", "report"});
    Report report(arguments.harness(), arguments.repeatable(), arguments.seed());
    Soak(arguments, report).run();
    return report.finish(arguments.text("report"));
}
