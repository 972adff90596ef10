// How many requests a client keeps in flight, as far as it was seen.
//
// A client that keeps many sends the next ones right after it has taken its replies, one by one:
// who wakes up for the first of them finds one, who sleeps a moment longer finds several.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "server/limits.h"

namespace blockd::server {

class PipelineDepth {
  public:
    // `count` requests came in with one receive; now `in_flight` are not answered.
    void received(uint64_t count, uint32_t in_flight) {
        const bool was_wrong = std::exchange(expected_more_, false) && count <= 1;
        depth_ = was_wrong ? in_flight : std::max(depth_, in_flight);
    }

    // Replies have left. Whether several requests are about to come in.
    bool expects_more(uint32_t in_flight) {
        expected_more_ = depth_ >= in_flight + gather_requests_min;
        return expected_more_;
    }

  private:
    uint32_t depth_ = 0;
    bool expected_more_ = false;  // Since the last receive.
};

}  // namespace blockd::server
