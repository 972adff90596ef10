// blockctl as a test runs it: to its end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace blockd::blockctl {

// What blockctl did.
struct Outcome {
    int status = -1;
    std::string output;
    std::string errors;
};

// Runs the program that the environment variable BLOCKCTL names, in `directory`.
Outcome run_blockctl(const std::string& directory, const std::vector<std::string>& arguments,
                     std::string_view input = "");

// The program's path; a failure of the test where BLOCKCTL is not set.
std::string blockctl_program();

}  // namespace blockd::blockctl
