#include "server/pipeline_depth.h"

#include <gtest/gtest.h>

namespace blockd::server {
namespace {

TEST(PipelineDepth, NothingIsExpectedOfAClientThatWaitsForEachReply) {
    PipelineDepth depth;
    for (int round = 0; round < 3; ++round) {
        depth.received(1, 1);
        EXPECT_FALSE(depth.expects_more(0));
    }
}

TEST(PipelineDepth, OfADeepClientItIsWhatIsNotInFlight) {
    PipelineDepth depth;
    depth.received(2, 2);
    depth.received(gather_requests_min, gather_requests_min + 2);
    EXPECT_TRUE(depth.expects_more(0));
    EXPECT_TRUE(depth.expects_more(2));
    EXPECT_FALSE(depth.expects_more(3)) << "too few are missing";
}

TEST(PipelineDepth, ADeepClientStaysOneWhileSeveralComeAtATime) {
    PipelineDepth depth;
    depth.received(32, 32);
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(depth.expects_more(0));
        depth.received(2, 2);
    }
}

TEST(PipelineDepth, AnExpectationThatWasWrongIsNotRepeated) {
    PipelineDepth depth;
    depth.received(32, 32);
    EXPECT_TRUE(depth.expects_more(0));
    depth.received(1, 1);
    EXPECT_FALSE(depth.expects_more(0));
    depth.received(32, 32);
    EXPECT_TRUE(depth.expects_more(0)) << "until it is seen again";
}

TEST(PipelineDepth, ASingleRequestThatNobodyWaitedForProvesNothing) {
    PipelineDepth depth;
    depth.received(32, 32);
    EXPECT_FALSE(depth.expects_more(32));
    depth.received(1, 32);
    EXPECT_TRUE(depth.expects_more(0));
}

}  // namespace
}  // namespace blockd::server
