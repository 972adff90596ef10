#include "daemon/daemon.h"

#include <blockd/io/loop.h>

#include <unistd.h>

#include <memory>
#include <utility>

#include "daemon/error_text.h"
#include "daemon/exit_code.h"
#include "daemon/export_files.h"
#include "daemon/file_limit.h"
#include "daemon/loop_threads.h"
#include "daemon/service.h"
#include "daemon/start_watch.h"
#include "daemon/version.h"
#include "io/recording_backend.h"

namespace blockd::daemon {
namespace {

using server::LogLevel;

// Standard streams, the log and what the libraries open for a moment; the kernel queue of a loop
// and its doorbell.
constexpr uint64_t other_files_max = 64;
constexpr uint64_t files_per_loop = 2;

}  // namespace

int32_t Daemon::run() {
    surroundings_.log.write(LogLevel::info, "starting", {{"version", version}});
    raise_limits();
    return serve();
}

void Daemon::raise_limits() {
    const uint64_t wanted = uint64_t(config_.limits.connections) + config_.listeners.size() +
                            config_.exports.size() + config_.io.loops * files_per_loop +
                            other_files_max;
    const uint64_t limit = raise_file_limit(wanted);
    if (limit >= wanted) return;
    surroundings_.log.write(LogLevel::warning, "fewer open files than the config may need",
                            {{"wanted", wanted}, {"limit", limit}});
}

int32_t Daemon::serve() {
    ExportFiles files;
    const std::optional<int32_t> ended = open(files);
    if (ended) {
        files.close();
        return *ended;
    }
    std::vector<std::unique_ptr<io::Loop>> loops;
    while (loops.size() < config_.io.loops) {
        std::unique_ptr<io::Backend> backend = make_backend(files, loops.empty());
        if (backend == nullptr) {
            log_failures();
            files.close();
            return exit_code::start_failed;
        }
        loops.push_back(std::make_unique<io::Loop>(std::move(backend)));
    }
    surroundings_.log.write(LogLevel::info, "loop started",
                            {{"backend", std::string_view(loops.front()->backend_name())},
                             {"loops", uint64_t(loops.size())},
                             {"disk_workers", uint64_t(config_.io.disk_workers)}});
    const int32_t code = serve(loops, files);
    if (code != exit_code::unclean) files.close();
    return code;
}

int32_t Daemon::serve(const std::vector<std::unique_ptr<io::Loop>>& owned,
                      const ExportFiles& files) {
    std::vector<io::Loop*> loops;
    loops.reserve(owned.size());
    for (const auto& loop : owned) loops.push_back(loop.get());
    Service service({.loops = loops,
                     .log = surroundings_.log,
                     .notifier = surroundings_.notifier,
                     .output = surroundings_.output,
                     .blockctl = surroundings_.blockctl},
                    config_, files.options(config_.exports));
    const LoopThreads threads(std::span<io::Loop* const>(loops).subspan(1));
    return service.run(failures_);
}

// The exit code, when that is all there is to do. From the end of the watch on, signals wait for
// the Service.
std::optional<int32_t> Daemon::open(ExportFiles& files) {
    StartWatch watch(surroundings_.log);
    failures_ = files.open(config_.exports, surroundings_.log, watch);
    log_failures();
    if (!failures_.empty() || watch.is_stop_asked()) files.close();
    const bool is_stop_asked = watch.end();
    if (!failures_.empty()) return exit_code::start_failed;
    if (!is_stop_asked) return std::nullopt;

    surroundings_.log.write(LogLevel::info, "stopped before it served");
    return exit_code::clean;
}

// nullptr, and a failure, when the system has no room for it or the record cannot be made.
std::unique_ptr<io::Backend> Daemon::make_backend(const ExportFiles& files, bool is_first) {
    Result<io::MadeBackend> made =
        io::make_backend(config_.io.backend, {.disk_workers = config_.io.disk_workers});
    if (!made) {
        failures_.push_back("cannot start the IO loop: " + error_text(made.error()));
        return nullptr;
    }
    if (made->passed_over && is_first) {
        surroundings_.log.write(LogLevel::info, "slower IO backend",
                                {{"backend", std::string_view(made->backend->name())},
                                 {"reason", error_text(*made->passed_over)}});
    }
    if (config_.io.record.empty()) return std::move(made->backend);
    return recording(std::move(made->backend), files);
}

std::unique_ptr<io::Backend> Daemon::recording(std::unique_ptr<io::Backend> backend,
                                               const ExportFiles& files) {
    Result<std::unique_ptr<io::RecordFile>> record = io::RecordFile::create(config_.io.record);
    if (!record) {
        failures_.push_back("cannot record to " + config_.io.record + ": " +
                            error_text(record.error()));
        return nullptr;
    }
    surroundings_.log.write(LogLevel::warning, "recording, which is slow",
                            {{"file", config_.io.record}});
    return std::make_unique<io::RecordingBackend>(
        std::move(backend),
        io::RecordingBackend::Options{.record = std::move(*record),
                                      .files = files.recorded_files(config_.exports),
                                      .failed = io::bind<&Daemon::record_failed>(this)});
}

// The record is not whole and never will be: it must not look as if the daemon had gone on. What
// was acknowledged is as durable as it was; clients see what they see of a daemon that is killed.
void Daemon::record_failed(Error error) {
    surroundings_.log.write(LogLevel::error, "stopped: the record cannot be written",
                            {{"file", config_.io.record}, {"reason", error_text(error)}});
    _exit(exit_code::unclean);
}

void Daemon::log_failures() {
    for (const std::string& failure : failures_) {
        surroundings_.log.write(LogLevel::error, "cannot start", {{"reason", failure}});
    }
}

}  // namespace blockd::daemon
