#include "crash/load_connection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace blockd::crash {
namespace {

using support::kibibyte;
using support::read_u16;
using support::read_u32;
using support::read_u64;
namespace wire = support::wire;

constexpr uint32_t depth_max = 16;
constexpr uint64_t hot_size = 256 * kibibyte;  // Half of the load goes there: overlaps.

uint64_t now_ns() {
    return static_cast<uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

LoadCounts& LoadCounts::operator+=(const LoadCounts& other) {
    writes_acknowledged += other.writes_acknowledged;
    writes_unanswered += other.writes_unanswered;
    flushes += other.flushes;
    reads += other.reads;
    sectors_read += other.sectors_read;
    sectors_found += other.sectors_found;
    errors += other.errors;
    return *this;
}

LoadConnection::LoadConnection(const LoadTarget& target, RegionRecord& record, uint64_t seed)
    : target_(target),
      record_(record),
      numbers_(seed),
      depth_(2 + static_cast<uint32_t>(numbers_() % (depth_max - 1))) {}

bool LoadConnection::attach() {
    client_ = support::WireClient(target_.endpoint);
    client_.set_timeout_ms(target_.timeout_ms);
    is_attached_ = target_.is_structured ? client_.attach_structured(target_.export_name).is_granted
                                         : client_.attach(target_.export_name).is_granted;
    return is_attached_;
}

bool LoadConnection::try_attach() {
    end_ = StreamEnd::none;
    client_ = support::WireClient::try_connect(target_.endpoint);
    client_.set_timeout_ms(target_.timeout_ms);
    std::string bytes;
    if (!receive(18, &bytes)) return false;
    const std::string go =
        support::option_bytes(wire::opt_go, support::info_data(target_.export_name));
    if (!client_.try_send(support::WireBytes().u32(3).bytes() + go)) return false;
    while (receive(20, &bytes)) {
        const uint32_t type = read_u32(bytes, 12);
        if (!receive(read_u32(bytes, 16), &bytes)) return false;
        is_attached_ = type == wire::rep_ack;
        if (type != wire::rep_info) return is_attached_;
    }
    return false;
}

void LoadConnection::run() {
    bool is_open = is_attached_;
    while (is_open) {
        while (is_open && in_flight_.size() < depth_ && !is_winding_down_) {
            is_open = send_random_request();
        }
        if (is_open && in_flight_.empty()) break;
        if (is_open) is_open = receive_reply();
    }
    if (!is_winding_down_ || !in_flight_.empty()) end_stream();
    counts_.writes_unanswered = record_.unanswered_count();
}

bool LoadConnection::run_requests(uint64_t count) {
    bool is_open = is_attached_;
    for (uint64_t sent = 0; is_open && (sent < count || !in_flight_.empty());) {
        if (sent < count && in_flight_.size() < depth_) {
            ++sent;
            is_open = send_random_request();
        } else {
            is_open = receive_reply();
        }
    }
    if (!is_open) end_stream();
    return is_open;
}

// What was answered before the end is still there to be received.
void LoadConnection::end_stream() {
    while (end_ == StreamEnd::none && receive_reply()) {
    }
    client_.close();
    in_flight_.clear();
    record_.doubt_unanswered();
    is_attached_ = false;
}

uint64_t LoadConnection::pick_size() {
    const uint64_t kind = pick(100);
    uint64_t size = 1 + pick(target_.size_max);
    if (kind < 60) {
        size = 1 + pick(8 * kibibyte);
    } else if (kind < 90) {
        size = 1 + pick(64 * kibibyte);
    } else if (kind < 98) {
        size = 1 + pick(256 * kibibyte);
    }
    if (pick(2) == 0) size = (size + 4095) / 4096 * 4096;
    return std::min({size, target_.size_max, record_.size()});
}

void LoadConnection::pick_range(bool is_whole_sectors, uint64_t* offset, uint64_t* size) {
    *size = pick_size();
    const uint64_t alignment = is_whole_sectors ? sector_size : 1;
    *size = std::max(*size / alignment * alignment, alignment);
    const uint64_t space = std::max(pick(2) == 0 ? hot_size : record_.size(), *size);
    *offset = pick(std::min(space, record_.size()) - *size + 1);
    const uint64_t kind = pick(4);
    if (kind < 2) *offset = *offset / 4096 * 4096;
    if (kind == 2 || is_whole_sectors) *offset = *offset / sector_size * sector_size;
}

std::string LoadConnection::random_bytes(uint64_t size) {
    std::string bytes(size + 8, '\0');
    for (uint64_t position = 0; position < size; position += 8) {
        const uint64_t word = numbers_();
        std::memcpy(bytes.data() + position, &word, sizeof(word));
    }
    bytes.resize(size);
    return bytes;
}

bool LoadConnection::send_random_request() {
    Request request;
    const uint64_t kind = pick(100);
    if (kind < 3) {
        request.fields.command = wire::cmd_flush;
        return send(std::move(request), {});
    }
    uint64_t offset = 0;
    uint64_t size = 0;
    pick_range(kind >= 92, &offset, &size);
    request.fields.size = static_cast<uint32_t>(size);
    request.fields.offset = target_.region_offset + offset;
    if (kind < 30) return send(std::move(request), {});  // A READ.
    Change change = {.offset = offset, .size = size};
    request.fields.command = wire::cmd_write;
    if (kind >= 92) {
        request.fields.command = wire::cmd_trim;
        change.kind = ChangeKind::trim;
    } else if (kind >= 82) {
        request.fields.command = wire::cmd_write_zeroes;
        change.kind = ChangeKind::write_zeroes;
        if (pick(2) == 0) request.fields.flags |= wire::flag_no_hole;
    } else {
        change.bytes = random_bytes(size);
    }
    if (pick(20) == 0) request.fields.flags |= wire::flag_fua;
    const std::string payload = change.bytes;
    request.change = record_.begin(std::move(change));
    return send(std::move(request), payload);
}

bool LoadConnection::send(Request request, std::string_view payload) {
    request.fields.cookie = ++cookie_last_;
    request.since = record_.now();
    request.sent_ns = now_ns();
    const std::string head = support::request_bytes(request.fields);
    in_flight_.emplace(cookie_last_, std::move(request));
    return client_.try_send(head) && client_.try_send(payload);
}

// False when the stream has ended; end() says how.
bool LoadConnection::receive(size_t size, std::string* bytes) {
    if (client_.try_receive(size, bytes)) {
        received_of_reply_ += size;
        return true;
    }
    const bool is_between_replies = received_of_reply_ == 0 && bytes->empty();
    end_ = StreamEnd::broken;
    if (client_.stream_error() == 0 && is_between_replies) end_ = StreamEnd::clean;
    if (client_.stream_error() == ETIMEDOUT) end_ = StreamEnd::silent;
    return false;
}

bool LoadConnection::receive_reply() {
    received_of_reply_ = 0;
    std::string magic;
    if (!receive(4, &magic)) return false;
    if (read_u32(magic, 0) == wire::simple_reply_magic) return receive_simple_reply();
    if (read_u32(magic, 0) == wire::structured_reply_magic) return receive_chunk();
    violation("this is no reply");
    end_ = StreamEnd::broken;
    return false;
}

bool LoadConnection::receive_simple_reply() {
    std::string head;
    if (!receive(12, &head)) return false;
    const auto found = in_flight_.find(read_u64(head, 4));
    if (found == in_flight_.end()) {
        violation("a reply to what was not asked");
        end_ = StreamEnd::broken;
        return false;
    }
    Request& request = found->second;
    request.error = read_u32(head, 0);
    const bool has_data = request.fields.command == wire::cmd_read && request.error == 0;
    if (has_data && !receive(request.fields.size, &request.data)) return false;
    finish(found->first, request);
    return true;
}

// Chunks of several replies may come in turns.
bool LoadConnection::receive_chunk() {
    std::string head;
    std::string payload;
    if (!receive(16, &head) || !receive(read_u32(head, 12), &payload)) return false;
    const auto found = in_flight_.find(read_u64(head, 4));
    if (found == in_flight_.end() || !take_chunk(found->second, read_u16(head, 2), payload)) {
        violation("a chunk that belongs to no request");
        end_ = StreamEnd::broken;
        return false;
    }
    if ((read_u16(head, 0) & wire::chunk_done) != 0) finish(found->first, found->second);
    return true;
}

bool LoadConnection::take_chunk(Request& request, uint16_t type, std::string_view payload) {
    if (type == wire::chunk_none) return true;
    if (type == wire::chunk_error || type == wire::chunk_error_offset) {
        request.error = read_u32(payload, 0);
        return true;
    }
    const bool is_data = type == wire::chunk_data;
    if (request.fields.command != wire::cmd_read || (!is_data && type != wire::chunk_hole)) {
        return false;
    }
    const uint64_t offset = read_u64(payload, 0) - request.fields.offset;
    const uint64_t size = is_data ? payload.size() - 8 : read_u32(payload, 8);
    if (offset > request.fields.size || size > request.fields.size - offset) return false;
    if (request.data.empty()) request.data.assign(request.fields.size, '\0');
    if (is_data) request.data.replace(offset, size, payload.substr(8));
    return true;
}

void LoadConnection::finish(uint64_t cookie, Request& request) {
    if (request.error != 0) {
        ++counts_.errors;
        if (!target_.may_fail) violation("answered with error " + std::to_string(request.error));
        if (request.change != 0) record_.fail(request.change);
    } else if (request.change != 0) {
        ++counts_.writes_acknowledged;
        record_.acknowledge(request.change);
    } else if (request.fields.command == wire::cmd_read) {
        judge_read(request);
    } else {
        ++counts_.flushes;
    }
    in_flight_.erase(cookie);
}

void LoadConnection::judge_read(const Request& request) {
    ++counts_.reads;
    {
        const std::lock_guard lock(latencies_mutex_);
        read_latencies_ns_.push_back(now_ns() - request.sent_ns);
    }
    std::optional<Violation> found;
    counts_.sectors_read += record_.judge_read(request.fields.offset - target_.region_offset,
                                               request.data, request.since, &found);
    if (found) {
        violation("while it ran, sector " + std::to_string(found->sector) + " " + found->text);
    }
}

std::vector<uint64_t> LoadConnection::take_read_latencies_ns() {
    const std::lock_guard lock(latencies_mutex_);
    return std::exchange(read_latencies_ns_, {});
}

void LoadConnection::verify() {
    constexpr uint64_t step = support::mebibyte;
    bool is_open = is_attached_;
    for (uint64_t offset = 0; is_open && offset < record_.size(); offset += step) {
        const auto size = static_cast<uint32_t>(std::min(step, record_.size() - offset));
        const support::Answer answer = client_.read(target_.region_offset + offset, size);
        is_open = answer.is_ok() && answer.data.size() == size;
        if (!is_open) break;
        counts_.sectors_found += size / sector_size;
        const auto found = record_.judge_found(offset, answer.data);
        if (found) {
            violation("after the restart, sector " + std::to_string(found->sector) + " " +
                      found->text);
        }
    }
    if (!is_open) violation("the region cannot be read after the restart");
    record_.forget_unanswered();
}

void LoadConnection::violation(const std::string& text) {
    violations_.push_back("the region at " + std::to_string(target_.region_offset) + ": " + text);
}

}  // namespace blockd::crash
