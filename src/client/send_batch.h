// Requests on their way into the socket: many of them in one send.
//
// Headers are kept here, side by side, so that a run of requests without payload is one piece of
// memory; payloads are sent from where the caller has them.
#pragma once

#include <blockd/client/transfer.h>
#include <blockd/io/completion.h>
#include <blockd/io/loop.h>
#include <blockd/nbd_wire.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace blockd::client {

class SendBatch {
  public:
    static constexpr size_t requests_max = 64;
    // A batch takes no further request once it has this many bytes: replies to the first requests
    // make room for new ones while the rest is still being sent.
    static constexpr size_t size_enough = 1u << 20;

    bool is_empty() const { return vectors_count_ == vectors_head_; }
    bool has_room() const;

    void add(Transfer& transfer);
    void add_disconnect();

    // What is still to be sent; it stays put until consume().
    std::span<const io::IoVector> vectors() const;

    // `size` bytes more have left. pop_sent() then gives each request that is sent whole, once.
    void consume(size_t size);
    Transfer* pop_sent();

    // Forgets everything.
    void clear();

  private:
    struct Entry {
        Transfer* transfer;
        size_t end;  // In the batch's bytes.
    };

    void add_header(const nbd::RequestHeader& header);
    void add_payload(std::span<const std::byte> payload);

    std::array<nbd::RequestHeader, requests_max> headers_;
    std::array<Entry, requests_max> entries_;
    size_t headers_count_ = 0;
    size_t entries_count_ = 0;
    size_t entries_head_ = 0;  // Those before it are sent, and popped.

    std::array<io::IoVector, io::Loop::vectors_max> vectors_;
    size_t vectors_count_ = 0;
    size_t vectors_head_ = 0;
    size_t size_ = 0;
    size_t sent_size_ = 0;
};

}  // namespace blockd::client
