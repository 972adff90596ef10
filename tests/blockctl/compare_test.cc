#include "blockctl/compare.h"

#include <gtest/gtest.h>

#include "blockctl/memory_endpoint.h"

namespace blockd::blockctl {
namespace {

constexpr uint64_t size = 300'000;
constexpr Compare::Options options = {.size = size, .requests = 5, .request_size = 4096};

class CompareTest : public testing::Test {
  protected:
    CompareTest() {
        for (uint64_t at = 0; at < size; ++at) {
            first.bytes[at] = second.bytes[at] = std::byte(random());
        }
    }

    void TearDown() override {
        if (HasFailure()) ADD_FAILURE() << "seed " << seed;
    }

    void run(Compare& compare) {
        compare.start();
        while (!compare.is_done()) {
            MemoryEndpoint& side = random() % 2 == 0 ? first : second;
            if (!side.step()) {
                ASSERT_FALSE(first.is_idle() && second.is_idle()) << "it stands still";
            }
        }
        EXPECT_TRUE(first.is_idle() && second.is_idle());
    }

    static void change(MemoryEndpoint& endpoint, uint64_t offset) {
        endpoint.bytes[offset] ^= std::byte(0x40);
    }

    const uint32_t seed = std::random_device()();
    std::mt19937 random{seed};
    MemoryEndpoint first{"first", size, random};
    MemoryEndpoint second{"second", size, random};
};

TEST_F(CompareTest, EqualSidesHaveNoDifference) {
    Compare compare(first, second, options);
    run(compare);
    EXPECT_FALSE(compare.failure());
    EXPECT_EQ(compare.difference(), std::nullopt);
    EXPECT_EQ(compare.size_done(), size);
}

TEST_F(CompareTest, EndInsideABlockOfTheOtherSideIsReadAsAWholeBlock) {
    constexpr uint64_t odd_size = 10'001;
    second.settings().alignment = 4096;
    change(second, odd_size);
    Compare equal(first, second, {.size = odd_size, .requests = 5, .request_size = 4096});
    run(equal);
    EXPECT_EQ(equal.difference(), std::nullopt) << "what lies behind does not count";

    change(second, odd_size - 1);
    Compare different(first, second, {.size = odd_size, .requests = 5, .request_size = 4096});
    run(different);
    EXPECT_EQ(different.difference(), odd_size - 1);
}

// Goal: with many reads in flight that come back in any order, the first difference is told.
TEST_F(CompareTest, TellsTheFirstOfManyDifferences) {
    for (int round = 0; round < 100; ++round) {
        const uint64_t offset = random() % size;
        change(second, offset);
        std::vector<uint64_t> later;
        for (int count = 0; count < 20; ++count) {
            later.push_back(offset + 1 + random() % 20'000);
            if (later.back() < size) change(second, later.back());
        }
        Compare compare(first, second, options);
        run(compare);
        EXPECT_EQ(compare.difference(), offset);
        second.bytes = first.bytes;
    }
}

TEST_F(CompareTest, SeesADifferenceInTheFirstAndTheLastByte) {
    for (const uint64_t offset : {uint64_t(0), size - 1}) {
        change(first, offset);
        Compare compare(first, second, options);
        run(compare);
        EXPECT_EQ(compare.difference(), offset);
        change(first, offset);
    }
}

TEST_F(CompareTest, LooksOnlyAtTheSizeAskedFor) {
    change(first, 1000);
    Compare compare(first, second, {.size = 1000, .requests = 2, .request_size = 256});
    run(compare);
    EXPECT_EQ(compare.difference(), std::nullopt);
}

TEST_F(CompareTest, NothingIsEqualToNothing) {
    Compare compare(first, second, {.size = 0});
    run(compare);
    EXPECT_EQ(compare.difference(), std::nullopt);
}

TEST_F(CompareTest, FailedReadIsNeverTakenForEqual) {
    second.fault = {.kind = MemoryEndpoint::Fault::Kind::read, .offset = 200'000};
    Compare compare(first, second, options);
    run(compare);
    ASSERT_TRUE(compare.failure());
    EXPECT_EQ(compare.failure()->text,
              "cannot read 4096 bytes at offset 196608 of second: the test said so");
}

}  // namespace
}  // namespace blockd::blockctl
