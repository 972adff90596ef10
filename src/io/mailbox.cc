#include "io/mailbox.h"

#include <blockd/assert.h>

namespace blockd::io {

Mailbox::Mailbox(Loop& loop) : loop_(loop) {
    loop_.open_event(event_);
    listen();
}

Mailbox::~Mailbox() {
    ASSERT(letters_.is_empty());
    ASSERT(listening_.is_idle());
}

void Mailbox::listen() { loop_.event_listen(event_, listening_, bind<&Mailbox::deliver>(this)); }

void Mailbox::post(Letter& letter) {
    ASSERT(letter.deliver);
    const std::lock_guard lock(mutex_);
    const bool is_first = letters_.is_empty();
    letters_.push_back(letter);
    // Who was not the first is taken together with those before. With the mutex held, so that a
    // letter that was delivered was posted to its end: its sender may be the last one.
    if (is_first) loop_.event_trigger(event_);
}

void Mailbox::hand_over(Letter& letter) {
    if (!loop_.is_own_thread()) return post(letter);
    const Result<Ok> result = letter.result;
    letter.deliver(result);  // Last: it may destroy the letter.
}

void Mailbox::close(Callback<Result<Ok>> closed) {
    closed_ = closed;
    loop_.cancel(listening_);
}

void Mailbox::deliver(Result<Ok>) {
    LetterList taken;
    {
        const std::lock_guard lock(mutex_);
        taken.append(letters_);
    }
    if (!closed_) listen();
    while (Letter* const letter = taken.pop_front()) {
        const Result<Ok> result = letter->result;
        letter->deliver(result);  // Last: it may destroy the letter.
    }
    // A letter may have closed this: then it listens once more, until that is cancelled.
    if (!closed_ || !listening_.is_idle()) return;
    loop_.close_event(event_);
    closed_(Ok{});
}

}  // namespace blockd::io
