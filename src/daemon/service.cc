#include "daemon/service.h"

#include <blockd/assert.h>

#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "daemon/error_text.h"
#include "daemon/exit_code.h"
#include "daemon/export_uri.h"
#include "daemon/version.h"

namespace blockd::daemon {
namespace {

using server::LogLevel;

// What a drain may take beyond the grace time, and what a second signal leaves it.
constexpr uint64_t cut_off_ns = 2'000'000'000;

constexpr size_t printed_uris_max = 16;

}  // namespace

Service::Service(const Surroundings& surroundings, const Config& config,
                 std::vector<server::ExportOptions> exports)
    : loop_(*surroundings.loops.front()),
      log_(surroundings.log),
      notifier_(surroundings.notifier),
      output_(surroundings.output),
      blockctl_(surroundings.blockctl),
      config_(config),
      server_(surroundings.loops, log_,
              {.limits = config.limits,
               .exports = std::move(exports),
               .allow_list = config.allow_list}),
      signals_(loop_, io::bind<&Service::signal_arrived>(this)) {}

int32_t Service::run(std::vector<std::string>& failures) {
    loop_.tick();  // Reads the clock.
    is_started_ = listen(failures);
    if (is_started_) {
        announce();
    } else {
        stop();
    }
    while (!report_) {
        if (!is_stopping_) {
            loop_.flush(io::loop_wait_ns_max);
        } else if (loop_.now_ns() < stop_deadline_ns_) {
            loop_.flush(stop_deadline_ns_ - loop_.now_ns());
        } else {
            exit_overdue();
        }
    }
    return exit_code_of_drain();
}

bool Service::listen(std::vector<std::string>& failures) {
    for (const io::ListenOptions& options : config_.listeners) {
        const Result<io::Address> address = server_.listen(options);
        if (!address) {
            failures.push_back("cannot listen on " + options.address.text() + ": " +
                               error_text(address.error()));
            log_.write(LogLevel::error, "cannot start", {{"reason", failures.back()}});
            continue;
        }
        if (address->family() == io::AddressFamily::unix_path) socket_paths_.add(address->path());
        addresses_.push_back(*address);
        log_.write(LogLevel::info, "listening", {{"address", address->text()}});
    }
    return addresses_.size() == config_.listeners.size();
}

void Service::announce() {
    print_exports();
    log_.write(LogLevel::info, "ready",
               {{"exports", uint64_t(config_.exports.size())},
                {"listeners", uint64_t(addresses_.size())}});
    notify("READY=1\nSTATUS=Serving " + std::to_string(config_.exports.size()) + " exports");
}

void Service::print_exports() {
    output_ << "blockd " << version << " is ready\n";
    size_t printed = 0;
    for (const ExportConfig& config : config_.exports) {
        for (const io::Address& address : addresses_) {
            if (++printed > printed_uris_max) continue;
            output_ << "  " << export_uri(address, config.name) << '\n';
        }
    }
    if (printed > printed_uris_max) {
        output_ << "  and " << printed - printed_uris_max << " more\n";
    }
    const std::string uri = export_uri(addresses_.front(), config_.exports.front().name);
    output_ << "Try: " << shell_word(blockctl_) << " info " << shell_word(uri) << std::endl;
}

void Service::notify(const std::string& state) {
    const Result<Ok> sent = notifier_.send(state);
    if (sent) return;
    log_.write(LogLevel::warning, "service manager not reached",
               {{"reason", error_text(sent.error())}});
}

void Service::signal_arrived(uint32_t count) {
    ASSERT(count > 0);
    if (!is_stopping_) {
        log_.write(LogLevel::info, "stopping",
                   {{"connections", uint64_t(server_.connection_count())}});
        notify("STOPPING=1\nSTATUS=Finishing what is in flight");
        stop();
    }
    if (count < 2 || report_) return;

    log_.write(LogLevel::warning, "second signal: stopping at once");
    stop_deadline_ns_ = std::min(stop_deadline_ns_, loop_.now_ns() + cut_off_ns);
    server_.stop_now();
}

void Service::stop() {
    ASSERT(!is_stopping_);
    is_stopping_ = true;
    stop_deadline_ns_ = loop_.now_ns() + config_.limits.shutdown_grace_ns + cut_off_ns;
    socket_paths_.remove_all();  // While we hold them: nobody else can have listened there.
    server_.stop(io::bind<&Service::stop_done>(this));
}

void Service::stop_done(server::StopReport report) {
    ASSERT(!report_);
    report_ = report;
}

// Destructors would wait for what hangs. What was acknowledged as durable is durable.
void Service::exit_overdue() {
    log_.write(LogLevel::error, "stopped: not clean",
               {{"reason", "the disk did not finish in time"}});
    _exit(unclean_exit_code());
}

int32_t Service::unclean_exit_code() const {
    return is_started_ ? exit_code::unclean : exit_code::start_failed;
}

int32_t Service::exit_code_of_drain() const {
    ASSERT(report_.has_value());
    if (report_->is_clean && report_->failed_exports == 0) {
        log_.write(LogLevel::info, "stopped: clean");
        return is_started_ ? exit_code::clean : exit_code::start_failed;
    }
    log_.write(LogLevel::error, "stopped: not clean",
               {{"cut_off", report_->is_clean ? "no" : "yes"},
                {"failed_exports", uint64_t(report_->failed_exports)}});
    // What is still in flight owns memory of the server and of the loop: no destructor may run.
    if (!report_->is_clean) _exit(unclean_exit_code());
    return unclean_exit_code();
}

}  // namespace blockd::daemon
