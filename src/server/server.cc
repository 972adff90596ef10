#include "server/server.h"

#include <blockd/assert.h>

#include <algorithm>
#include <array>
#include <utility>

namespace blockd::server {

Server::Server(io::Loop& loop, Log& log, const ServerOptions& options)
    : Server(std::array{&loop}, log, options) {}

Server::Server(std::span<io::Loop* const> loops, Log& log, const ServerOptions& options)
    : loop_(*loops.front()), log_(log), limits_(options.limits), exports_(options.allow_list) {
    ASSERT(options.exports.size() <= exports_max);
    for (const ExportOptions& added : options.exports) {
        exports_.add(std::make_unique<Export>(added, limits_.requests));
    }
    const uint32_t count = uint32_t(loops.size());
    ASSERT(count == 1 || count <= shards_max_of(limits_));
    for (io::Loop* const loop : loops) {
        io::Mailbox* const home = shards_.empty() ? nullptr : &shards_.front()->mailbox();
        shards_.push_back(std::make_unique<Shard>(
            *loop, log_, exports_,
            Shard::Options{.limits = share_of(limits_, {uint32_t(shards_.size()), count}),
                           .emptied = io::bind<&Server::shard_emptied>(this),
                           .closed = io::bind<&Server::shard_closed>(this),
                           .home = home}));
    }
    ahead_letter_.deliver = io::bind<&Server::read_ahead_stopped>(this);
}

Server::~Server() { ASSERT(listeners_.empty()); }

size_t Server::connection_count() const {
    size_t count = 0;
    for (const auto& shard : shards_) count += shard->connection_count();
    return count;
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

// To the loop that has the fewest clients.
void Server::accepted(io::Fd socket) {
    const auto fewest = std::ranges::min_element(
        shards_, {}, [](const auto& shard) { return shard->connection_count(); });
    (*fewest)->take(socket, ++connections_accepted_, client_name(socket));
}

std::string Server::client_name(io::Fd socket) {
    const Result<io::Address> peer = loop_.peer_address(socket);
    return peer ? peer->text() : "unknown";
}

void Server::shard_emptied(Shard*) {
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
    for (const auto& shard : shards_) shard->drain();
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
    if (connection_count() > 0 || !listeners_.empty() || is_syncing_ || is_stopped_) return;

    while (exports_synced_ < exports_.count()) {
        Export& synced = exports_.at(exports_synced_);
        if (!synced.disk.stop_reading_ahead(io::bind<&Server::ahead_stopped>(this))) return;
        if (!synced.disk.has_failed() && !synced.is_read_only) {
            is_syncing_ = true;
            sync_request_.command = storage::DiskCommand::flush;
            sync_request_.lane = &shards_.front()->lane();
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

// Any thread.
void Server::ahead_stopped(Result<Ok>) { shards_.front()->mailbox().hand_over(ahead_letter_); }

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
    for (const auto& shard : shards_) shard->disconnect();
    loop_.timeout(grace_timer_, {.after_ns = limits_.shutdown_grace_ns / 2},
                  io::bind<&Server::grace_done>(this));
}

bool Server::is_finished() const {
    return exports_synced_ == exports_.count() && connection_count() == 0;
}

void Server::grace_done(Result<Ok> result) {
    if (is_stopped_) return;
    if (result && !is_finished()) {
        report_.is_clean = false;
        log_.write(LogLevel::warning, "the grace time is over with work unfinished",
                   {{"connections", uint64_t(connection_count())}});
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
    // What is unfinished may be so for ever: nobody waits for it, and it may need its mailbox.
    if (!report_.is_clean) stopped_(report_);
    if (!report_.is_clean && shards_.size() > 1) return;
    close_shards();
}

// This loop's own comes last: the others tell it that they are closed.
void Server::close_shards() {
    if (shards_.size() == 1) return shards_.front()->close();
    for (size_t index = 1; index < shards_.size(); ++index) shards_[index]->close();
}

void Server::shard_closed(Shard*) {
    ++shards_closed_;
    if (shards_closed_ == shards_.size() && report_.is_clean) return stopped_(report_);
    if (shards_closed_ == shards_.size() - 1) shards_.front()->close();
}

}  // namespace blockd::server
