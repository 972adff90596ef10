// A client that loads its own region of an export with everything NBD can say, many requests at a
// time, and keeps the record by which the region is judged.
//
//     LoadConnection load(target, record, seed);
//     load.run();      until the stream ends, or wind_down() was called
//     load.verify();   after a restart, with a new connection
//
// run() and verify() belong to one thread at a time; wind_down() and the like are for any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crash/region_record.h"
#include "support/wire_client.h"

namespace blockd::crash {

struct LoadTarget {
    support::Endpoint endpoint;
    std::string export_name = "disk";
    uint64_t region_offset = 0;
    bool is_structured = false;
    bool may_fail = false;  // The disk is made to fail: an error is an answer like any other.
    int32_t timeout_ms = support::WireClient::timeout_ms_default;
    uint64_t size_max = 2 * support::mebibyte;  // Of one request; more than one piece of blockd's.
};

struct LoadCounts {
    uint64_t writes_acknowledged = 0;  // WRITE, WRITE_ZEROES and TRIM.
    uint64_t writes_unanswered = 0;
    uint64_t flushes = 0;
    uint64_t reads = 0;
    uint64_t sectors_read = 0;   // And judged.
    uint64_t sectors_found = 0;  // Judged after a restart.
    uint64_t errors = 0;         // Requests that were answered with one.

    LoadCounts& operator+=(const LoadCounts& other);
};

enum class StreamEnd : uint8_t {
    none,    // It has not ended.
    clean,   // The end of the stream, after whole replies.
    broken,  // In the middle of a reply, or by a reset.
    silent,  // No reply in time.
};

class LoadConnection {
  public:
    LoadConnection(const LoadTarget& target, RegionRecord& record, uint64_t seed);

    // Connects. False, with a failure of the test, when that does not succeed.
    bool attach();
    // The same where the server may be out of order: no failure of the test.
    bool try_attach();

    // Loads until the stream ends.
    void run();

    // `count` requests, and their replies; the connection stays. False when the stream ended.
    bool run_requests(uint64_t count);

    // Ends run() once all that was sent is answered.
    void wind_down() { is_winding_down_ = true; }

    // Reads the whole region, and judges it. Only on a connection without requests in flight.
    void verify();

    StreamEnd end() const { return end_; }
    const LoadCounts& counts() const { return counts_; }
    const std::vector<std::string>& violations() const { return violations_; }
    // Nanoseconds that each READ took which was answered since the last call. For any thread.
    std::vector<uint64_t> take_read_latencies_ns();
    bool is_attached() const { return is_attached_; }

  private:
    struct Request {
        support::RequestFields fields;
        uint64_t change = 0;  // Its number in the record; 0: changes nothing.
        uint64_t since = 0;
        uint64_t sent_ns = 0;
        uint32_t error = 0;
        std::string data = {};  // Of a READ that was answered in chunks.
    };

    uint64_t pick(uint64_t count) { return numbers_() % count; }
    uint64_t pick_size();
    void pick_range(bool is_whole_sectors, uint64_t* offset, uint64_t* size);
    std::string random_bytes(uint64_t size);
    bool send_random_request();
    bool send(Request request, std::string_view payload);
    bool receive_reply();
    bool receive_simple_reply();
    bool receive_chunk();
    bool take_chunk(Request& request, uint16_t type, std::string_view payload);
    void finish(uint64_t cookie, Request& request);
    void judge_read(const Request& request);
    bool receive(size_t size, std::string* bytes);
    void end_stream();
    void violation(const std::string& text);

    const LoadTarget target_;
    RegionRecord& record_;
    std::mt19937_64 numbers_;
    const uint32_t depth_;
    support::WireClient client_;
    std::unordered_map<uint64_t, Request> in_flight_;
    uint64_t cookie_last_ = 0;
    size_t received_of_reply_ = 0;
    std::atomic<bool> is_winding_down_ = false;
    bool is_attached_ = false;
    StreamEnd end_ = StreamEnd::none;
    LoadCounts counts_;
    std::vector<std::string> violations_;
    std::mutex latencies_mutex_;
    std::vector<uint64_t> read_latencies_ns_;
};

}  // namespace blockd::crash
