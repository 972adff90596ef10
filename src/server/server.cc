#include "server/server.h"

#include <blockd/assert.h>

#include <utility>

namespace blockd::server {

Server::Server(io::Loop& loop, Log& log, const ServerOptions& options)
    : loop_(loop),
      log_(log),
      limits_(options.limits),
      admission_(loop, limits_),
      scheduler_(loop, loop.disk_depth()),
      exports_(options.allow_list),
      context_{.loop = loop_,
               .log = log_,
               .limits = limits_,
               .exports = exports_,
               .admission = admission_,
               .negotiating = negotiating_,
               .ended = io::bind<&Server::connection_ended>(this)} {
    ASSERT(options.exports.size() <= exports_max);
    for (const ExportOptions& added : options.exports) {
        exports_.add(std::make_unique<Export>(loop_, scheduler_, admission_.buffers(), added,
                                              limits_.requests));
    }
    connections_.reserve(limits_.connections);
}

Server::~Server() {
    ASSERT(connections_.empty());
    ASSERT(listeners_.empty());
}

Result<io::Address> Server::listen(const io::ListenOptions& options) {
    ASSERT(!is_stopping_);
    ASSERT(listeners_.size() < listeners_max);
    const Result<io::Fd> socket = loop_.listen(options);
    if (!socket) return socket.error();

    listeners_.push_back(std::make_unique<Listener>(
        loop_, log_,
        Listener::Options{.socket = *socket,
                          .accepted = io::bind<&Server::accepted>(this),
                          .stopped = io::bind<&Server::listener_stopped>(this)}));
    listeners_.back()->start();
    return loop_.local_address(*socket);
}

void Server::accepted(io::Fd socket) {
    const uint64_t id = ++connections_accepted_;
    connections_.push_back(std::make_unique<Connection>(
        context_, Connection::Options{.socket = socket, .id = id, .client = client_name(socket)}));
    Connection& connection = *connections_.back();
    connection.index = uint32_t(connections_.size() - 1);
    connection.start();

    if (connections_.size() > limits_.connections) make_room(connection);
    if (is_stopping_) connection.drain();
}

// Silent clients keep nobody out: who has negotiated longest makes room. Who is attached stays, and
// where all others are, `newest` is the one that leaves.
void Server::make_room(Connection& newest) {
    Connection* const leaving = negotiating_.front();
    ASSERT(leaving != nullptr);
    leaving->abort(leaving == &newest ? "too many connections" : "a later client got its place");
}

std::string Server::client_name(io::Fd socket) {
    const Result<io::Address> peer = loop_.peer_address(socket);
    return peer ? peer->text() : "unknown";
}

void Server::connection_ended(Connection* connection) {
    const uint32_t index = connection->index;
    ASSERT(connections_[index].get() == connection);
    connections_[index].swap(connections_.back());
    connections_[index]->index = index;
    connections_.pop_back();
    if (is_stopping_) sync_next_export();
}

void Server::listener_stopped(Listener* listener) {
    std::erase_if(listeners_, [&](const auto& owned) { return owned.get() == listener; });
    sync_next_export();
}

void Server::stop(io::Callback<StopReport> done) {
    ASSERT(!is_stopping_);
    is_stopping_ = true;
    stopped_ = done;
    loop_.timeout(grace_timer_, {.after_ns = limits_.shutdown_grace_ns / 2},
                  io::bind<&Server::clients_grace_done>(this));
    for (const auto& listener : listeners_) listener->stop();
    for (const auto& connection : connections_) connection->drain();
    if (listeners_.empty()) sync_next_export();
}

void Server::stop_now() {
    ASSERT(is_stopping_);
    loop_.cancel(grace_timer_);
    report_.is_clean = false;
    finish_stop();
}

// Once nobody is left: one export after the other. Those whose sync failed before are only counted.
void Server::sync_next_export() {
    if (!connections_.empty() || !listeners_.empty() || is_syncing_ || is_stopped_) return;

    while (exports_synced_ < exports_.count()) {
        Export& synced = exports_.at(exports_synced_);
        if (!synced.disk.stop_reading_ahead(io::bind<&Server::read_ahead_stopped>(this))) return;
        if (!synced.disk.has_failed() && !synced.is_read_only) {
            is_syncing_ = true;
            sync_request_.command = storage::DiskCommand::flush;
            sync_request_.flow = &sync_flow_;
            sync_request_.done = io::bind<&Server::sync_done>(this);
            return synced.disk.submit(sync_request_);
        }
        if (synced.disk.has_failed()) ++report_.failed_exports;
        ++exports_synced_;
    }
    if (grace_timer_.is_idle()) return finish_stop();
    loop_.cancel(grace_timer_);  // grace_done() finishes.
}

void Server::read_ahead_stopped(Result<Ok>) { sync_next_export(); }

void Server::sync_done(Result<Ok> result) {
    is_syncing_ = false;
    if (!result) {
        ++report_.failed_exports;
        log_.write(LogLevel::error, "the last sync failed: what was not flushed before may be lost",
                   {{"export", exports_.at(exports_synced_).name}});
    }
    ++exports_synced_;
    sync_next_export();
}

// Half of the grace time is for clients. Who is not done by then is disconnected, so that the
// other half is left for the syncs, on which those depend who never flush.
void Server::clients_grace_done(Result<Ok> result) {
    // It may end in the turn in which all is done: too late to be cancelled.
    if (!result || is_finished()) return grace_done(result);
    if (!connections_.empty()) {
        log_.write(LogLevel::warning, "clients were not done when their grace time ended",
                   {{"connections", uint64_t(connections_.size())}});
    }
    for (const auto& connection : connections_) {
        connection->abort("it was not done when the grace time ended");
    }
    loop_.timeout(grace_timer_, {.after_ns = limits_.shutdown_grace_ns / 2},
                  io::bind<&Server::grace_done>(this));
}

bool Server::is_finished() const {
    return exports_synced_ == exports_.count() && connections_.empty();
}

void Server::grace_done(Result<Ok> result) {
    if (is_stopped_) return;
    if (result && !is_finished()) {
        report_.is_clean = false;
        log_.write(LogLevel::warning, "the grace time is over with work unfinished",
                   {{"connections", uint64_t(connections_.size())}});
    }
    finish_stop();
}

void Server::log_caches() {
    for (size_t index = 0; index < exports_.count(); ++index) {
        const Export& logged = exports_.at(index);
        if (!logged.disk.has_cache()) continue;
        log_.write(LogLevel::info, "export closed",
                   {{"export", logged.name},
                    {"cache_hits", logged.disk.cache_hit_count()},
                    {"cache_misses", logged.disk.cache_miss_count()}});
    }
}

void Server::finish_stop() {
    if (is_stopped_) return;
    is_stopped_ = true;
    log_caches();
    stopped_(report_);
}

}  // namespace blockd::server
