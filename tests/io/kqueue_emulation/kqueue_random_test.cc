// Random histories: one thread against a model, and many threads against each other.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "io/kqueue_emulation/queue_fixture.h"

namespace blockd::test {
namespace {

using Key = std::pair<int64_t, int>;  // ident, filter

// What a queue holds, and what it owes the next call. Write filters are always ready here.
class Model {
  public:
    struct Entry {
        bool is_oneshot = false;
        bool is_enabled = true;
        bool is_triggered = false;
        void* udata = nullptr;
    };

    int apply(const Change& change) {
        const Key key = {change.ident, change.filter};
        const auto entry = entries.find(key);
        const bool is_known = entry != entries.end();
        if (!is_known && ((change.flags & EV_ADD) == 0 || (change.flags & EV_DELETE) != 0)) {
            return ENOENT;
        }
        if ((change.flags & EV_DELETE) != 0) {
            entries.erase(entry);
            return 0;
        }
        if (!is_known) {
            entries[key].is_oneshot = (change.flags & EV_ONESHOT) != 0;
        }
        Entry& touched = entries[key];
        touched.udata = change.udata;
        touched.is_enabled = (change.flags & EV_DISABLE) == 0 &&
                             (touched.is_enabled || (change.flags & EV_ENABLE) != 0);
        touched.is_triggered = touched.is_triggered || (change.fflags & NOTE_TRIGGER) != 0;
        return 0;
    }

    std::map<Key, Entry> ready(const std::map<int64_t, size_t>& bytes_waiting) const {
        std::map<Key, Entry> result;
        for (const auto& [key, entry] : entries) {
            const auto bytes = bytes_waiting.find(key.first);
            const bool has_data = bytes != bytes_waiting.end() && bytes->second > 0;
            const bool is_met = key.second == EVFILT_WRITE ||
                                (key.second == EVFILT_READ && has_data) || entry.is_triggered;
            if (entry.is_enabled && is_met) {
                result[key] = entry;
            }
        }
        return result;
    }

    // After retrieval. User events of this test are EV_CLEAR.
    void retrieved(const Key& key) {
        Entry& entry = entries.at(key);
        entry.is_triggered = false;
        if (entry.is_oneshot) {
            entries.erase(key);
        }
    }

    std::map<Key, Entry> entries;
};

class RandomHistory {
  public:
    explicit RandomHistory(uint64_t seed) : random_(seed) {}

    void step() {
        switch (pick(8)) {
            case 0: send(); break;
            case 1: drain(); break;
            case 2: replace_pair(); break;
            case 3: retrieve(1 + pick(20)); break;
            default: change(); break;
        }
    }

    // In the end everything that is owed must come, through an array of any size.
    void finish() {
        for (int round = 0; round < 4; ++round) {
            retrieve(64);
        }
    }

  private:
    static constexpr size_t pair_count = 6;

    size_t pick(size_t choices) {
        return std::uniform_int_distribution<size_t>(0, choices - 1)(random_);
    }

    size_t pick_pair() {
        const size_t index = pick(pair_count);
        if (pairs_[index] == nullptr) {
            pairs_[index] = std::make_unique<SocketPair>();
        }
        return index;
    }

    void send() {
        SocketPair& pair = *pairs_[pick_pair()];
        if (bytes_waiting_[pair.near()] < 100) {
            pair.send_from_far("x");
            ++bytes_waiting_[pair.near()];
        }
    }

    void drain() {
        SocketPair& pair = *pairs_[pick_pair()];
        pair.drain_near();
        bytes_waiting_[pair.near()] = 0;
    }

    void replace_pair() {
        const size_t index = pick_pair();
        const int near = pairs_[index]->near();
        bytes_waiting_.erase(near);
        model_.entries.erase({near, EVFILT_READ});
        model_.entries.erase({near, EVFILT_WRITE});
        pairs_[index] = nullptr;  // its numbers are used again by the next pair
    }

    void change() {
        static constexpr std::array<int, 7> actions = {EV_ADD,
                                                       EV_ADD | EV_ENABLE | EV_ONESHOT,
                                                       EV_ADD | EV_ENABLE | EV_ONESHOT,
                                                       EV_DELETE,
                                                       EV_DISABLE,
                                                       EV_ENABLE,
                                                       EV_ADD | EV_DISABLE};
        Change change;
        change.udata = &udata_[pick(udata_.size())];
        change.flags = actions[pick(actions.size())];
        if (pick(4) == 0) {
            change.ident = static_cast<int64_t>(pick(3));
            change.filter = EVFILT_USER;
            change.flags |= (change.flags & (EV_ADD | EV_ONESHOT)) == EV_ADD ? EV_CLEAR : 0;
            change.fflags = pick(2) == 0 ? NOTE_TRIGGER : 0;
        } else {
            change.ident = pairs_[pick_pair()]->near();
            change.filter = pick(2) == 0 ? EVFILT_READ : EVFILT_WRITE;
        }
        EXPECT_EQ(queue_.apply({change}), model_.apply(change));
    }

    void retrieve(size_t capacity) {
        const std::map<Key, Model::Entry> owed = model_.ready(bytes_waiting_);
        const std::vector<Event> events = queue_.poll({}, capacity);
        // A small array need not be filled, but may not stay empty while something is owed.
        EXPECT_LE(events.size(), std::min(owed.size(), capacity));
        EXPECT_GE(events.size(), capacity < 16 ? std::min<size_t>(owed.size(), 1) : owed.size());
        std::set<Key> seen;
        for (const Event& event : events) {
            const Key key = {static_cast<int64_t>(event.ident), event.filter};
            EXPECT_TRUE(seen.insert(key).second);
            ASSERT_EQ(owed.count(key), 1U) << "ident " << key.first << " filter " << key.second;
            EXPECT_EQ(event.udata, owed.at(key).udata);
            EXPECT_EQ(event.flags & (EV_ERROR | EV_EOF), 0);
            model_.retrieved(key);
        }
    }

    std::mt19937_64 random_;
    Queue queue_;
    Model model_;
    std::array<std::unique_ptr<SocketPair>, pair_count> pairs_;
    std::map<int64_t, size_t> bytes_waiting_;
    std::array<char, 8> udata_ = {};
};

TEST(KqueueRandom, HistoryAgreesWithTheModel) {
    const uint64_t seed = random_seed();
    for (uint64_t history_index = 0; history_index < 20; ++history_index) {
        RandomHistory history(seed + history_index);
        for (int step = 0; step < 1000 && !::testing::Test::HasFailure(); ++step) {
            history.step();
        }
        history.finish();
        ASSERT_FALSE(::testing::Test::HasFailure()) << "history " << history_index;
    }
}

// Threads count up and trigger; the waiter must see every final count without any timeout.
TEST(KqueueRandom, TriggerStormLosesNoWakeUp) {
    constexpr size_t thread_count = 4;
    constexpr uint32_t trigger_count = 2000;
    const uint64_t seed = random_seed();
    Queue queue;
    std::array<std::atomic<uint32_t>, thread_count> counts = {};
    for (size_t index = 0; index < thread_count; ++index) {
        ASSERT_EQ(queue.apply({{static_cast<int64_t>(index), EVFILT_USER, EV_ADD | EV_CLEAR}}), 0);
    }
    std::vector<std::thread> threads;
    for (size_t index = 0; index < thread_count; ++index) {
        threads.emplace_back([&, index] {
            std::mt19937_64 random(seed + index);
            for (uint32_t count = 1; count <= trigger_count; ++count) {
                counts[index].store(count, std::memory_order_relaxed);
                EXPECT_EQ(
                    queue.apply({{static_cast<int64_t>(index), EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
                if (random() % 16 == 0) {
                    std::this_thread::yield();
                }
            }
        });
    }
    std::array<uint32_t, thread_count> seen = {};
    size_t finished = 0;
    size_t event_count = 0;
    std::mt19937_64 random(seed);
    while (finished < thread_count) {
        const std::vector<Event> events = queue.wait({}, 1 + random() % 5);
        ASSERT_FALSE(events.empty());
        event_count += events.size();
        for (const Event& event : events) {
            const uint32_t count = counts.at(event.ident).load(std::memory_order_relaxed);
            finished += count == trigger_count && seen.at(event.ident) != trigger_count ? 1U : 0U;
            seen.at(event.ident) = count;
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_LE(event_count, thread_count * trigger_count);
    EXPECT_LE(queue.poll().size(), thread_count);
    EXPECT_TRUE(queue.poll().empty());
}

// Each byte is sent only after the answer to the one before, so that a lost arming hangs.
TEST(KqueueRandom, PingPongBetweenTwoQueuesLosesNoArming) {
    constexpr int round_count = 3000;
    constexpr int arm = EV_ADD | EV_ENABLE | EV_ONESHOT;
    SocketPair pair;
    const auto answer = [&](int fd, int other_fd, bool goes_first) {
        Queue queue;
        char byte = 'x';
        for (int round = 0; round < round_count; ++round) {
            if (goes_first || round > 0) {
                ASSERT_EQ(::send(fd, &byte, 1, 0), 1);
            }
            const std::vector<Event> events = queue.wait({{fd, EVFILT_READ, arm}});
            ASSERT_TRUE(contains(events, fd, EVFILT_READ)) << other_fd;
            ASSERT_EQ(::recv(fd, &byte, 1, 0), 1);
        }
        ASSERT_EQ(::send(fd, &byte, 1, 0), 1);
    };
    std::thread far_end([&] { answer(pair.far(), pair.near(), false); });
    answer(pair.near(), pair.far(), true);
    far_end.join();
}

// Changers arm one-shot filters on readable sockets while several threads wait; every arming must
// be answered, whoever gets it.
TEST(KqueueRandom, ArmingStormReachesSeveralWaiters) {
    constexpr size_t waiter_count = 3;
    constexpr int arming_count = 1500;
    constexpr int64_t end_ident = 99;
    constexpr int arm = EV_ADD | EV_ENABLE | EV_ONESHOT;
    Queue queue;
    std::array<SocketPair, 2> pairs;
    std::array<std::atomic<int>, 2> answers = {};
    for (SocketPair& pair : pairs) {
        pair.send_from_far("x");
    }
    ASSERT_EQ(queue.apply({{end_ident, EVFILT_USER, EV_ADD}}), 0);
    std::vector<std::thread> waiters;
    for (size_t index = 0; index < waiter_count; ++index) {
        waiters.emplace_back([&] {
            for (;;) {
                for (const Event& event : queue.wait({}, 1)) {
                    if (event.filter == EVFILT_USER) {
                        return;
                    }
                    const bool is_first = event.ident == static_cast<uintptr_t>(pairs[0].near());
                    answers[is_first ? 0 : 1].fetch_add(1);
                    answers[is_first ? 0 : 1].notify_one();
                }
            }
        });
    }
    std::vector<std::thread> changers;
    for (size_t index = 0; index < pairs.size(); ++index) {
        changers.emplace_back([&, index] {
            for (int count = 0; count < arming_count; ++count) {
                ASSERT_EQ(queue.apply({{pairs[index].near(), EVFILT_READ, arm}}), 0);
                answers[index].wait(count);
                ASSERT_EQ(answers[index].load(), count + 1);
            }
        });
    }
    for (std::thread& changer : changers) {
        changer.join();
    }
    ASSERT_EQ(queue.apply({{end_ident, EVFILT_USER, 0, NOTE_TRIGGER}}), 0);
    for (std::thread& waiter : waiters) {
        waiter.join();
    }
}

}  // namespace
}  // namespace blockd::test
