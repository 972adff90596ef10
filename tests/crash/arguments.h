// The command line of a harness: a word, then --name value pairs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace blockd::crash {

class Arguments {
  public:
    // Ends the program with 2 and a message when these are not of that form, or a name is not
    // among `names`.
    Arguments(int count, char** words, const std::vector<std::string>& harnesses,
              const std::vector<std::string>& names);

    const std::string& harness() const { return harness_; }
    // Without a value: ends the program with 2 when it is no number.
    uint64_t number(const std::string& name, uint64_t value_default) const;
    std::string text(const std::string& name) const;

    // --seed, or one of the clock's; the same one at each call.
    uint64_t seed() const { return seed_; }

    // All but --report and its value.
    const std::vector<std::string>& repeatable() const { return repeatable_; }

  private:
    [[noreturn]] void refuse(const std::string& why) const;

    std::string harness_;
    std::map<std::string, std::string> values_;
    std::vector<std::string> repeatable_;
    std::string usage_;
    uint64_t seed_ = 0;
};

}  // namespace blockd::crash
