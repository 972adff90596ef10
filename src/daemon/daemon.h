// One run of blockd, from a checked config to an exit code.
#pragma once

#include <blockd/error.h>
#include <blockd/io/loop.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/export_files.h"
#include "daemon/service_notifier.h"
#include "server/log.h"

namespace blockd::daemon {

class ExportFiles;

class Daemon {
  public:
    struct Surroundings {
        server::Log& log;
        const ServiceNotifier& notifier;
        std::ostream& output;  // For people: where the exports are.
        std::string blockctl;  // The command to suggest to them.
    };

    Daemon(const Surroundings& surroundings, const Config& config)
        : surroundings_(surroundings), config_(config) {}

    // Opens the files, listens and serves until a signal; see blockd(8) for the exit codes. Call
    // take_over_signals() before.
    int32_t run();

    // What kept it from starting: sentences for the operator, logged already.
    const std::vector<std::string>& failures() const { return failures_; }

  private:
    int32_t serve();
    int32_t serve(const std::vector<std::unique_ptr<io::Loop>>& owned, const ExportFiles& files);
    std::optional<int32_t> open(ExportFiles& files);
    std::unique_ptr<io::Backend> make_backend(const ExportFiles& files, bool is_first);
    std::unique_ptr<io::Backend> recording(std::unique_ptr<io::Backend> backend,
                                           const ExportFiles& files);
    void record_failed(Error error);
    void raise_limits();
    void log_failures();

    Surroundings surroundings_;
    const Config& config_;
    std::vector<std::string> failures_;
};

}  // namespace blockd::daemon
