// Power cuts of the real blockd, replayed from its records.
//
//     power_cuts [--states N] [--seed N] [--jobs N] [--exhaustive] [--scratch DIR] [--keep DIR]
//                [--report FILE]
//
// Exit codes: 0 the contract holds, 1 it was violated, 2 wrong usage, 3 the campaign did not work.
#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include "crash/cut_results.h"
#include "crash/cut_scripts.h"
#include "crash/cut_workloads.h"

namespace blockd::crash {
namespace {

struct Options {
    CampaignOptions campaign;
    bool is_exhaustive = false;
    std::string report;
};

bool take_number(std::string_view text, uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

std::optional<Options> parse(int count, char** arguments) {
    Options options;
    uint64_t jobs = options.campaign.jobs;
    bool is_right = true;
    for (int index = 1; index < count && is_right; ++index) {
        const std::string_view name = arguments[index];
        if (name == "--exhaustive") {
            options.is_exhaustive = true;
            continue;
        }
        if (++index == count) return std::nullopt;
        const std::string_view value = arguments[index];
        if (name == "--states") {
            is_right = take_number(value, options.campaign.states);
        } else if (name == "--seed") {
            is_right = take_number(value, options.campaign.seed);
        } else if (name == "--jobs") {
            is_right = take_number(value, jobs) && jobs >= 1 && jobs <= 64;
        } else if (name == "--scratch") {
            options.campaign.scratch = value;
        } else if (name == "--keep") {
            options.campaign.keep = value;
        } else if (name == "--report") {
            options.report = value;
        } else {
            is_right = false;
        }
    }
    options.campaign.jobs = static_cast<uint32_t>(jobs);
    if (!is_right) return std::nullopt;
    return options;
}

std::string command_of(const Options& options) {
    std::string text = "scripts/power-cuts";
    text += options.is_exhaustive ? " --exhaustive"
                                  : " --states " + std::to_string(options.campaign.states) +
                                        " --seed " + std::to_string(options.campaign.seed);
    return text;
}

int run(const Options& options) {
    const auto start = std::chrono::steady_clock::now();
    CutResults results;
    if (options.is_exhaustive) {
        cut_all_scripts(options.campaign, results);
    } else {
        std::cout << "seed " << options.campaign.seed << std::endl;
        cut_random_workloads(options.campaign, results);
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    for (const auto& [name, value] : results.figures()) {
        std::cout << name << ": " << value << '\n';
    }
    std::cout << elapsed.count() << " s, " << results.violations() << " violations" << std::endl;
    if (!options.report.empty() && !write_report({.path = options.report,
                                                  .command = command_of(options),
                                                  .seed = options.campaign.seed,
                                                  .seconds = elapsed.count()},
                                                 results)) {
        results.fault("the report cannot be written");
    }
    // The NBD client tells of broken answers as failures of a test.
    const bool is_client_content = !testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed();
    if (results.violations() > 0) return 1;
    if (results.faults() > 0 || !is_client_content) return 3;
    if (results.figure("bytes promised and checked") == 0) {
        std::cout << "nothing was promised, and so nothing is proved\n";
        return 3;
    }
    return 0;
}

}  // namespace
}  // namespace blockd::crash

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    const auto options = blockd::crash::parse(count, arguments);
    if (!options) {
        std::cerr << "usage: power_cuts [--states N] [--seed N] [--jobs N] [--exhaustive]\n"
                     "                  [--scratch DIR] [--keep DIR] [--report FILE]\n";
        return 2;
    }
    return blockd::crash::run(*options);
}
