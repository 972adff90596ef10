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

#include <optional>

namespace blockd::blockctl {

template <typename T>
class Waiter {
  public:
    io::Callback<Result<T>> callback() { return io::bind<&Waiter::arrived>(this); }

    Result<T> wait(io::Loop& loop) {
        while (!result_) loop.flush(io::loop_wait_ns_max);
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
