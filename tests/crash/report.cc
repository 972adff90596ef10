#include "crash/report.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>

namespace blockd::crash {
namespace {

constexpr uint64_t printed_violations_max = 20;

int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Counts are whole numbers, and are written as such.
nlohmann::ordered_json number(double value) {
    if (std::trunc(value) == value) return static_cast<int64_t>(value);
    return std::round(value * 1000) / 1000;
}

}  // namespace

Report::Report(std::string harness, const std::vector<std::string>& arguments, uint64_t seed)
    : harness_(std::move(harness)), command_("scripts/crash"), seed_(seed), start_ms_(now_ms()) {
    bool has_seed = false;
    for (const std::string& argument : arguments) {
        has_seed = has_seed || argument == "--seed";
        command_ += " " + argument;
    }
    if (!has_seed) command_ += " --seed " + std::to_string(seed);
    std::cout << command_ << std::endl;
}

void Report::add_violations(const std::vector<std::string>& violations) {
    for (const std::string& violation : violations) {
        if (++violation_count_ <= printed_violations_max) {
            std::cout << "VIOLATION: " << violation << std::endl;
        }
    }
}

int Report::finish(const std::string& path) const {
    nlohmann::ordered_json document;
    document["harness"] = harness_;
    document["command"] = command_;
    document["seed"] = seed_;
    document["seconds"] = number(static_cast<double>(now_ms() - start_ms_) / 1000);
    auto& figures = document["figures"] = nlohmann::ordered_json::object();
    for (const auto& [name, value] : figures_) figures[name] = number(value);
    document["violations"] = violation_count_;
    std::cout << document.dump(2) << std::endl;
    if (!path.empty()) {
        std::ofstream file(path);
        file << document.dump(2) << "\n";
        if (!file.flush()) {
            std::cerr << "cannot write " << path << "\n";
            return 2;
        }
    }
    return violation_count_ == 0 ? 0 : 1;
}

}  // namespace blockd::crash
