// Calls that other threads want made on a loop's thread.
#pragma once

#include <blockd/error.h>
#include <blockd/intrusive_list.h>
#include <blockd/io/loop.h>

#include <mutex>

namespace blockd::io {

// One call. Owned by who wants it; stays put until it is made.
struct Letter {
    Callback<Result<Ok>> deliver;
    Result<Ok> result = Ok{};  // What `deliver` is called with.
    ListLink<Letter> link;
};

// Letters are delivered in the order in which they were posted. Made before the loop runs, or on
// its thread; destroyed on any, once it is closed.
class Mailbox {
  public:
    explicit Mailbox(Loop& loop);
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    // Any thread. Delivered by the loop, never inside the call.
    void post(Letter& letter);

    // Any thread. Delivered at once on the loop's own, without being posted.
    void hand_over(Letter& letter);

    // On the loop's thread, once nothing is posted any more. `closed` follows, the last of it: this
    // may be destroyed in it.
    void close(Callback<Result<Ok>> closed);

  private:
    using LetterList = IntrusiveList<Letter, &Letter::link>;

    void listen();
    void deliver(Result<Ok> rung);

    Loop& loop_;
    Event event_;
    Completion listening_;
    Callback<Result<Ok>> closed_;
    std::mutex mutex_;
    LetterList letters_;
};

}  // namespace blockd::io
