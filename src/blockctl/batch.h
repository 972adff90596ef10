// Several requests of one command in flight at a time, on a Session's connection.
//
//     for (...) if (!batch.write(bytes, range)) break;
//     return batch.wait();
//
// Each call turns the loop until there is room for one more, and says false once a request has
// failed; wait() turns it until all are answered, complains about the first failure and gives the
// exit status.
#pragma once

#include <blockd/client/client.h>
#include <blockd/intrusive_list.h>

#include <array>
#include <optional>
#include <string>

#include "blockctl/session.h"

namespace blockd::blockctl {

class Batch {
  public:
    static constexpr uint32_t depth = 16;

    using Range = client::Client::Range;

    explicit Batch(Session& session);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    bool read(std::span<std::byte> buffer, const Range& range);
    bool write(std::span<const std::byte> buffer, const Range& range);
    bool trim(const Range& range);
    bool write_zeroes(const Range& range);

    [[nodiscard]] ExitStatus wait();

  private:
    struct Slot {
        Batch* batch = nullptr;
        client::Transfer transfer;
        const char* action = "";
        Range range{};
        ListLink<Slot> link;

        void done(Result<Ok> result);
    };
    struct Failure {
        const char* action;
        Range range;
        std::string words;  // Of this one: the client keeps those of the last failure.
    };

    // Null once a request has failed.
    Slot* acquire(const char* action, const Range& range);

    Session& session_;
    std::array<Slot, depth> slots_;
    IntrusiveList<Slot, &Slot::link> idle_;
    std::optional<Failure> failure_;
};

}  // namespace blockd::blockctl
