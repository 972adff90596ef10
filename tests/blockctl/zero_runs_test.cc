#include "blockctl/zero_runs.h"

#include <gtest/gtest.h>

#include <vector>

namespace blockd::blockctl {
namespace {

TEST(IsAllZero, SeesOneByteWhereverItIs) {
    for (const size_t size : {1u, 7u, 8u, 127u, 128u, 129u, 4096u, 5000u}) {
        std::vector<std::byte> bytes(size);
        EXPECT_TRUE(is_all_zero(bytes));
        for (size_t at = 0; at < size; ++at) {
            bytes[at] = std::byte(1);
            ASSERT_FALSE(is_all_zero(bytes)) << size << " bytes, one at " << at;
            bytes[at] = std::byte(0);
        }
    }
}

TEST(IsAllZero, OfNothingIsTrue) { EXPECT_TRUE(is_all_zero({})); }

TEST(FrontRun, CutsAtBlocksAndTakesAShortLastOne) {
    std::vector<std::byte> bytes(10'000);
    bytes[5000] = std::byte(1);

    const ZeroRun zeros = front_run(bytes, 4096);
    EXPECT_TRUE(zeros.is_zero);
    EXPECT_EQ(zeros.size, 4096u);

    const ZeroRun data = front_run(std::span(bytes).subspan(4096), 4096);
    EXPECT_FALSE(data.is_zero);
    EXPECT_EQ(data.size, 4096u);

    const ZeroRun rest = front_run(std::span(bytes).subspan(8192), 4096);
    EXPECT_TRUE(rest.is_zero);
    EXPECT_EQ(rest.size, 1808u);
}

TEST(FrontRun, JoinsBlocksThatAreAlike) {
    std::vector<std::byte> bytes(64 * 4096, std::byte(7));
    EXPECT_EQ(front_run(bytes, 4096).size, bytes.size());
    std::fill(bytes.begin(), bytes.end(), std::byte(0));
    EXPECT_EQ(front_run(bytes, 4096).size, bytes.size());
}

}  // namespace
}  // namespace blockd::blockctl
