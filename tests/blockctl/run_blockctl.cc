#include "blockctl/run_blockctl.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "support/program.h"
#include "support/temporary_directory.h"

namespace blockd::blockctl {

std::string blockctl_program() {
    const char* const program = std::getenv("BLOCKCTL");
    EXPECT_NE(program, nullptr) << "BLOCKCTL does not name the program";
    return program == nullptr ? "" : program;
}

Outcome run_blockctl(const std::string& directory, const std::vector<std::string>& arguments,
                     std::string_view input) {
    const support::Program::Files files = {.input = directory + "/stdin",
                                           .output = directory + "/stdout",
                                           .errors = directory + "/stderr"};
    unlink(files.input.c_str());
    support::write_file(files.input, input);
    std::vector<std::string> words = {blockctl_program()};
    words.insert(words.end(), arguments.begin(), arguments.end());

    support::Program program(words, files);
    const std::optional<int> status = program.wait();
    EXPECT_TRUE(status) << "blockctl does not end";
    return {.status = status.value_or(-1),
            .output = support::read_file(files.output),
            .errors = support::read_file(files.errors)};
}

}  // namespace blockd::blockctl
