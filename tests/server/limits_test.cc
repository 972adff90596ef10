#include "server/limits.h"

#include <gtest/gtest.h>

namespace blockd::server {
namespace {

constexpr uint64_t mebibyte = 1u << 20;

TEST(Limits, OneShardHasThemAll) {
    const Limits limits;
    const Limits share = share_of(limits, {0, 1});
    EXPECT_EQ(share.connections, limits.connections);
    EXPECT_EQ(share.requests, limits.requests);
    EXPECT_EQ(share.buffer_bytes, limits.buffer_bytes);
    EXPECT_EQ(share.bytes_per_connection, limits.bytes_per_connection);
}

TEST(Limits, ManyShareThemAndNoClientIsLost) {
    const Limits limits = {.connections = 10,
                           .requests_per_connection = 7,
                           .bytes_per_connection = 100 * mebibyte,
                           .requests = 100,
                           .buffer_bytes = 256 * mebibyte};
    const Limits share = share_of(limits, {0, 3});
    EXPECT_EQ(share.connections, 4u);
    EXPECT_EQ(share_of(limits, {1, 3}).connections, 3u);
    EXPECT_EQ(share_of(limits, {2, 3}).connections, 3u);
    EXPECT_EQ(share.requests, 33u);
    EXPECT_EQ(share.buffer_bytes, 256 * mebibyte / 3);
    EXPECT_EQ(share.bytes_per_connection, share.buffer_bytes) << "no more than all have";
    EXPECT_EQ(share.requests_per_connection, 7u);
    EXPECT_EQ(share.transfer_timeout_ns, limits.transfer_timeout_ns);
}

TEST(Limits, AShareIsLargeEnoughToServe) {
    const auto shards_max = [](uint32_t requests, uint64_t buffer_bytes) {
        return shards_max_of(
            {.requests_per_connection = 100, .requests = requests, .buffer_bytes = buffer_bytes});
    };
    EXPECT_EQ(shards_max(1000, 4 * buffer_bytes_min), 4u);
    EXPECT_EQ(shards_max(1000, 4 * buffer_bytes_min - 1), 3u);
    EXPECT_EQ(shards_max(300, 4 * buffer_bytes_min), 3u);
    EXPECT_EQ(shards_max(299, 4 * buffer_bytes_min), 2u);
    EXPECT_EQ(shards_max(requests_max, buffer_bytes_max), server::shards_max);
    EXPECT_EQ(shards_max_of({.connections = 2}), 2u);
}

}  // namespace
}  // namespace blockd::server
