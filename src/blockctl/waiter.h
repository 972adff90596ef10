// Turns a loop until one callback has come: how blockctl's commands, which have nothing else to
// do meanwhile, wait.
//
//     Waiter<Ok> waiter;
//     client.connect(options, waiter.callback());
//     const Result<Ok> connected = waiter.wait(loop);
#pragma once

#include <blockd/error.h>
#include <blockd/io/callback.h>
#include <blockd/io/loop.h>

#include <cstdint>
#include <optional>

namespace blockd::blockctl {

// A loop runs for a time, not until a condition: this bounds how late a command notices its end.
inline constexpr uint64_t wait_turn_ns = 1'000'000;

template <typename T>
class Waiter {
  public:
    io::Callback<Result<T>> callback() { return io::bind<&Waiter::arrived>(this); }

    Result<T> wait(io::Loop& loop) {
        while (!result_) loop.run_for_ns(wait_turn_ns);
        return *result_;
    }

  private:
    void arrived(Result<T> result) {
        ASSERT(!result_);
        result_ = result;
    }

    std::optional<Result<T>> result_;
};

}  // namespace blockd::blockctl
