#include "io/record_file.h"

#include "io/os_error.h"
#include "io/system_call.h"

#include <blockd/assert.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace blockd::io {

Result<std::unique_ptr<RecordFile>> RecordFile::create(const std::string& path) {
    const int64_t number = system_call(
        [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); });
    if (number < 0) return error_from_errno(static_cast<int32_t>(-number), "make the record");
    auto file = std::make_unique<RecordFile>(static_cast<Fd>(number));
    const Result<Ok> flushed = file->flush();
    if (!flushed) return flushed.error();
    return file;
}

RecordFile::RecordFile(Fd file) : file_(file) {
    const RecordHeader header = {.magic = record_magic, .version = record_version, .reserved = 0};
    append_bytes(&header, sizeof(header));
}

RecordFile::~RecordFile() {
    if (!is_failed()) write_out();
    ::close(static_cast<int>(file_));
}

void RecordFile::append_bytes(const void* bytes, size_t size) {
    const size_t before = gathered_.size();
    gathered_.resize(before + size);
    if (size > 0) std::memcpy(gathered_.data() + before, bytes, size);
}

void RecordFile::append_entry(const Event& event, size_t payload_size) {
    ASSERT(payload_size <= record_payload_size_max);
    const RecordEntry entry = {.magic = record_entry_magic,
                               .kind = static_cast<uint16_t>(event.kind),
                               .reserved = 0,
                               .sequence = sequence_++,
                               .operation = event.operation,
                               .file = static_cast<uint32_t>(event.file),
                               .payload_size = static_cast<uint32_t>(payload_size),
                               .offset = event.offset,
                               .size = event.size,
                               .result = static_cast<uint64_t>(event.result)};
    append_bytes(&entry, sizeof(entry));
}

void RecordFile::append(const Event& event, std::span<const std::byte> payload) {
    if (is_failed()) return;
    append_entry(event, payload.size());
    append_bytes(payload.data(), payload.size());
    if (gathered_.size() > gathered_size_max) write_out();
}

void RecordFile::append_send(const Event& event, std::span<const IoVector> pieces) {
    if (is_failed()) return;
    size_t payload_size = 0;
    for (const IoVector& piece : pieces) {
        payload_size += sizeof(RecordPiece) + std::min<size_t>(piece.size, record_piece_size_max);
    }
    append_entry(event, payload_size);
    for (const IoVector& piece : pieces) {
        const size_t recorded_size = std::min<size_t>(piece.size, record_piece_size_max);
        const RecordPiece head = {.size = static_cast<uint32_t>(piece.size),
                                  .recorded_size = static_cast<uint32_t>(recorded_size)};
        append_bytes(&head, sizeof(head));
        append_bytes(piece.base, recorded_size);
    }
    if (gathered_.size() > gathered_size_max) write_out();
}

void RecordFile::write_out() {
    size_t done = 0;
    while (done < gathered_.size() && !is_failed()) {
        const int64_t result = system_call([&] {
            return ::write(static_cast<int>(file_), gathered_.data() + done,
                           gathered_.size() - done);
        });
        if (result <= 0) {
            os_errno_ = result < 0 ? static_cast<int32_t>(-result) : EIO;
        } else {
            done += static_cast<size_t>(result);
        }
    }
    gathered_.clear();
}

Result<Ok> RecordFile::flush() {
    if (!is_failed()) write_out();
    if (is_failed()) return error_from_errno(os_errno_, "write the record");
    return Ok{};
}

Result<Ok> RecordFile::finish() {
    append({.kind = RecordKind::end});
    return flush();
}

}  // namespace blockd::io
