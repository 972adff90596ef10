#include "crash/arguments.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <random>

namespace blockd::crash {

Arguments::Arguments(int count, char** words, const std::vector<std::string>& harnesses,
                     const std::vector<std::string>& names) {
    usage_ = "usage:";
    for (const std::string& harness : harnesses) usage_ += " " + harness;
    for (const std::string& name : names) usage_ += " [--" + name + " ...]";
    if (count < 2) refuse("a harness is missing");
    harness_ = words[1];
    if (std::ranges::find(harnesses, harness_) == harnesses.end()) refuse("no such harness");
    repeatable_.push_back(harness_);
    for (int index = 2; index < count; index += 2) {
        const std::string word = words[index];
        const bool is_known =
            word.starts_with("--") && std::ranges::find(names, word.substr(2)) != names.end();
        if (!is_known) refuse(word + " is unknown");
        if (index + 1 == count) refuse(word + " wants a value");
        values_[word.substr(2)] = words[index + 1];
        if (word == "--report") continue;
        repeatable_.push_back(word);
        repeatable_.emplace_back(words[index + 1]);
    }
    seed_ = number("seed", std::random_device{}());
}

uint64_t Arguments::number(const std::string& name, uint64_t value_default) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return value_default;
    const std::string& text = found->second;
    uint64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) {
        refuse("--" + name + " wants a number");
    }
    return value;
}

std::string Arguments::text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second;
}

void Arguments::refuse(const std::string& why) const {
    std::cerr << why << "\n" << usage_ << "\n";
    std::exit(2);
}

}  // namespace blockd::crash
