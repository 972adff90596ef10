#include "server/shard.h"

#include <blockd/assert.h>

namespace blockd::server {

// A client on its way from the server's loop.
struct Shard::Arrival {
    Shard* shard;
    io::Fd socket;
    uint64_t id;
    std::string client;
    io::Letter letter;

    void arrived(Result<Ok>) {
        const std::unique_ptr<Arrival> owned(this);
        shard->begin(*this);
    }
};

Shard::Shard(io::Loop& loop, Log& log, ExportTable& exports, const Options& options)
    : loop_(loop),
      log_(log),
      options_(options),
      mailbox_(loop),
      admission_(loop, options_.limits),
      scheduler_(loop, loop.disk_depth()),
      lane_{.loop = loop_,
            .mailbox = mailbox_,
            .scheduler = scheduler_,
            .buffers = admission_.buffers()},
      context_{.lane = lane_,
               .loop = loop_,
               .log = log_,
               .limits = options_.limits,
               .exports = exports,
               .admission = admission_,
               .negotiating = negotiating_,
               .ended = io::bind<&Shard::connection_ended>(this)} {
    connections_.reserve(options_.limits.connections);
    drain_letter_.deliver = io::bind<&Shard::drain_now>(this);
    disconnect_letter_.deliver = io::bind<&Shard::disconnect_now>(this);
    close_letter_.deliver = io::bind<&Shard::close_now>(this);
    closed_letter_.deliver = io::bind<&Shard::tell_closed>(this);
    emptied_letter_.deliver = io::bind<&Shard::tell_emptied>(this);
}

Shard::~Shard() { ASSERT(connections_.empty()); }

void Shard::take(io::Fd socket, uint64_t id, const std::string& client) {
    count_.fetch_add(1, std::memory_order_relaxed);
    auto arrival = std::make_unique<Arrival>(
        Arrival{.shard = this, .socket = socket, .id = id, .client = client, .letter = {}});
    arrival->letter.deliver = io::bind<&Arrival::arrived>(arrival.get());
    tell(arrival.release()->letter);
}

// From the server's thread to this shard's. Its loop may not have run yet, and then does not know
// its own thread.
void Shard::tell(io::Letter& letter) {
    options_.home == nullptr ? mailbox_.hand_over(letter) : mailbox_.post(letter);
}

void Shard::begin(const Arrival& arrival) {
    connections_.push_back(std::make_unique<Connection>(
        context_,
        Connection::Options{.socket = arrival.socket, .id = arrival.id, .client = arrival.client}));
    Connection& connection = *connections_.back();
    connection.index = uint32_t(connections_.size() - 1);
    connection.start();

    if (connections_.size() > options_.limits.connections) make_room(connection);
    if (is_draining_) connection.drain();
}

// Silent clients keep nobody out: who has negotiated longest makes room. Who is attached stays, and
// where all others are, `newest` is the one that leaves.
void Shard::make_room(Connection& newest) {
    Connection* const leaving = negotiating_.front();
    ASSERT(leaving != nullptr);
    leaving->abort(leaving == &newest ? "too many connections" : "a later client got its place");
}

void Shard::connection_ended(Connection* connection) {
    const uint32_t index = connection->index;
    ASSERT(connections_[index].get() == connection);
    connections_[index].swap(connections_.back());
    connections_[index]->index = index;
    connections_.pop_back();
    const bool is_last = count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    if (!is_last || is_emptied_posted_.exchange(true)) return;
    options_.home == nullptr ? tell_emptied(Ok{}) : options_.home->post(emptied_letter_);
}

void Shard::tell_emptied(Result<Ok>) {
    // An exchange, not a store: it must see the count that a connection left which did not post.
    is_emptied_posted_.exchange(false);
    options_.emptied(this);
}

void Shard::drain() { tell(drain_letter_); }

void Shard::drain_now(Result<Ok>) {
    is_draining_ = true;
    for (const auto& connection : connections_) connection->drain();
}

void Shard::disconnect() { tell(disconnect_letter_); }

void Shard::disconnect_now(Result<Ok>) {
    if (!connections_.empty()) {
        log_.write(LogLevel::warning, "clients were not done when their grace time ended",
                   {{"connections", uint64_t(connections_.size())}});
    }
    for (const auto& connection : connections_) {
        connection->abort("it was not done when the grace time ended");
    }
}

void Shard::close() { tell(close_letter_); }

void Shard::close_now(Result<Ok>) { mailbox_.close(io::bind<&Shard::mailbox_closed>(this)); }

void Shard::mailbox_closed(Result<Ok>) {
    if (options_.home == nullptr) return options_.closed(this);
    options_.home->post(closed_letter_);
}

void Shard::tell_closed(Result<Ok>) { options_.closed(this); }

}  // namespace blockd::server
