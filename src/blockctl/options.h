// The command line of blockctl. The only file that knows Boost.Program_options is options.cc.
#pragma once

#include <string>
#include <variant>

#include "blockctl/exit_status.h"
#include "blockctl/invocation.h"

namespace blockd::blockctl {

// What to print instead of running a command: help, the version, or what is wrong.
struct OptionsText {
    ExitStatus status = ExitStatus::done;  // usage: `text` is a complaint, and goes to stderr.
    std::string text;
};

std::variant<Invocation, OptionsText> parse_options(int argument_count,
                                                    const char* const* arguments);

}  // namespace blockd::blockctl
