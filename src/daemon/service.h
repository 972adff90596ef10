// From listening to the end of a drain: one server, and the signals that end it.
#pragma once

#include <blockd/io/loop.h>

#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config.h"
#include "daemon/service_notifier.h"
#include "daemon/signal_watch.h"
#include "daemon/socket_paths.h"
#include "server/log.h"
#include "server/server.h"

namespace blockd::daemon {

class Service {
  public:
    struct Surroundings {
        std::span<io::Loop* const> loops;  // The first is run here.
        server::Log& log;
        const ServiceNotifier& notifier;
        std::ostream& output;  // For people: where the exports are.
        std::string blockctl;  // The command to suggest to them.
    };

    Service(const Surroundings& surroundings, const Config& config,
            std::vector<server::ExportOptions> exports);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // Listens everywhere, tells that it is ready, serves until a signal comes, and drains. What
    // went wrong while starting goes to the log and to `failures`. Returns the exit code.
    //
    // When the drain does not come to its end in time, the process ends here and at once: a disk
    // that hangs holds every orderly way out.
    int32_t run(std::vector<std::string>& failures);

  private:
    bool listen(std::vector<std::string>& failures);
    void announce();
    void print_exports();
    void notify(const std::string& state);
    void stop();
    void signal_arrived(uint32_t count);
    void stop_done(server::StopReport report);
    [[noreturn]] void exit_overdue();
    int32_t exit_code_of_drain() const;
    int32_t unclean_exit_code() const;

    io::Loop& loop_;
    server::Log& log_;
    const ServiceNotifier& notifier_;
    std::ostream& output_;
    const std::string blockctl_;
    const Config& config_;
    SocketPaths socket_paths_;
    std::vector<io::Address> addresses_;  // Where it listens.
    server::Server server_;
    SignalWatch signals_;
    bool is_started_ = false;  // It listens everywhere.
    bool is_stopping_ = false;
    uint64_t stop_deadline_ns_ = 0;
    std::optional<server::StopReport> report_;
};

}  // namespace blockd::daemon
