#include "blockctl/options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <optional>
#include <sstream>
#include <vector>

#include "blockctl/command_table.h"
#include "blockctl/size_text.h"
#include "blockctl/version.h"

namespace blockd::blockctl {
namespace {

namespace po = boost::program_options;

constexpr const char* uri_text =
    "A URI is nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH.\n"
    "Offsets and sizes are bytes, or a whole number with KiB, MiB, GiB or TiB.\n";

constexpr const char* exit_text =
    "Exit status: 0 done; 1 a difference was found, or the export cannot do what was asked;\n"
    "2 wrong usage; 3 a server cannot be reached, refuses, answers an error or hangs up;\n"
    "4 a local file cannot be opened, read or written; 130 interrupted.\n";

OptionsText usage(const std::string& complaint) {
    return {.status = ExitStatus::usage, .text = complaint};
}

const CommandEntry* find_command(std::string_view name) {
    const auto found = std::ranges::find(command_table, name, &CommandEntry::name);
    return found == command_table.end() ? nullptr : &*found;
}

std::string general_help() {
    std::string text =
        "Usage: blockctl COMMAND [OPTION...] ARGUMENT...\n\n"
        "Works on the exports of any NBD server.\n\nCommands:\n";
    for (const CommandEntry& entry : command_table) {
        std::string line = "  " + std::string(entry.name) + " " + std::string(entry.arguments);
        line.resize(std::max(line.size() + 2, size_t(28)), ' ');
        text += line + std::string(entry.summary) + "\n";
    }
    return text + "\nblockctl COMMAND --help shows a command's options; blockctl --version the " +
           "version.\n\n" + uri_text + "\n" + exit_text;
}

void add_flag(po::options_description& options, const char* name, const char* text) {
    options.add_options()(name, po::bool_switch(), text);
}

void add_value(po::options_description& options, const char* name, const char* placeholder,
               const char* text) {
    options.add_options()(name, po::value<std::string>()->value_name(placeholder), text);
}

void add_pipeline_options(po::options_description& options) {
    add_value(options, "requests", "N", "requests in flight on each connection (64)");
    add_value(options, "connections", "N", "connections to a server that allows several (4)");
    add_value(options, "request-size", "SIZE", "bytes of one read or write (256KiB)");
    add_value(options, "progress", "KIND",
              "bar, json (lines on stderr) or none; a bar on a terminal is the default");
    add_flag(options, "no-progress", "the same as --progress=none");
}

po::options_description options_of(Command command) {
    po::options_description options("Options");
    switch (command) {
        case Command::list:
        case Command::info:
        case Command::map: add_flag(options, "json", "print JSON"); break;
        case Command::read:
            add_value(options, "output", "FILE", "write to FILE instead of stdout");
            break;
        case Command::zero:
            add_flag(options, "no-hole", "keep the blocks allocated");
            add_flag(options, "fast", "fail rather than be as slow as writing zeros");
            [[fallthrough]];
        case Command::write:
        case Command::trim:
            add_flag(options, "fua", "end only when it is durable (force unit access)");
            break;
        case Command::flush: break;
        case Command::copy:
            add_flag(options, "no-flush", "do not make the target durable at the end");
            add_value(options, "sparse", "SIZE",
                      "find zeros in data, in blocks of SIZE (4KiB); 0: do not");
            add_pipeline_options(options);
            break;
        case Command::verify:
            add_flag(options, "strict", "different sizes are a difference");
            add_pipeline_options(options);
            break;
    }
    options.add_options()("help", po::bool_switch(), "show this");
    return options;
}

std::string command_help(const CommandEntry& entry) {
    std::ostringstream options;
    options << options_of(entry.command);
    return "Usage: blockctl " + std::string(entry.name) + " [OPTION...] " +
           std::string(entry.arguments) + "\n\n" + std::string(entry.name) + ": " +
           std::string(entry.summary) + ".\n" + std::string(entry.details) + "\n" + options.str() +
           "\n" + uri_text + "\n" + exit_text;
}

// Reads the parsed values of one command; the first complaint counts.
class Reader {
  public:
    Reader(const CommandEntry& entry, const po::variables_map& values) : values_(values) {
        invocation_.command = entry.command;
        if (values.count("argument") > 0) {
            arguments_ = values["argument"].as<std::vector<std::string>>();
        }
        if (arguments_.size() < entry.arguments_min || arguments_.size() > entry.arguments_max) {
            complain("blockctl " + std::string(entry.name) + " takes " +
                     std::string(entry.arguments));
        }
    }

    std::variant<Invocation, OptionsText> read() {
        if (complaint_.empty()) read_arguments();
        read_flags();
        read_pipeline();
        if (!complaint_.empty()) return usage(complaint_);
        return invocation_;
    }

  private:
    void complain(const std::string& text) {
        if (complaint_.empty()) complaint_ = text;
    }

    void read_arguments() {
        const Command command = invocation_.command;
        if (command == Command::copy || command == Command::verify) {
            invocation_.source = location(arguments_[0]);
            invocation_.target = location(arguments_[1]);
            check_null();
            return;
        }
        invocation_.source = location(arguments_[0]);
        if (!invocation_.source.uri) complain(arguments_[0] + " is not an NBD URI");
        if (arguments_.size() > 1) invocation_.offset = size_argument("OFFSET", arguments_[1]);
        if (command == Command::write) {
            invocation_.file = arguments_.size() > 2 ? arguments_[2] : "-";
        } else if (arguments_.size() > 2) {
            invocation_.size = size_argument("SIZE", arguments_[2]);
        }
    }

    void check_null() {
        const bool is_target = invocation_.target.is_null;
        if (invocation_.source.is_null || (is_target && invocation_.command != Command::copy)) {
            complain("null: can only be the target of a copy");
        }
    }

    Location location(const std::string& text) {
        Location location = {.text = text, .uri = std::nullopt, .is_null = text == "null:"};
        if (!client::looks_like_uri(text)) return location;

        std::variant<client::Uri, std::string> parsed = client::parse_uri(text);
        if (const auto* const complaint = std::get_if<std::string>(&parsed)) complain(*complaint);
        if (const auto* const uri = std::get_if<client::Uri>(&parsed)) location.uri = *uri;
        return location;
    }

    uint64_t size_argument(const std::string& name, const std::string& text) {
        const std::optional<uint64_t> size = parse_size(text);
        if (!size) complain(name + " is '" + text + "'; it takes " + size_syntax);
        return size.value_or(0);
    }

    bool flag(const char* name) const {
        return values_.count(name) > 0 && values_[name].as<bool>();
    }

    std::string text(const char* name) const {
        return values_.count(name) > 0 ? values_[name].as<std::string>() : std::string();
    }

    uint32_t bounded(const char* name, uint32_t current, uint32_t minimum, uint32_t maximum) {
        if (values_.count(name) == 0) return current;
        const std::optional<uint64_t> size = parse_size(text(name));
        if (!size || *size < minimum || *size > maximum) {
            complain(std::string("--") + name + " is '" + text(name) + "'; it takes " +
                     std::to_string(minimum) + " to " + std::to_string(maximum));
            return current;
        }
        return uint32_t(*size);
    }

    void read_flags() {
        invocation_.is_json = flag("json");
        invocation_.is_fua = flag("fua");
        invocation_.is_no_hole = flag("no-hole");
        invocation_.is_fast = flag("fast");
        invocation_.is_strict = flag("strict");
        invocation_.is_flushed = !flag("no-flush");
        if (invocation_.command == Command::read) invocation_.file = text("output");
    }

    void read_pipeline() {
        Invocation& asked = invocation_;
        asked.requests = bounded("requests", asked.requests, 1, requests_max);
        asked.connections = bounded("connections", asked.connections, 1, connections_max);
        asked.request_size =
            bounded("request-size", asked.request_size, request_size_min, request_size_max);
        if (asked.request_size % request_size_min != 0) {
            complain("--request-size is '" + text("request-size") +
                     "'; it takes a multiple of 4 KiB");
        }
        asked.sparse_size = bounded("sparse", asked.sparse_size, 0, request_size_max);
        asked.progress = progress();
    }

    ProgressKind progress() {
        const std::string kind = text("progress");
        if (flag("no-progress") || kind == "none") return ProgressKind::none;
        if (kind == "json") return ProgressKind::json;
        if (kind == "bar") return ProgressKind::bar;
        if (!kind.empty()) {
            complain("--progress is '" + kind + "'; it takes bar, json or none");
        }
        return isatty(STDERR_FILENO) == 1 ? ProgressKind::bar : ProgressKind::none;
    }

    const po::variables_map& values_;
    std::vector<std::string> arguments_;
    Invocation invocation_;
    std::string complaint_;
};

std::variant<Invocation, OptionsText> parse_command(const CommandEntry& entry,
                                                    const std::vector<std::string>& words) {
    po::options_description all = options_of(entry.command);
    all.add_options()("argument", po::value<std::vector<std::string>>());
    po::positional_options_description positional;
    positional.add("argument", -1);

    namespace style = po::command_line_style;
    try {
        po::variables_map values;
        po::store(po::command_line_parser(words)
                      .options(all)
                      .positional(positional)
                      .style(style::default_style & ~style::allow_guessing)
                      .run(),
                  values);
        if (values["help"].as<bool>()) return OptionsText{.text = command_help(entry)};
        return Reader(entry, values).read();
    } catch (const po::error& error) {
        return usage("blockctl " + std::string(entry.name) + ": " + error.what());
    }
}

}  // namespace

std::variant<Invocation, OptionsText> parse_options(int argument_count,
                                                    const char* const* arguments) {
    const std::vector<std::string> words(arguments + std::min(argument_count, 1),
                                         arguments + argument_count);
    if (words.empty()) return usage("no command; blockctl --help lists them");
    if (words[0] == "--help" || words[0] == "-h") return OptionsText{.text = general_help()};
    if (words[0] == "--version" || words[0] == "-V") {
        return OptionsText{.text = std::string("blockctl ") + version + "\n"};
    }
    const CommandEntry* const entry = find_command(words[0]);
    if (entry == nullptr) {
        return usage("'" + words[0] + "' is not a command; blockctl --help lists them");
    }
    return parse_command(*entry, {words.begin() + 1, words.end()});
}

}  // namespace blockd::blockctl
