// Writes down what a loop does to data files and sends to clients, around any backend.
//
// What the record's order says is true of the world:
// - A write, punch, zeroing, sync or send is in the file before the system is asked for it. So
//   whatever the disk may hold and a client may have seen is in the record, even of a process that
//   is killed at any moment.
// - What the system said of an operation is in the file before the loop hears of it. So a sync
//   whose entry stands behind a write's `done` was asked for after the write was done.
//
// The daemon above may not run ahead of its record: once that cannot be written, `failed` is called
// and, should it return, whatever is submitted fails with EIO and nothing of it is done. No client
// is told of what is not recorded. The destructor writes the record's end.
#pragma once

#include "io/record_file.h"

#include <blockd/io/backend.h>
#include <blockd/io/callback.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace blockd::io {

// A data file that is followed. Everything in it is durable: open_data_file() has synced it.
struct RecordedFile {
    Fd fd;
    std::string name;
    uint64_t size;
};

class RecordingBackend final : public Backend {
  public:
    struct Options {
        std::unique_ptr<RecordFile> record;
        std::vector<RecordedFile> files;
        Callback<Error> failed;
    };

    RecordingBackend(std::unique_ptr<Backend> inner, Options options);
    ~RecordingBackend() override;

    const char* name() const override { return inner_->name(); }
    uint64_t now_ns() override { return inner_->now_ns(); }
    void submit(CompletionList& submitted, CompletionList& completed) override;
    void poll(CompletionList& completed, uint64_t wait_ns) override;
    void expect_more() override { inner_->expect_more(); }
    void cancel(Completion& completion, CompletionList& completed) override;
    void wake() override { inner_->wake(); }
    uint32_t disk_depth() const override { return inner_->disk_depth(); }
    Result<Fd> open_socket(AddressFamily family) override { return inner_->open_socket(family); }
    Result<Fd> listen(const ListenOptions& options) override { return inner_->listen(options); }
    void shutdown(Fd socket, ShutdownKind kind) override { inner_->shutdown(socket, kind); }
    Result<Address> local_address(Fd socket) override { return inner_->local_address(socket); }
    Result<Address> peer_address(Fd socket) override { return inner_->peer_address(socket); }

  private:
    bool is_data_file(Fd fd) const;
    void record_submitted(const Completion& completion);
    void record_completed(const Completion& completion);
    void record_all_completed(CompletionList& found, CompletionList& completed);
    bool flush();  // False once the record has failed.

    const std::unique_ptr<Backend> inner_;
    const std::unique_ptr<RecordFile> record_;
    const std::vector<RecordedFile> files_;
    const Callback<Error> failed_;

    // Numbers of the operations in flight. It allocates: recording is for tests and for finding
    // faults, and slow anyway.
    std::unordered_map<const Completion*, uint64_t> operations_;
    uint64_t operation_count_ = 0;
    bool is_failure_told_ = false;
};

}  // namespace blockd::io
