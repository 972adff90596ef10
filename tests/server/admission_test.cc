#include "server/admission.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "storage/memory_backend.h"

namespace blockd::server {
namespace {

class AdmissionTest : public ::testing::Test {
  protected:
    AdmissionTest()
        : loop(std::make_unique<testing::MemoryBackend>(
              testing::MemoryBackend::Options{.size = 4096})),
          admission(loop, {.requests = 2, .buffer_bytes = buffer_bytes_min}) {}

    io::Loop loop;
    Admission admission;
};

// Takes a slot when it can; waits in line when it cannot.
class Client {
  public:
    Client(Admission& admission, std::vector<Client*>& order, Room room = Room::memory)
        : admission_(admission), order_(order), room_(room) {
        waiter_.retry = io::bind<&Client::retry>(this);
    }
    void request() { retry(Ok{}); }
    void leave() { admission_.leave(waiter_); }
    void wait_for(Room room) { admission_.wait(waiter_, room); }
    void finish() {
        admission_.give_slot(*slot);
        slot = nullptr;
    }
    RequestSlot* slot = nullptr;

  private:
    void retry(Result<Ok>) {
        if (!admission_.must_wait(waiter_, room_)) slot = admission_.take_slot();
        if (slot == nullptr) return admission_.wait(waiter_, room_);
        admission_.leave(waiter_);
        order_.push_back(this);
    }

    Admission& admission_;
    std::vector<Client*>& order_;
    const Room room_;
    AdmissionWaiter waiter_;
};

TEST_F(AdmissionTest, SlotsAreBounded) {
    RequestSlot* const first = admission.take_slot();
    RequestSlot* const second = admission.take_slot();
    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(admission.take_slot(), nullptr);
    EXPECT_EQ(admission.used_slots(), 2u);
    admission.give_slot(*first);
    admission.give_slot(*second);
    EXPECT_EQ(admission.used_slots(), 0u);
}

TEST_F(AdmissionTest, WaitersAreServedInTheirOrder) {
    std::vector<Client*> order;
    std::vector<std::unique_ptr<Client>> clients;
    for (int index = 0; index < 5; ++index) {
        clients.push_back(std::make_unique<Client>(admission, order));
        clients.back()->request();
    }
    EXPECT_EQ(order.size(), 2u);
    for (size_t index = 0; index < 5; ++index) {
        clients[index]->finish();
        loop.tick();
    }
    ASSERT_EQ(order.size(), 5u);
    for (size_t index = 0; index < 5; ++index) EXPECT_EQ(order[index], clients[index].get());
}

TEST_F(AdmissionTest, NewcomerDoesNotOvertakeTheLine) {
    std::vector<Client*> order;
    Client first(admission, order);
    Client second(admission, order);
    Client waiting(admission, order);
    Client newcomer(admission, order);
    for (Client* client : {&first, &second, &waiting}) client->request();
    first.finish();  // There is room now, but someone waits for it.
    newcomer.request();
    EXPECT_EQ(newcomer.slot, nullptr);
    loop.tick();
    EXPECT_NE(waiting.slot, nullptr);
    EXPECT_EQ(newcomer.slot, nullptr);
    second.finish();
    loop.tick();
    EXPECT_NE(newcomer.slot, nullptr);
    waiting.finish();
    newcomer.finish();
}

// Finds a slot, but not the memory that it needs beside it until there is some.
class HungryClient {
  public:
    explicit HungryClient(Admission& admission) : admission_(admission) {
        waiter_.retry = io::bind<&HungryClient::retry>(this);
    }
    void retry(Result<Ok>) {
        ++tries;
        if (!admission_.must_wait(waiter_, Room::memory)) slot = admission_.take_slot();
        if (slot != nullptr && has_memory) return admission_.leave(waiter_);
        if (slot != nullptr) admission_.return_slot(*slot);
        slot = nullptr;
        admission_.wait(waiter_, Room::memory);
    }
    bool has_memory = false;
    RequestSlot* slot = nullptr;
    void leave() { admission_.leave(waiter_); }
    uint32_t tries = 0;

  private:
    Admission& admission_;
    AdmissionWaiter waiter_;
};

TEST_F(AdmissionTest, WaiterIsAskedAgainOnceForEachSlotThatComesBack) {
    HungryClient hungry(admission);
    RequestSlot* const other = admission.take_slot();
    hungry.retry(Ok{});
    admission.give_slot(*other);
    for (int turn = 0; turn < 100; ++turn) loop.tick();
    EXPECT_EQ(hungry.tries, 2u) << "at first, and after the other one's slot came back";
    hungry.leave();
}

TEST_F(AdmissionTest, WhoNeedsASlotAlonePassesWhoWaitsForMemory) {
    std::vector<Client*> order;
    RequestSlot* const first = admission.take_slot();
    RequestSlot* const second = admission.take_slot();
    HungryClient hungry(admission);
    hungry.retry(Ok{});
    Client flush(admission, order, Room::slot);
    Client next(admission, order, Room::slot);
    flush.request();
    next.request();
    EXPECT_TRUE(order.empty()) << "no slot is free";
    admission.give_slot(*first);
    loop.tick();
    EXPECT_NE(flush.slot, nullptr);
    EXPECT_EQ(next.slot, nullptr);
    EXPECT_GE(hungry.tries, 2u) << "it has waited longest, and was asked first";
    hungry.leave();
    admission.give_slot(*second);
    loop.tick();
    EXPECT_NE(next.slot, nullptr);
    flush.finish();
    next.finish();
}

// There is memory for the one that waits. Were everybody else to take the slots as they come back,
// it would wait for ever.
TEST_F(AdmissionTest, WhoNeedsASlotAloneDoesNotTakeThatOfAnEarlierOne) {
    std::vector<Client*> order;
    RequestSlot* const first = admission.take_slot();
    RequestSlot* const second = admission.take_slot();
    HungryClient hungry(admission);
    hungry.has_memory = true;
    hungry.retry(Ok{});
    Client later(admission, order, Room::slot);
    later.request();
    admission.give_slot(*first);
    Client newcomer(admission, order, Room::slot);
    newcomer.request();
    EXPECT_EQ(newcomer.slot, nullptr) << "the slot that came back is still to be offered";
    loop.tick();
    EXPECT_NE(hungry.slot, nullptr);
    EXPECT_TRUE(order.empty());
    admission.give_slot(*second);
    loop.tick();
    EXPECT_NE(later.slot, nullptr) << "in their order";
    EXPECT_EQ(newcomer.slot, nullptr);
    admission.give_slot(*hungry.slot);
    loop.tick();
    EXPECT_NE(newcomer.slot, nullptr);
    later.finish();
    newcomer.finish();
}

// And the other way round: a line for memory that always moves takes no slot from who came earlier.
TEST_F(AdmissionTest, WhoWaitsForASlotAloneHasItsTurnAmongThoseWhoNeedMemory) {
    std::vector<Client*> order;
    RequestSlot* const first = admission.take_slot();
    RequestSlot* const second = admission.take_slot();
    Client before(admission, order, Room::memory);
    Client flush(admission, order, Room::slot);
    Client after(admission, order, Room::memory);
    for (Client* client : {&before, &flush, &after}) client->request();
    admission.give_slot(*first);
    loop.tick();
    ASSERT_EQ(order, (std::vector<Client*>{&before}));
    before.finish();
    loop.tick();
    ASSERT_EQ(order, (std::vector<Client*>{&before, &flush}));
    flush.finish();
    loop.tick();
    ASSERT_EQ(order, (std::vector<Client*>{&before, &flush, &after}));
    after.finish();
    admission.give_slot(*second);
}

TEST_F(AdmissionTest, PayloadsToComeHaveHalfOfTheMemoryAndRoomForOneRequest) {
    EXPECT_TRUE(admission.has_payload_room(bytes_per_connection_min)) << "half is less";
    EXPECT_FALSE(admission.has_payload_room(bytes_per_connection_min + 1));
    admission.begin_payload(1);
    EXPECT_FALSE(admission.has_payload_room(bytes_per_connection_min));
    EXPECT_TRUE(admission.has_payload_room(bytes_per_connection_min - 1));
    admission.end_payload(1);
    Admission large(loop, {.requests = 2, .buffer_bytes = 2 * buffer_bytes_min});
    EXPECT_TRUE(large.has_payload_room(buffer_bytes_min));
    EXPECT_FALSE(large.has_payload_room(buffer_bytes_min + 1));
}

// It had its share, and lacks memory now: it goes on to the other line, and keeps its age there.
TEST_F(AdmissionTest, WhoGoesOnToAnotherLineLetsTheNextOneTry) {
    std::vector<Client*> order;
    RequestSlot* const first = admission.take_slot();
    RequestSlot* const second = admission.take_slot();
    Client moving(admission, order, Room::payload);
    Client next(admission, order, Room::payload);
    Client reader(admission, order, Room::memory);
    for (Client* client : {&moving, &next, &reader}) client->request();
    moving.wait_for(Room::memory);
    reader.leave();
    reader.request();
    admission.give_slot(*first);
    loop.tick();
    ASSERT_EQ(order, (std::vector<Client*>{&moving})) << "the oldest, wherever it stands";
    admission.give_slot(*second);
    loop.tick();
    ASSERT_EQ(order, (std::vector<Client*>{&moving, &next}));
    moving.finish();
    loop.tick();
    ASSERT_EQ(order, (std::vector<Client*>{&moving, &next, &reader}));
    next.finish();
    reader.finish();
}

TEST_F(AdmissionTest, LeavingTheLineLetsTheNextOneTry) {
    std::vector<Client*> order;
    Client first(admission, order);
    Client second(admission, order);
    Client leaving(admission, order);
    Client next(admission, order);
    for (Client* client : {&first, &second, &leaving, &next}) client->request();
    first.finish();
    leaving.leave();
    loop.tick();
    EXPECT_EQ(leaving.slot, nullptr);
    EXPECT_NE(next.slot, nullptr);
    second.finish();
    next.finish();
    loop.tick();
}

}  // namespace
}  // namespace blockd::server
