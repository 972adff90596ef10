#include "server/pipe_backend.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace blockd::server {
namespace {

constexpr io::Fd data_file{3};
constexpr io::Fd listener{4};
constexpr io::Fd connection{5};

}  // namespace

PipeBackend::PipeBackend(const Options& options)
    : disk_(options.disk_size), received_(options.received_size_max) {}

io::DataFile PipeBackend::file() const {
    return {.fd = data_file,
            .size = disk_.size(),
            .alignment = 4096,
            .hole_alignment = 4096,
            .caching = io::Caching::direct};
}

void PipeBackend::send(std::span<const std::byte> bytes) {
    ASSERT(sent_.empty());
    sent_ = bytes;
}

std::span<const std::byte> PipeBackend::received() const {
    return std::span(received_).first(received_size_);
}

void PipeBackend::submit(io::CompletionList& submitted, io::CompletionList& completed) {
    while (io::Completion* const completion = submitted.pop_front()) begin(*completion, completed);
}

void PipeBackend::begin(io::Completion& completion, io::CompletionList& completed) {
    switch (completion.operation.kind) {
        case io::OperationKind::accept: acceptor_ = &completion; return attempt_accept(completed);
        case io::OperationKind::recv: reader_ = &completion; return attempt_receive(completed);
        case io::OperationKind::send: completion.result = take_reply(completion.operation); break;
        case io::OperationKind::close: completion.result = 0; break;
        case io::OperationKind::read:
        case io::OperationKind::write:
        case io::OperationKind::sync: return disk_operations_.push_back(completion);
        default: ASSERT(false);
    }
    completed.push_back(completion);
}

void PipeBackend::poll(io::CompletionList& completed, uint64_t wait_ns) {
    while (io::Completion* const completion = disk_operations_.pop_front()) {
        completion->result = access_disk(completion->operation);
        completed.push_back(*completion);
    }
    attempt_accept(completed);
    attempt_receive(completed);
    if (completed.is_empty()) now_ns_ += wait_ns;
}

void PipeBackend::attempt_accept(io::CompletionList& completed) {
    if (acceptor_ == nullptr || !is_connecting_) return;
    is_connecting_ = false;
    acceptor_->result = int64_t(connection);
    completed.push_back(*std::exchange(acceptor_, nullptr));
}

void PipeBackend::attempt_receive(io::CompletionList& completed) {
    if (reader_ == nullptr || (sent_.empty() && !is_hung_up_)) return;
    reader_->result = receive(reader_->operation);
    completed.push_back(*std::exchange(reader_, nullptr));
}

int64_t PipeBackend::receive(const io::Operation& operation) {
    size_t moved = 0;
    for (const io::IoVector& vector : operation.vectors) {
        const size_t size = std::min(vector.size, sent_.size());
        if (size == 0) break;
        std::memcpy(vector.base, sent_.data(), size);
        sent_ = sent_.subspan(size);
        moved += size;
    }
    return int64_t(moved);
}

int64_t PipeBackend::take_reply(const io::Operation& operation) {
    size_t moved = 0;
    for (const io::IoVector& vector : operation.vectors) {
        ASSERT(vector.size <= received_.size() - received_size_);
        std::memcpy(received_.data() + received_size_, vector.base, vector.size);
        received_size_ += vector.size;
        moved += vector.size;
    }
    return int64_t(moved);
}

int64_t PipeBackend::access_disk(const io::Operation& operation) {
    if (operation.kind == io::OperationKind::sync) return 0;
    ASSERT(operation.offset <= disk_.size());
    ASSERT(operation.size <= disk_.size() - operation.offset);
    std::byte* const at = disk_.data() + operation.offset;
    const bool is_read = operation.kind == io::OperationKind::read;
    std::memcpy(is_read ? operation.data : at, is_read ? at : operation.data, operation.size);
    return int64_t(operation.size);
}

void PipeBackend::cancel(io::Completion& completion, io::CompletionList& completed) {
    if (&completion != acceptor_ && &completion != reader_) return;
    (&completion == acceptor_ ? acceptor_ : reader_) = nullptr;
    completion.result = -ECANCELED;
    completed.push_back(completion);
}

Result<io::Fd> PipeBackend::open_socket(io::AddressFamily) {
    ASSERT(false);
    return io::Fd::none;
}

Result<io::Fd> PipeBackend::listen(const io::ListenOptions&) { return listener; }

void PipeBackend::shutdown(io::Fd, io::ShutdownKind) { is_hung_up_ = true; }

Result<io::Address> PipeBackend::local_address(io::Fd) { return io::Address(); }

Result<io::Address> PipeBackend::peer_address(io::Fd) { return io::Address(); }

}  // namespace blockd::server
