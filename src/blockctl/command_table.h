// The commands in words: what --help shows, and how many arguments each takes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "blockctl/invocation.h"

namespace blockd::blockctl {

struct CommandEntry {
    Command command;
    std::string_view name;
    std::string_view arguments;
    uint32_t arguments_min;
    uint32_t arguments_max;
    std::string_view summary;
    std::string_view details;
};

inline constexpr std::array<CommandEntry, 10> command_table = {{
    {Command::list, "list", "URI", 1, 1, "show the exports of a server", ""},
    {Command::info, "info", "URI", 1, 1, "show the size and abilities of an export", ""},
    {Command::read, "read", "URI OFFSET SIZE", 3, 3, "read bytes to stdout or a file",
     "On a terminal the bytes are shown as a hex dump.\n"},
    {Command::write, "write", "URI OFFSET [FILE]", 2, 3, "write bytes from a file or stdin",
     "Without FILE, or with -, stdin is written until it ends.\n"},
    {Command::zero, "zero", "URI OFFSET SIZE", 3, 3, "make a range read as zeros", ""},
    {Command::trim, "trim", "URI OFFSET SIZE", 3, 3, "tell the server that a range is unused", ""},
    {Command::flush, "flush", "URI", 1, 1, "make everything written before durable", ""},
    {Command::map, "map", "URI", 1, 1, "show which ranges hold data, holes or zeros", ""},
    {Command::copy, "copy", "SOURCE TARGET", 2, 2, "copy between files and exports",
     "SOURCE and TARGET are files or NBD URIs; TARGET may be null:, which keeps nothing.\n"
     "A target file is made, or emptied first. A target export must be at least as large as\n"
     "the source; what lies behind the source's size stays as it is.\n"},
    {Command::verify, "verify", "SOURCE TARGET", 2, 2, "compare files and exports byte by byte",
     "TARGET may be larger than SOURCE, as after a copy; --strict refuses that.\n"},
}};

}  // namespace blockd::blockctl
