// The replies of one connection that wait to be sent, gathered into as few sends as possible.
#pragma once

#include <blockd/io/completion.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "server/request_slot.h"

namespace blockd::server {

class ReplyQueue {
  public:
    bool is_empty() const { return replies_.is_empty(); }

    void push(RequestSlot& slot, uint64_t now_ns);

    // When the first reply was pushed; the queue is not empty.
    uint64_t front_since_ns() const;

    // Fills in what is to be sent next, from the front; returns how many vectors.
    size_t fill(std::span<io::IoVector> vectors) const;

    // Takes `size` sent bytes off the front. Replies that are sent whole go to `sent`.
    void consume(uint64_t size, RequestList& sent);

    // Gives up: every reply goes to `dropped`.
    void clear(RequestList& dropped);

  private:
    RequestList replies_;
    uint64_t front_sent_size_ = 0;  // Bytes of the first reply that are sent.
};

}  // namespace blockd::server
