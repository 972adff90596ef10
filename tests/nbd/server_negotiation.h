// Drives a ServerHandshake as a connection would: feeds, drains, and cuts the answers apart.
#pragma once

#include "nbd/server_handshake.h"
#include "nbd/wire_text.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace blockd::nbd {

class TestDirectory final : public ExportDirectory {
  public:
    struct Export {
        std::string name;
        std::string description;
        uint64_t size = 1 << 20;
        uint16_t flags = transmission_flag::has_flags | transmission_flag::send_flush;
    };

    explicit TestDirectory(std::vector<Export> exports) : exports_(std::move(exports)) {}
    // The first export is the default.
    TestDirectory()
        : TestDirectory({{.name = "demo", .description = "A demo"}, {.name = "other"}}) {}

    size_t count() const override { return exports_.size(); }
    ExportDescription describe(size_t index) const override {
        const Export& each = exports_[index];
        return {.name = each.name,
                .description = each.description,
                .size = each.size,
                .flags = each.flags};
    }
    bool allows_list() const override { return allows_list_; }
    void forbid_list() { allows_list_ = false; }
    size_t find(std::string_view name) const override {
        if (name.empty()) return exports_.empty() ? none : 0;
        for (size_t index = 0; index < exports_.size(); ++index) {
            if (exports_[index].name == name) return index;
        }
        return none;
    }

  private:
    std::vector<Export> exports_;
    bool allows_list_ = true;
};

constexpr uint32_t client_flags_modern = 3;
constexpr size_t memory_size_max = 24 << 10;

class ServerNegotiation {
  public:
    using Status = ServerHandshake::Status;

    ServerNegotiation() : ServerNegotiation(TestDirectory()) {}
    explicit ServerNegotiation(TestDirectory directory)
        : directory_(std::move(directory)), handshake_(directory_) {}

    // Feeds pieces of `piece_size` bytes, draining the output after each.
    void send(std::span<const std::byte> bytes, size_t piece_size = SIZE_MAX) {
        while (!bytes.empty() && status() == Status::negotiating) {
            const size_t size = std::min(piece_size, bytes.size());
            const size_t taken_size = handshake_.feed(bytes.first(size));
            EXPECT_LE(taken_size, size);
            EXPECT_LE(handshake_.memory_size(), memory_size_max);
            bytes = bytes.subspan(taken_size);
            drain();
        }
        drain();
        untaken_ = copy_of(bytes);
    }
    void send(const WireBuilder& builder) { send(builder.bytes()); }

    // The greeting is taken off the output and the client's flags are sent.
    void start(uint32_t client_flags = client_flags_modern) {
        drain();
        output_.clear();
        send(WireBuilder().be32(client_flags));
    }

    void drain() {
        while (!handshake_.output().empty()) {
            const std::span<const std::byte> output = handshake_.output();
            output_.insert(output_.end(), output.begin(), output.end());
            handshake_.consume_output(output.size());
        }
    }

    // Everything sent since the last call, cut into option replies.
    std::vector<OptionAnswer> answers() {
        std::vector<OptionAnswer> cut;
        WireReader reader(output_);
        while (const std::optional<OptionReplyHeader> header = reader.take<OptionReplyHeader>()) {
            EXPECT_EQ(uint64_t(header->magic), option_reply_magic);
            const std::optional<std::string_view> data = reader.take_text(header->size);
            if (!data) {
                ADD_FAILURE() << "an answer is cut off";
                break;
            }
            cut.push_back({header->option, header->type, copy_of(bytes_of(*data))});
        }
        EXPECT_TRUE(reader.is_at_end()) << "trailing bytes";
        output_.clear();
        return cut;
    }

    std::vector<OptionAnswer> ask(uint32_t option, std::span<const std::byte> data = {}) {
        send(WireBuilder().option(option, data));
        return answers();
    }
    std::vector<OptionAnswer> ask(Option option, std::span<const std::byte> data = {}) {
        return ask(uint32_t(option), data);
    }

    // An option that nobody knows is answered as such: the stream is in step.
    bool is_in_step() {
        constexpr uint32_t unknown_option = 99;
        if (status() != Status::negotiating) return false;
        const std::vector<OptionAnswer> answered = ask(unknown_option);
        return answered.size() == 1 && answered[0].option == unknown_option &&
               answered[0].reply() == OptionReply::error_unsupported;
    }

    Status status() const { return handshake_.status(); }
    Bytes take_output() { return std::exchange(output_, {}); }
    const Bytes& untaken() const { return untaken_; }
    ServerHandshake& handshake() { return handshake_; }

  private:
    TestDirectory directory_;
    ServerHandshake handshake_;
    Bytes output_;
    Bytes untaken_;
};

inline std::vector<OptionReply> types_of(const std::vector<OptionAnswer>& answers) {
    std::vector<OptionReply> types;
    for (const OptionAnswer& answer : answers) types.push_back(answer.reply());
    return types;
}

}  // namespace blockd::nbd
