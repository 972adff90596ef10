// One request of a Client: owned by the caller, stays put from the call that submits it until its
// callback is entered, together with the buffer that it names. Idle again then, it may be used
// anew. Destroying one in flight asserts.
#pragma once

#include <blockd/assert.h>
#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/callback.h>
#include <blockd/nbd_reply.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace blockd::client {

class Transfer {
  public:
    Transfer() = default;
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer() { ASSERT(is_idle()); }

    bool is_idle() const { return state_ == State::idle; }

  private:
    friend class Connection;
    friend class SendBatch;

    enum class State : uint8_t {
        idle,
        queued,   // Not on the wire yet.
        on_wire,  // Has a slot, and a cookie.
    };

    ListLink<Transfer> link_;
    State state_ = State::idle;
    // A server may answer before it has read the whole request; the payload is still in use then.
    bool is_sent_ = false;
    bool is_answered_ = false;
    nbd::PendingReply reply_;
    std::span<const std::byte> payload_;  // WRITE.
    std::optional<Error> refusal_;        // Why it never gets on the wire.
    io::Callback<Result<Ok>> done_;
    io::Callback<Result<uint32_t>> status_done_;  // BLOCK_STATUS, instead of done_.
};

}  // namespace blockd::client
