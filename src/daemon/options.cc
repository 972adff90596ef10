#include "daemon/options.h"

#include <boost/program_options.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <sstream>
#include <utility>
#include <vector>

namespace blockd::daemon {
namespace {

namespace program_options = boost::program_options;

constexpr std::string_view synopsis =
    "Usage: blockd --config FILE [--check]\n"
    "       blockd --socket PATH | --port PORT  --export NAME [--size SIZE] [--read-only]\n"
    "              [--check] [--record FILE] FILE\n";

// What describes the one export of a daemon without a config.
constexpr std::initializer_list<const char*> serving_options = {
    "socket", "port", "export", "size", "read-only", "record", "file"};

constexpr std::string_view introduction =
    "Serves data files as block devices over NBD, until SIGTERM or SIGINT.\n";

constexpr std::string_view exit_codes =
    "Exit codes: 0 a clean end, 1 the start failed, 2 wrong usage or config,\n"
    "3 the end was not clean: a sync failed, or requests were cut off.\n";

// Options and the JSON paths of the document that they make.
struct Place {
    std::string_view json_path;
    std::string_view option;
};
constexpr std::array places = {
    Place{"/exports/0/name", "--export"},         Place{"/exports/0/file", "FILE"},
    Place{"/exports/0/size", "--size"},           Place{"/exports/0/create", "--size"},
    Place{"/exports/0/read_only", "--read-only"}, Place{"/io/record", "--record"},
};

program_options::options_description visible_options() {
    using program_options::value;
    program_options::options_description description("Options", 80);
    description.add_options()("config,c", value<std::string>()->value_name("FILE"),
                              "serve what this JSON file says")(
        "check", "say whether the config is right, touch nothing, exit 0 or 2")(
        "socket", value<std::string>()->value_name("PATH"), "listen on this unix socket")(
        "port", value<std::string>()->value_name("PORT"),
        "listen on this TCP port of 127.0.0.1; alone or beside --socket")(
        "export", value<std::string>()->value_name("NAME"), "name of the one export")(
        "size", value<std::string>()->value_name("SIZE"),
        "its size, like 1GiB; FILE is made with it when it is missing")("read-only",
                                                                        "refuse writes")(
        "record", value<std::string>()->value_name("FILE"),
        "write down what is done to the disks, for finding faults; slow")(
        "version,V", "print the version")("help,h", "print this");
    return description;
}

// The parsed command line, without the library's types.
class Arguments {
  public:
    explicit Arguments(program_options::variables_map values) : values_(std::move(values)) {}

    bool has(const char* name) const { return values_.count(name) != 0; }
    std::string text(const char* name) const { return values_[name].as<std::string>(); }

    // The first of these options that was given, for "... does not go with --config".
    const char* first_of(std::initializer_list<const char*> names) const {
        const auto* const found = std::find_if(names.begin(), names.end(),
                                               [this](const char* name) { return has(name); });
        return found == names.end() ? nullptr : *found;
    }

  private:
    program_options::variables_map values_;
};

JsonValue port_value(const std::string& text) {
    const bool is_number = !text.empty() && text.size() < 10 &&
                           text.find_first_not_of("0123456789") == std::string::npos;
    return is_number ? JsonValue::of_count(std::stoull(text)) : JsonValue::of_string(text);
}

JsonValue listeners_of(const Arguments& arguments) {
    std::vector<JsonValue> listeners;
    if (arguments.has("socket")) {
        listeners.push_back(
            JsonValue::of_object({{"unix", JsonValue::of_string(arguments.text("socket"))}}));
    }
    if (arguments.has("port")) {
        listeners.push_back(JsonValue::of_object({{"tcp", JsonValue::of_string("127.0.0.1")},
                                                  {"port", port_value(arguments.text("port"))}}));
    }
    return JsonValue::of_array(std::move(listeners));
}

// A new file holds only zeros, so a read-only export never makes its file.
JsonValue export_of(const Arguments& arguments) {
    const bool is_read_only = arguments.has("read-only");
    std::vector<JsonMember> members;
    members.push_back({"name", JsonValue::of_string(arguments.text("export"))});
    members.push_back({"file", JsonValue::of_string(arguments.text("file"))});
    members.push_back({"read_only", JsonValue::of_boolean(is_read_only)});
    if (arguments.has("size")) {
        members.push_back({"size", JsonValue::of_string(arguments.text("size"))});
        members.push_back({"create", JsonValue::of_boolean(!is_read_only)});
    }
    return JsonValue::of_object(std::move(members));
}

std::variant<Options, UsageError> options_of(const Arguments& arguments) {
    Options options;
    if (arguments.has("check")) options.task = Options::Task::check;
    if (arguments.has("version")) options.task = Options::Task::print_version;
    if (arguments.has("help")) options.task = Options::Task::print_help;
    if (arguments.has("version") || arguments.has("help")) return options;

    if (arguments.has("config")) {
        if (const char* const other = arguments.first_of(serving_options)) {
            const std::string name = std::string_view(other) == "file"
                                         ? "FILE (" + arguments.text("file") + ")"
                                         : std::string("--") + other;
            return UsageError{name + " does not go with --config: write it into the config"};
        }
        options.config_file = arguments.text("config");
        if (options.config_file.empty()) return UsageError{"--config needs a file"};
        return options;
    }
    if (arguments.first_of(serving_options) == nullptr) {
        return UsageError{
            "nothing to serve: give --config FILE, or --socket PATH --export NAME "
            "FILE"};
    }
    if (!arguments.has("socket") && !arguments.has("port")) {
        return UsageError{"nowhere to listen: give --socket PATH or --port PORT"};
    }
    if (!arguments.has("export")) return UsageError{"--export NAME is missing"};
    if (!arguments.has("file")) return UsageError{"FILE, the data file to serve, is missing"};

    std::vector<JsonMember> members = {{"listeners", listeners_of(arguments)},
                                       {"exports", JsonValue::of_array({export_of(arguments)})}};
    if (arguments.has("record")) {
        members.push_back(
            {"io",
             JsonValue::of_object({{"record", JsonValue::of_string(arguments.text("record"))}})});
    }
    options.document.root = JsonValue::of_object(std::move(members));
    options.document.is_complete = true;
    return options;
}

}  // namespace

std::variant<Options, UsageError> parse_options(int32_t count, const char* const* arguments) {
    namespace style = program_options::command_line_style;
    program_options::options_description all = visible_options();
    all.add_options()("file", program_options::value<std::string>());
    program_options::positional_options_description positional;
    positional.add("file", 1);

    // The library throws what the user did wrong; the exception ends here.
    try {
        program_options::variables_map values;
        program_options::store(program_options::command_line_parser(count, arguments)
                                   .options(all)
                                   .positional(positional)
                                   .style(style::unix_style & ~style::allow_guessing)
                                   .run(),
                               values);
        return options_of(Arguments(std::move(values)));
    } catch (const program_options::too_many_positional_options_error&) {
        return UsageError{"more than one FILE: several exports need a config"};
    } catch (const program_options::error& error) {
        return UsageError{error.what()};
    }
}

std::string help_text() {
    std::ostringstream options;
    options << visible_options();
    return std::string(synopsis) + '\n' + std::string(introduction) + '\n' + options.str() + '\n' +
           std::string(exit_codes);
}

Complaint named_as_option(Complaint complaint) {
    const auto* const place = std::find_if(places.begin(), places.end(), [&](const Place& known) {
        return known.json_path == complaint.path;
    });
    if (place != places.end()) {
        complaint.path = place->option;
    } else if (complaint.path.ends_with("/unix")) {
        complaint.path = "--socket";
    } else if (complaint.path.ends_with("/port")) {
        complaint.path = "--port";
    }
    return complaint;
}

}  // namespace blockd::daemon
