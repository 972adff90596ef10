#include "simulation/options.h"

#include <boost/program_options.hpp>

#include <charconv>
#include <chrono>
#include <sstream>

namespace blockd::simulation {
namespace {

namespace po = boost::program_options;

po::options_description described(Options& options, std::vector<std::string>& settings) {
    po::options_description description("Options");
    description.add_options()("help", "show this")("seed", po::value<uint64_t>(),
                                                   "run this one world, and print its figures")(
        "first-seed", po::value(&options.first_seed), "of a campaign; by default from the clock")(
        "seeds", po::value(&options.seeds), "how many worlds")(
        "seconds", po::value(&options.seconds), "how long at most")(
        "jobs", po::value(&options.jobs), "processes at a time (1)")(
        "twice", po::bool_switch(&options.runs_twice), "each seed must leave its trace twice")(
        "verbose", po::bool_switch(&options.is_verbose), "print what the servers log")(
        "marks", po::bool_switch(&options.checks_marks), "fail where a mark was never hit")(
        "mutant", po::value(&options.mutant), "a deliberate bug that every world has")(
        "mutants", po::bool_switch(&options.tries_mutants),
        "for each deliberate bug: how many seeds find it, of --seeds")(
        "minimize", po::bool_switch(&options.minimizes), "what it takes that --seed fails")(
        "set", po::value(&settings)->composing(), "NAME=VALUE of the swarm, whatever the seed")(
        "report", po::value(&options.report_path), "where the figures go, as JSON");
    return description;
}

bool parse_setting(const std::string& text, Options& options) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) return false;
    uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + equals + 1, end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end) return false;
    options.settings.emplace_back(text.substr(0, equals), value);
    return true;
}

uint64_t seed_of_clock() {
    return uint64_t(std::chrono::system_clock::now().time_since_epoch().count()) / 1'000 %
           1'000'000'000'000;
}

}  // namespace

std::variant<Options, Ending> parse_options(int count, char** arguments) {
    Options options;
    options.first_seed = seed_of_clock();
    std::vector<std::string> settings;
    const po::options_description description = described(options, settings);
    po::variables_map values;
    try {
        po::store(po::parse_command_line(count, arguments, description), values);
        po::notify(values);
    } catch (const po::error& error) {
        return Ending{.text = std::string("simulate: ") + error.what() + '\n', .exit_code = 2};
    }
    if (values.contains("help")) {
        std::ostringstream text;
        text << "Usage: simulate [OPTION...]\n\n" << description;
        return Ending{.text = text.str(), .exit_code = 0};
    }
    for (const std::string& setting : settings) {
        if (!parse_setting(setting, options)) {
            return Ending{.text = "simulate: --set " + setting + ": NAME=NUMBER is allowed\n",
                          .exit_code = 2};
        }
    }
    if (values.contains("seed")) {
        options.first_seed = values["seed"].as<uint64_t>();
        options.seeds = 1;
    }
    if (options.seeds == 0 && options.seconds == 0) {
        return Ending{.text = "simulate: one of --seed, --seeds and --seconds says how much\n",
                      .exit_code = 2};
    }
    return options;
}

}  // namespace blockd::simulation
