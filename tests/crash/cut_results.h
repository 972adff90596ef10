// What the jobs of a campaign have counted and found. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace blockd::crash {

class CutResults {
  public:
    void count(const std::string& figure, uint64_t by = 1);

    // Prints the first ones. Whether it is the very first.
    bool violation(const std::string& text);

    // The campaign itself does not work: no result either way.
    void fault(const std::string& text);

    bool is_over() const;  // Enough has gone wrong.
    uint64_t violations() const;
    uint64_t faults() const;
    uint64_t figure(const std::string& name) const;
    std::map<std::string, uint64_t> figures() const;

  private:
    mutable std::mutex mutex_;
    std::map<std::string, uint64_t> figures_;
    uint64_t violations_ = 0;
    uint64_t faults_ = 0;
};

struct CutReport {
    std::string path;
    std::string command;
    uint64_t seed = 0;
    double seconds = 0;
};

// Writes the figures as JSON.
bool write_report(const CutReport& report, const CutResults& results);

}  // namespace blockd::crash
