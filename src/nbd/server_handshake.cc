// The stream of the negotiation: cutting what the client sends into flags and options, under every
// limit. What the options mean stands in server_options.cc.
#include "nbd/server_handshake.h"

#include "nbd/wire_bytes.h"

#include <algorithm>

namespace blockd::nbd {

static_assert(option_data_size_max >= 2 * (sizeof(be32) + string_size_max),
              "a name and a query of maximum size fit into one option");
static_assert(option_skip_size_max >= option_data_size_max);

ServerHandshake::ServerHandshake(const ExportDirectory& directory) : directory_(directory) {
    append(bytes_of(Greeting{
        .magic = greeting_magic,
        .option_magic = option_magic,
        .flags = handshake_flag::fixed_newstyle | handshake_flag::no_zeroes,
    }));
    expect(Phase::client_flags, sizeof(be32));
}

size_t ServerHandshake::feed(std::span<const std::byte> bytes) {
    size_t taken_size = 0;
    while (status_ == Status::negotiating) {
        if (phase_ == Phase::answering || taken_size == bytes.size()) break;
        taken_size += take(bytes.subspan(taken_size));
    }
    ASSERT(taken_size <= bytes.size());
    return taken_size;
}

void ServerHandshake::shut_down() { is_shutting_down_ = true; }

std::span<const std::byte> ServerHandshake::output() const {
    return std::span(output_).subspan(output_head_, output_tail_ - output_head_);
}

void ServerHandshake::consume_output(size_t size) {
    ASSERT(size <= output_tail_ - output_head_);
    output_head_ += size;
    std::memmove(output_.data(), output_.data() + output_head_, output_tail_ - output_head_);
    output_tail_ -= output_head_;
    output_head_ = 0;
    if (status_ == Status::negotiating && phase_ == Phase::answering) write_answer();
}

size_t ServerHandshake::take(std::span<const std::byte> bytes) {
    const size_t size = std::min(bytes.size(), wanted_size_ - gathered_size_);
    if (phase_ != Phase::skipping) {
        std::byte* const target = phase_ == Phase::option_data ? data_.data() : header_.data();
        std::memcpy(target + gathered_size_, bytes.data(), size);
    }
    gathered_size_ += size;
    if (gathered_size_ == wanted_size_) item_done();
    return size;
}

void ServerHandshake::expect(Phase phase, size_t size) {
    phase_ = phase;
    wanted_size_ = size;
    gathered_size_ = 0;
    ASSERT(phase == Phase::option_data || phase == Phase::skipping || size <= header_.size());
}

void ServerHandshake::item_done() {
    switch (phase_) {
        case Phase::client_flags: accept_client_flags(); break;
        case Phase::option_header: begin_option(); break;
        case Phase::option_data:
            plan_data_option(data_);
            data_ = std::vector<std::byte>();  // Unlike clear(), this gives the memory back.
            phase_ = Phase::answering;
            break;
        case Phase::skipping: phase_ = Phase::answering; break;
        case Phase::answering: ASSERT(false);
    }
    if (status_ == Status::negotiating && phase_ == Phase::answering) write_answer();
}

void ServerHandshake::accept_client_flags() {
    const uint32_t flags = *WireReader(header_).take<be32>();
    is_fixed_newstyle_ = (flags & handshake_flag::fixed_newstyle) != 0;
    is_zero_padded_ = (flags & handshake_flag::no_zeroes) == 0;
    if ((flags & ~uint32_t(handshake_flag::fixed_newstyle | handshake_flag::no_zeroes)) != 0) {
        return break_off("the client set handshake flags that were not offered");
    }
    expect(Phase::option_header, sizeof(OptionHeader));
}

void ServerHandshake::begin_option() {
    const OptionHeader header = *WireReader(header_).take<OptionHeader>();
    const Option option = Option(uint32_t(header.option));
    const uint32_t size = header.size;
    if (header.magic != option_magic) return break_off("an option has the wrong magic");
    if (!is_option_acceptable(option, size)) return;

    answer_ = {.option = option};
    const bool replaces_contexts = option == Option::set_meta_context;
    if (replaces_contexts) context_export_index_ = ExportDirectory::none;
    const bool takes_data = option == Option::export_name || option == Option::info ||
                            option == Option::go || option == Option::list_meta_context ||
                            option == Option::set_meta_context;
    if (is_shutting_down_ && option != Option::abort) {
        refuse(OptionReply::error_shutdown, "the server is shutting down");
    } else if (!takes_data) {
        plan_dataless_option(option, size);
    } else if (size > option_data_size_max) {
        refuse(OptionReply::error_too_big, "the option has more data than this server takes");
    } else {
        data_.resize(size);
        expect(Phase::option_data, size);
        if (size == 0) item_done();
        return;
    }
    expect(Phase::skipping, size);
    if (size == 0) item_done();
}

// What ends the connection as soon as an option's header is known.
bool ServerHandshake::is_option_acceptable(Option option, uint32_t size) {
    ++options_count_;
    const bool is_export_name = option == Option::export_name;
    if (options_count_ > options_per_handshake_max) {
        break_off("the client sent too many options");
    } else if (size > option_skip_size_max) {
        break_off("an option is too large");
    } else if (!is_fixed_newstyle_ && !is_export_name) {
        break_off("without fixed newstyle the only option is EXPORT_NAME");
    } else if (is_export_name && size > string_size_max) {
        break_off("the export's name is too long");
    } else if (is_export_name && is_shutting_down_) {
        // EXPORT_NAME knows no error reply.
        break_off("the server is shutting down");
    }
    return status_ == Status::negotiating;
}

void ServerHandshake::break_off(const char* reason) {
    status_ = Status::broken;
    reason_ = reason;
    data_ = std::vector<std::byte>();  // Unlike clear(), this gives the memory back.
}

}  // namespace blockd::nbd
