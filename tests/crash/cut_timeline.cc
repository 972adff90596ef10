#include "crash/cut_timeline.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "support/wire_format.h"

namespace blockd::crash {
namespace {

using support::RecordedEvent;
using support::RecordedKind;

constexpr size_t greeting_size = 18;
constexpr size_t option_reply_size = 20;
constexpr size_t reply_size = 16;

// The bytes that one client was sent.
class ReplyStream {
  public:
    struct Reply {
        uint64_t cookie;
        uint32_t error;
    };

    // A send begins behind what the ones before it got rid of: its first bytes may be known.
    void offer(const RecordedEvent& send, std::string& fault) {
        std::string bytes;
        for (const support::RecordedPiece& piece : send.pieces) bytes += piece.bytes;
        if (bytes.size() != send.size) fault = "a send is not recorded in full";
        if (bytes.size() <= known_) return;
        unread_ += bytes.substr(known_);
        known_ = bytes.size();
    }

    void taken(uint64_t count) { known_ -= std::min<uint64_t>(count, known_); }

    // The next reply, or nothing before there is another whole one.
    std::optional<Reply> next(std::string& fault) {
        while (!is_serving_) {
            if (!take_handshake(fault)) return std::nullopt;
        }
        if (unread_.size() < reply_size) return std::nullopt;
        if (support::read_u32(unread_, 0) != support::wire::simple_reply_magic) {
            fault = "a reply is no simple one";
            return std::nullopt;
        }
        const Reply reply = {.cookie = support::read_u64(unread_, 8),
                             .error = support::read_u32(unread_, 4)};
        unread_.erase(0, reply_size);
        return reply;
    }

  private:
    bool take_handshake(std::string& fault) {
        if (!is_greeted_) {
            if (unread_.size() < greeting_size) return false;
            unread_.erase(0, greeting_size);
            is_greeted_ = true;
        }
        if (unread_.size() < option_reply_size) return false;
        if (support::read_u64(unread_, 0) != support::wire::option_reply_magic) {
            fault = "a reply to an option is none";
            return false;
        }
        const size_t size = option_reply_size + support::read_u32(unread_, 16);
        if (unread_.size() < size) return false;
        is_serving_ = support::read_u32(unread_, 8) == support::wire::opt_go &&
                      support::read_u32(unread_, 12) == support::wire::rep_ack;
        unread_.erase(0, size);
        return true;
    }

    std::string unread_;
    uint64_t known_ = 0;  // Bytes that were offered before and not taken: they come once more.
    bool is_greeted_ = false;
    bool is_serving_ = false;
};

class Reader {
  public:
    Reader(const support::Record& record, std::string_view export_name, size_t request_count)
        : record_(record), export_name_(export_name) {
        timeline_.answers.assign(request_count, never);
    }

    Timeline run() && {
        timeline_.fault = record_.fault;
        timeline_.event_count = record_.events.size();
        for (place_ = 0; place_ < record_.events.size(); ++place_) {
            if (!timeline_.fault.empty()) break;
            take(record_.events[place_]);
        }
        if (timeline_.fault.empty() && !file_) timeline_.fault = "the export is not in it";
        return std::move(timeline_);
    }

  private:
    void take(const RecordedEvent& event) {
        switch (event.kind) {
            case RecordedKind::file:
                if (event.payload == export_name_) file_ = event.file;
                return;
            case RecordedKind::write:
            case RecordedKind::punch_hole:
            case RecordedKind::zero_range:
                if (event.file != file_) return;
                changes_[event.operation] = timeline_.changes.size();
                timeline_.changes.push_back({.offset = event.offset,
                                             .size = event.size,
                                             .data = event.payload,
                                             .submitted = place_});
                return;
            case RecordedKind::sync:
                if (event.file != file_) return;
                syncs_[event.operation] = timeline_.syncs.size();
                timeline_.syncs.push_back({.submitted = place_});
                return;
            case RecordedKind::send:
                if (!timeline_.answers.empty()) take_send(event);
                return;
            case RecordedKind::done: return take_done(event);
            case RecordedKind::connected: streams_[event.file] = ReplyStream(); return;
            case RecordedKind::closed: streams_.erase(event.file); return;
            case RecordedKind::end: return;
        }
    }

    void take_send(const RecordedEvent& event) {
        sends_[event.operation] = event.file;
        ReplyStream& stream = streams_[event.file];
        stream.offer(event, timeline_.fault);
        while (const std::optional<ReplyStream::Reply> reply = stream.next(timeline_.fault)) {
            if (reply->cookie == 0 || reply->cookie > timeline_.answers.size()) {
                timeline_.fault = "a reply to nobody";
                return;
            }
            if (reply->error == 0) timeline_.answers[reply->cookie - 1] = place_;
        }
    }

    void take_done(const RecordedEvent& event) {
        if (const auto change = changes_.find(event.operation); change != changes_.end()) {
            timeline_.changes[change->second].completed = place_;
            timeline_.changes[change->second].has_failed = event.result < 0;
        } else if (const auto sync = syncs_.find(event.operation); sync != syncs_.end()) {
            if (event.result == 0) timeline_.syncs[sync->second].completed = place_;
        } else if (const auto send = sends_.find(event.operation); send != sends_.end()) {
            if (event.result > 0) streams_[send->second].taken(static_cast<uint64_t>(event.result));
        }
    }

    const support::Record& record_;
    const std::string_view export_name_;
    Timeline timeline_;
    uint64_t place_ = 0;
    std::optional<uint32_t> file_;
    std::map<uint64_t, size_t> changes_;  // Operation to place in the timeline.
    std::map<uint64_t, size_t> syncs_;    // The same.
    std::map<uint64_t, uint32_t> sends_;  // Operation to socket.
    std::map<uint32_t, ReplyStream> streams_;
};

}  // namespace

Timeline timeline_of(const support::Record& record, std::string_view export_name,
                     size_t request_count) {
    return Reader(record, export_name, request_count).run();
}

}  // namespace blockd::crash
