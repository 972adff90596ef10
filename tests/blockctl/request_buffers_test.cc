#include "blockctl/request_buffers.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/daemon_test.h"

namespace blockd::blockctl {
namespace {

TEST(RequestBuffers, AreApartAndAligned) {
    const RequestBuffers buffers(3, 4096);
    ASSERT_TRUE(buffers.is_allocated());
    EXPECT_EQ(buffers.whole().size(), 3u * 4096);
    for (uint32_t index = 0; index < 3; ++index) {
        EXPECT_EQ(buffers.at(index).data(), buffers.whole().data() + index * 4096);
        EXPECT_EQ(buffers.at(index).size(), 4096u);
    }
}

TEST(RequestBuffers, SayWhenThereIsNoMemory) {
    // A sanitizer's own allocator ends the program instead.
    if (!support::is_memory_measurable()) GTEST_SKIP() << "a sanitizer has the memory";
    // volatile: the compiler knows that there is none.
    volatile uint32_t most = std::numeric_limits<uint32_t>::max();
    EXPECT_FALSE(RequestBuffers(most, most).is_allocated());
}

}  // namespace
}  // namespace blockd::blockctl
