// What a long run comes to, as text and as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace blockd::crash {

class Report {
  public:
    // `arguments` are the program's own, without --report: how the run can be repeated.
    Report(std::string harness, const std::vector<std::string>& arguments, uint64_t seed);

    void add(const std::string& name, double value) { figures_.emplace_back(name, value); }
    void add_violations(const std::vector<std::string>& violations);
    void add_violation(const std::string& violation) { add_violations({violation}); }
    uint64_t violation_count() const { return violation_count_; }

    // Prints it, and writes it to `path` unless that is empty. The program's exit code.
    int finish(const std::string& path) const;

  private:
    std::string harness_;
    std::string command_;
    uint64_t seed_;
    int64_t start_ms_;
    std::vector<std::pair<std::string, double>> figures_;
    uint64_t violation_count_ = 0;
};

}  // namespace blockd::crash
