// What every backend of the loop must do: one suite, run against each of them.
//
// A test submits operations, each with an Outcome that records its callback, and turns the loop
// until they are done. Nothing sleeps for a guessed time; whatever does not happen fails the test
// after a deadline.
#pragma once

#include <blockd/io/backend.h>
#include <blockd/io/loop.h>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blockd::io {

struct BackendChoice {
    const char* name;
    Result<std::unique_ptr<Backend>> (*make)(const BackendOptions& options);
};

std::span<const BackendChoice> backend_choices();
std::string backend_choice_name(const testing::TestParamInfo<BackendChoice>& info);

inline constexpr uint64_t millisecond_ns = 1'000'000;
inline constexpr uint64_t second_ns = 1'000'000'000;

// A Completion and what its callback was told.
template <typename Value>
class Outcome {
  public:
    Callback<Result<Value>> callback() { return bind<&Outcome::record>(this); }

    uint32_t call_count() const { return call_count_; }
    bool is_done() const { return call_count_ > 0; }
    bool has_value() const { return result_ && *result_; }
    Value value() const { return **result_; }
    Error error() const { return result_->error(); }
    bool is_error(ErrorCode code) const { return result_ && !*result_ && error().code == code; }

    Completion completion;

  private:
    void record(Result<Value> result) {
        ++call_count_;
        result_.emplace(std::move(result));
    }

    uint32_t call_count_ = 0;
    std::optional<Result<Value>> result_;
};

// Memory with the vectors that name it.
class Buffer {
  public:
    explicit Buffer(size_t size, std::byte fill = std::byte{0})
        : bytes_(size, fill), vector_{bytes_.data(), bytes_.size()} {}
    explicit Buffer(const std::string& text) : Buffer(text.size()) {
        for (size_t index = 0; index < text.size(); ++index) {
            bytes_[index] = static_cast<std::byte>(text[index]);
        }
    }

    std::span<const IoVector> vectors() const { return {&vector_, 1}; }
    std::span<std::byte> bytes() { return bytes_; }
    std::string text(size_t size) const {
        return {reinterpret_cast<const char*>(bytes_.data()), size};
    }

  private:
    std::vector<std::byte> bytes_;
    IoVector vector_;
};

class LoopConformance : public testing::TestWithParam<BackendChoice> {
  protected:
    LoopConformance();

    static std::unique_ptr<Backend> make_backend(const BackendOptions& options = {});

    // Turns the loop until `is_done()`; false, and a failure, when that takes ten seconds.
    template <typename Predicate>
    bool run_until(Predicate is_done) {
        const uint64_t deadline_ns = loop.now_ns() + 10 * second_ns;
        for (loop.tick(); !is_done(); loop.run_for_ns(millisecond_ns / 10)) {
            if (loop.now_ns() < deadline_ns) continue;
            ADD_FAILURE() << "the loop did not get there in time";
            return false;
        }
        return true;
    }

    template <typename... Outcomes>
    bool run_until_done(const Outcomes&... outcomes) {
        return run_until([&] { return (outcomes.is_done() && ...); });
    }

    // Two connected unix stream sockets, non-blocking.
    static std::array<Fd, 2> make_socket_pair();
    void close(Fd fd);  // Through the loop.

    // A TCP listener on the loopback, and its address.
    Fd listen_on_loopback(int32_t backlog = 128);
    Address address_of(Fd socket) { return *loop.local_address(socket); }
    Fd open_tcp_socket() { return *loop.open_socket(AddressFamily::ipv4); }

    // Both ends of an established TCP connection.
    std::array<Fd, 2> make_tcp_pair();

    Loop loop;
};

// Reads from a descriptor without the loop, as a peer would.
std::string read_available(Fd fd, size_t size_max);
void write_all(Fd fd, const std::string& text);

}  // namespace blockd::io
