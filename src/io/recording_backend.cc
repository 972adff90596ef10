#include "io/recording_backend.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace blockd::io {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

uint64_t size_of(std::span<const IoVector> vectors) {
    uint64_t size = 0;
    for (const IoVector& vector : vectors) size += vector.size;
    return size;
}

}  // namespace

RecordingBackend::RecordingBackend(std::unique_ptr<Backend> inner, Options options)
    : inner_(std::move(inner)),
      record_(std::move(options.record)),
      files_(std::move(options.files)),
      failed_(options.failed) {
    ASSERT(record_ != nullptr);
    ASSERT(failed_);
    for (const RecordedFile& file : files_) {
        record_->append({.kind = RecordKind::file, .file = file.fd, .size = file.size},
                        bytes_of(file.name));
    }
    flush();
}

RecordingBackend::~RecordingBackend() {
    if (record_->is_failed()) return;
    const Result<Ok> finished = record_->finish();
    if (!finished && !is_failure_told_) failed_(finished.error());
}

bool RecordingBackend::flush() {
    const Result<Ok> flushed = record_->flush();
    if (flushed) return true;
    if (!is_failure_told_) {
        is_failure_told_ = true;
        failed_(flushed.error());
    }
    return false;
}

bool RecordingBackend::is_data_file(Fd fd) const {
    return std::any_of(files_.begin(), files_.end(),
                       [fd](const RecordedFile& file) { return file.fd == fd; });
}

void RecordingBackend::submit(CompletionList& submitted, CompletionList& completed) {
    for (const Completion* completion = submitted.front(); completion != nullptr;
         completion = CompletionList::next(*completion)) {
        record_submitted(*completion);
    }
    CompletionList found;
    if (!flush()) {
        while (Completion* const completion = submitted.pop_front()) {
            completion->result = -EIO;
            completed.push_back(*completion);
            operations_.erase(completion);
        }
        return;
    }
    inner_->submit(submitted, found);
    record_all_completed(found, completed);
}

void RecordingBackend::record_submitted(const Completion& completion) {
    const Operation& operation = completion.operation;
    RecordFile::Event event = {.kind = RecordKind::end,
                               .file = operation.fd,
                               .offset = operation.offset,
                               .size = operation.size};
    switch (operation.kind) {
        case OperationKind::write: event.kind = RecordKind::write; break;
        case OperationKind::punch_hole: event.kind = RecordKind::punch_hole; break;
        case OperationKind::zero_range: event.kind = RecordKind::zero_range; break;
        case OperationKind::sync: event.kind = RecordKind::sync; break;
        case OperationKind::send:
            event.kind = RecordKind::send;
            event.size = size_of(operation.vectors);
            break;
        case OperationKind::close:
            return record_->append({.kind = RecordKind::closed, .file = operation.fd});
        default: return;
    }
    if (event.kind != RecordKind::send && !is_data_file(operation.fd)) return;
    event.operation = ++operation_count_;
    operations_[&completion] = event.operation;
    if (event.kind == RecordKind::send) return record_->append_send(event, operation.vectors);
    const bool has_data = event.kind == RecordKind::write;
    record_->append(event, {operation.data, has_data ? operation.size : 0});
}

void RecordingBackend::poll(CompletionList& completed, uint64_t wait_ns) {
    CompletionList found;
    inner_->poll(found, wait_ns);
    record_all_completed(found, completed);
}

void RecordingBackend::cancel(Completion& completion, CompletionList& completed) {
    CompletionList found;
    inner_->cancel(completion, found);
    record_all_completed(found, completed);
}

void RecordingBackend::record_all_completed(CompletionList& found, CompletionList& completed) {
    for (const Completion* completion = found.front(); completion != nullptr;
         completion = CompletionList::next(*completion)) {
        record_completed(*completion);
    }
    flush();
    completed.append(found);
}

void RecordingBackend::record_completed(const Completion& completion) {
    const Operation& operation = completion.operation;
    if (operation.kind == OperationKind::accept && completion.result >= 0) {
        return record_->append(
            {.kind = RecordKind::connected, .file = static_cast<Fd>(completion.result)});
    }
    const auto found = operations_.find(&completion);
    if (found == operations_.end()) return;
    record_->append({.kind = RecordKind::done,
                     .operation = found->second,
                     .file = operation.fd,
                     .result = completion.result});
    operations_.erase(found);
}

}  // namespace blockd::io
