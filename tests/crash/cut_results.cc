#include "crash/cut_results.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <iostream>

namespace blockd::crash {
namespace {

constexpr uint64_t violations_told_max = 10;

}  // namespace

void CutResults::count(const std::string& figure, uint64_t by) {
    const std::lock_guard lock(mutex_);
    figures_[figure] += by;
}

bool CutResults::violation(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (++violations_ <= violations_told_max) std::cout << "VIOLATION " << text << std::endl;
    return violations_ == 1;
}

void CutResults::fault(const std::string& text) {
    const std::lock_guard lock(mutex_);
    ++faults_;
    std::cout << "FAULT " << text << std::endl;
}

bool CutResults::is_over() const {
    const std::lock_guard lock(mutex_);
    return faults_ > 0 || violations_ >= violations_told_max;
}

uint64_t CutResults::violations() const {
    const std::lock_guard lock(mutex_);
    return violations_;
}

uint64_t CutResults::faults() const {
    const std::lock_guard lock(mutex_);
    return faults_;
}

uint64_t CutResults::figure(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = figures_.find(name);
    return found == figures_.end() ? 0 : found->second;
}

std::map<std::string, uint64_t> CutResults::figures() const {
    const std::lock_guard lock(mutex_);
    return figures_;
}

bool write_report(const CutReport& report, const CutResults& results) {
    const nlohmann::json document = {
        {"harness", "power cuts"},      {"command", report.command},
        {"seed", report.seed},          {"seconds", report.seconds},
        {"figures", results.figures()}, {"violations", results.violations()}};
    std::ofstream stream(report.path);
    stream << document.dump(2) << '\n';
    stream.flush();
    return stream.good();
}

}  // namespace blockd::crash
