// A backend that does what a test tells it to, and counts what the loop asks for.
#pragma once

#include <blockd/io/backend.h>

#include <cstdint>
#include <vector>

namespace blockd::io {

class ScriptedBackend final : public Backend {
  public:
    // What the loop asked for.
    uint32_t clock_reading_count = 0;
    uint32_t submit_count = 0;
    std::vector<uint64_t> waits_ns;    // One a poll().
    std::vector<OperationKind> kinds;  // In the order of their submission.
    uint32_t wake_count = 0;

    // What it answers. The clock advances by each wait, and by this at each reading.
    uint64_t now = 1'000;
    uint64_t step_ns = 0;
    bool completes_at_once = false;

    // Ends the operation that has waited longest, at the next poll().
    void complete_next(int64_t result) { results_.push_back(result); }
    size_t pending_count() const { return pending_.count(); }

    const char* name() const override { return "scripted"; }
    uint64_t now_ns() override {
        ++clock_reading_count;
        now += step_ns;
        return now;
    }
    void submit(CompletionList& submitted, CompletionList& completed) override {
        ++submit_count;
        while (Completion* const completion = submitted.pop_front()) {
            kinds.push_back(completion->operation.kind);
            completion->result = 0;
            completes_at_once ? completed.push_back(*completion) : pending_.push_back(*completion);
        }
    }
    void poll(CompletionList& completed, uint64_t wait_ns) override {
        waits_ns.push_back(wait_ns);
        now += wait_ns;
        for (const int64_t result : results_) {
            Completion* const completion = pending_.pop_front();
            ASSERT(completion != nullptr);
            completion->result = result;
            completed.push_back(*completion);
        }
        results_.clear();
    }
    void cancel(Completion&, CompletionList&) override {}
    void wake() override { ++wake_count; }
    uint32_t disk_depth() const override { return 1; }
    Result<Fd> open_socket(AddressFamily) override { return Fd{100}; }
    Result<Fd> listen(const ListenOptions&) override { return Fd{101}; }
    void shutdown(Fd, ShutdownKind) override {}
    Result<Address> local_address(Fd) override { return Address{}; }
    Result<Address> peer_address(Fd) override { return Address{}; }

  private:
    CompletionList pending_;
    std::vector<int64_t> results_;
};

}  // namespace blockd::io
