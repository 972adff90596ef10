#include "io/mailbox.h"

#include "io/loop_conformance.h"

#include <array>
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

namespace blockd::io {
namespace {

class MailboxTest : public testing::Test {
  public:
    struct Note {
        void delivered(Result<Ok> delivered_result) {
            result = delivered_result;
            thread = std::this_thread::get_id();
            test->order.push_back(number);
        }
        MailboxTest* test;
        int number;
        Letter letter{};
        Result<Ok> result = Ok{};
        std::thread::id thread{};
    };

    Note& note(int number) {
        Note& made = notes.emplace_back(Note{.test = this, .number = number});
        made.letter.deliver = bind<&Note::delivered>(&made);
        return made;
    }
    void closed(Result<Ok>) { is_closed = true; }
    void close() {
        mailbox.close(bind<&MailboxTest::closed>(this));
        while (!is_closed) loop.tick();
        EXPECT_EQ(loop.in_flight_count(), 0u);
    }

    Loop loop{std::move(*make_kqueue_backend({.disk_workers = 1}))};
    Mailbox mailbox{loop};
    std::deque<Note> notes;
    std::vector<int> order;
    bool is_closed = false;
};

TEST_F(MailboxTest, LettersOfAnotherThreadWakeTheLoopAndAreDeliveredThereInOrder) {
    loop.tick();
    std::array<Note*, 3> sent = {&note(1), &note(2), &note(3)};
    sent[1]->letter.result = Error{.code = ErrorCode::disk};
    std::thread sender([&] {
        mailbox.post(sent[0]->letter);
        mailbox.hand_over(sent[1]->letter);
        mailbox.post(sent[2]->letter);
    });
    while (order.size() < sent.size()) loop.flush(10 * second_ns);
    sender.join();
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
    EXPECT_EQ(sent[0]->thread, std::this_thread::get_id());
    EXPECT_TRUE(sent[0]->result);
    EXPECT_FALSE(sent[1]->result);
    close();
}

TEST_F(MailboxTest, WhatIsPostedOnTheLoopsOwnThreadWaitsAndWhatIsHandedOverDoesNot) {
    loop.tick();
    mailbox.post(note(1).letter);
    EXPECT_TRUE(order.empty()) << "never inside the call";
    mailbox.hand_over(note(2).letter);
    EXPECT_EQ(order, std::vector{2});
    loop.tick();
    loop.tick();
    EXPECT_EQ(order, (std::vector{2, 1}));
    close();
}

TEST_F(MailboxTest, NoLetterIsLostHoweverManyComeAtATime) {
    constexpr int count = 2000;
    constexpr int senders_count = 3;
    loop.tick();
    for (int number = 0; number < senders_count * count; ++number) note(number);
    std::vector<std::thread> senders;
    for (int sender = 0; sender < senders_count; ++sender) {
        senders.emplace_back([this, sender] {
            for (int index = 0; index < count; ++index) {
                mailbox.post(notes[size_t(sender * count + index)].letter);
            }
        });
    }
    while (order.size() < notes.size()) loop.flush(10 * second_ns);
    for (std::thread& sender : senders) sender.join();
    std::array<int, senders_count> last = {-1, -1, -1};
    for (const int number : order) {
        int& before = last[size_t(number / count)];
        EXPECT_LT(before, number);
        before = number;
    }
    close();
}

TEST_F(MailboxTest, WhatWasPostedBeforeItClosesIsDelivered) {
    mailbox.post(note(1).letter);
    close();
    EXPECT_EQ(order, std::vector{1});
}

TEST_F(MailboxTest, ALetterMayCloseIt) {
    struct Closing {
        void delivered(Result<Ok>) { test->mailbox.close(bind<&Closing::closed>(this)); }
        void closed(Result<Ok>) { ++count; }
        MailboxTest* test;
        int count = 0;
        Letter letter{};
    } closing{.test = this};
    closing.letter.deliver = bind<&Closing::delivered>(&closing);
    mailbox.post(closing.letter);
    for (int turn = 0; turn < 5; ++turn) loop.tick();
    EXPECT_EQ(closing.count, 1);
    EXPECT_EQ(loop.in_flight_count(), 0u);
}

}  // namespace
}  // namespace blockd::io
