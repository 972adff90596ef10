// blockd: serves data files over NBD. See blockd(8).
//
// Everything is built here and handed down; nothing in blockd is reached through a global.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "daemon/config.h"
#include "daemon/daemon.h"
#include "nbd/printable.h"
#include "daemon/exit_code.h"
#include "daemon/missing_resource.h"
#include "daemon/options.h"
#include "daemon/service_notifier.h"
#include "daemon/signal_watch.h"
#include "daemon/version.h"

namespace blockd::daemon {
namespace {

std::string working_folder() {
    std::error_code error;
    return std::filesystem::current_path(error).string();
}

// The blockctl that lies beside this blockd, else the one that the shell finds.
std::string blockctl_beside(const std::string& program) {
    if (program.find('/') == std::string::npos) return "blockctl";
    std::error_code error;
    const std::filesystem::path path =
        std::filesystem::absolute(program, error).lexically_normal().parent_path() / "blockctl";
    return std::filesystem::exists(path, error) ? path.string() : "blockctl";
}

void print_complaints(const Options& options, const Complaints& complaints) {
    const bool is_file = !options.config_file.empty();
    for (const Complaint& complaint : complaints) {
        std::cerr << (is_file ? complaint_text(options.config_file, complaint)
                              : complaint_text("blockd", named_as_option(complaint)))
                  << '\n';
    }
}

int32_t print_checked(const Options& options, const Config& config) {
    const std::string subject = options.config_file.empty() ? "blockd" : options.config_file;
    std::cout << nbd::printable(subject) << ": right: " << config.exports.size() << " exports, "
              << config.listeners.size() << " listeners\n";
    return exit_code::clean;
}

int32_t serve(const Config& config, const std::string& program) {
    auto log = make_log(config.log);
    if (const std::string* const reason = std::get_if<std::string>(&log)) {
        std::cerr << "blockd: " << nbd::printable(*reason) << '\n';
        return exit_code::start_failed;
    }
    const char* const socket = std::getenv("NOTIFY_SOCKET");
    const ServiceNotifier notifier(socket == nullptr ? "" : socket);
    Daemon daemon({.log = *std::get<std::unique_ptr<server::Log>>(log),
                   .notifier = notifier,
                   .output = std::cout,
                   .blockctl = blockctl_beside(program)},
                  config);
    const int32_t code = daemon.run();

    // Who starts it by hand looks here, not into the log file.
    if (!config.log.file.empty()) {
        for (const std::string& failure : daemon.failures()) {
            std::cerr << "blockd: " << nbd::printable(failure) << '\n';
        }
    }
    return code;
}

int32_t run(const Options& options, const std::string& program) {
    switch (options.task) {
        case Options::Task::print_version:
            std::cout << "blockd " << version << '\n';
            return exit_code::clean;
        case Options::Task::print_help: std::cout << help_text(); return exit_code::clean;
        case Options::Task::serve:
        case Options::Task::check: break;
    }
    const ConfigResult result = options.config_file.empty()
                                    ? check_document(options.document, working_folder())
                                    : load_config(options.config_file);
    if (!result.complaints.empty()) {
        print_complaints(options, result.complaints);
        return exit_code::wrong_config;
    }
    if (options.task == Options::Task::check) return print_checked(options, result.config);
    return serve(result.config, program);
}

}  // namespace
}  // namespace blockd::daemon

int main(int count, char** arguments) {
    using namespace blockd::daemon;
    end_on_missing_resource();
    take_over_signals();  // Before any thread starts.
    const auto options = parse_options(count, arguments);
    if (const auto* const error = std::get_if<UsageError>(&options)) {
        const std::string message = blockd::nbd::printable(error->message);
        std::cerr << "blockd: " << message << "\nTry: blockd --help\n";
        return exit_code::wrong_config;
    }
    return run(std::get<Options>(options), count > 0 ? arguments[0] : "blockd");
}
