// How a client comes to an export.
#include <blockd/assert.h>

#include "simulation/client.h"

namespace blockd::simulation {

namespace wire = support::wire;

namespace {

constexpr std::string_view export_name = "disk";
constexpr uint32_t unknown_option = 77;
constexpr size_t greeting_size = 18;
constexpr size_t reply_head_size = 20;

}  // namespace

void Client::received(std::span<const std::byte> bytes) {
    // After its goodbye's last reply, and after what it did not wait for, it listens no more.
    if (surroundings_.is_broken()) return;
    input_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (stall_ == Stall::negotiating) return;
    if (state_ != State::serving) negotiate();
    if (state_ == State::serving) take_replies();
    if (input_begin_ == input_.size()) {
        input_.clear();
        input_begin_ = 0;
    } else if (input_begin_ > 1u << 16) {
        input_.erase(0, input_begin_);
        input_begin_ = 0;
    }
}

std::string_view Client::unread() const { return std::string_view(input_).substr(input_begin_); }

void Client::negotiate() {
    if (!has_greeting_ && !take_greeting()) return;
    while (state_ == State::negotiating && options_answered_ < options_.size()) {
        const bool is_export_name = options_[options_answered_].option == wire::opt_export_name;
        if (!(is_export_name ? take_export_name_reply() : take_option_reply())) return;
    }
}

bool Client::take_greeting() {
    if (unread().size() < greeting_size) return false;
    if (support::read_u64(unread(), 0) != wire::greeting_magic ||
        support::read_u64(unread(), 8) != wire::option_magic) {
        complain("was greeted in another way");
        return false;
    }
    input_begin_ += greeting_size;
    has_greeting_ = true;
    state_ = State::negotiating;
    wants_zeroes_ = random_.coin();
    const std::string flags = support::WireBytes().u32(wants_zeroes_ ? 1 : 3).bytes();
    network_.send(connection_, std::as_bytes(std::span(flags)));
    sent_size_ += flags.size();
    choose_options();
    send_options();
    return true;
}

void Client::choose_options() {
    if (random_.chance(1, 4)) options_.push_back({.option = wire::opt_list, .data = {}});
    if (random_.chance(1, 4)) {
        options_.push_back({.option = unknown_option, .data = std::string(random_.below(64), 'x')});
    }
    const bool is_structured = random_.coin();
    if (is_structured) options_.push_back({.option = wire::opt_structured_reply, .data = {}});
    if (is_structured && random_.coin()) {
        options_.push_back({.option = wire::opt_set_meta_context,
                            .data = support::meta_data(export_name, {"base:allocation"})});
    }
    if (random_.chance(1, 4)) {
        options_.push_back({.option = wire::opt_info, .data = support::info_data(export_name)});
    }
    if (random_.chance(1, 3)) {
        options_.push_back({.option = wire::opt_export_name, .data = std::string(export_name)});
    } else {
        options_.push_back({.option = wire::opt_go,
                            .data = support::info_data(export_name, {wire::info_block_size})});
    }
}

// One by one, or all at once.
void Client::send_options() {
    const size_t end = surroundings_.swarm.pipelines_options != 0
                           ? options_.size()
                           : std::min(options_.size(), options_answered_ + 1);
    for (; options_sent_ < end; ++options_sent_) {
        const OptionSent& option = options_[options_sent_];
        const std::string bytes = support::option_bytes(option.option, option.data);
        network_.send(connection_, std::as_bytes(std::span(bytes)));
        sent_size_ += bytes.size();
    }
}

void Client::take_info(std::string_view data) {
    if (support::read_u16(data, 0) != wire::info_export) return;
    export_size_ = support::read_u64(data, 2);
    export_flags_ = support::read_u16(data, 10);
}

bool Client::take_option_reply() {
    if (unread().size() < reply_head_size) return false;
    const uint32_t size = support::read_u32(unread(), 16);
    if (unread().size() < reply_head_size + size) return false;
    const uint32_t type = support::read_u32(unread(), 12);
    const uint32_t option = options_[options_answered_].option;
    if (support::read_u64(unread(), 0) != wire::option_reply_magic ||
        support::read_u32(unread(), 8) != option) {
        complain("got an answer to an option that it had not sent");
        return false;
    }
    const std::string_view data = unread().substr(reply_head_size, size);
    if (type == wire::rep_info) take_info(data);
    if (type == wire::rep_meta_context) context_id_ = support::read_u32(data, 0);
    input_begin_ += reply_head_size + size;
    const bool is_error = (type & wire::rep_error_bit) != 0;
    if (type != wire::rep_ack && !is_error) return true;

    if (type == wire::rep_shutdown) {
        may_lose_replies_ = true;
    } else if (is_error != (option == unknown_option)) {
        complain("got answer " + std::to_string(type) + " to option " + std::to_string(option));
    }
    ++options_answered_;
    if (option == wire::opt_structured_reply && !is_error) is_structured_ = true;
    if (option == wire::opt_go && !is_error) begin_serving();
    if (state_ == State::negotiating) send_options();
    return true;
}

bool Client::take_export_name_reply() {
    const size_t size = 10 + (wants_zeroes_ ? 124 : 0);
    if (unread().size() < size) return false;
    export_size_ = support::read_u64(unread(), 0);
    export_flags_ = support::read_u16(unread(), 8);
    input_begin_ += size;
    ++options_answered_;
    begin_serving();
    return true;
}

void Client::begin_serving() {
    const Swarm& swarm = surroundings_.swarm;
    if (export_size_ != swarm.disk_size - swarm.export_cut) {
        return complain("was told a size of " + std::to_string(export_size_));
    }
    state_ = State::serving;
    schedule(0);
}

}  // namespace blockd::simulation
