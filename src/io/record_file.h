// A record that is being written: entries go to the file in the order of append(), each whole.
//
// - Nothing passes as whole that is not: entries are numbered, and only finish() writes the end.
//   After a failure nothing is written any more, the end neither.
// - append() gathers, flush() writes. It blocks. One thread.
#pragma once

#include "io/record.h"

#include <blockd/error.h>
#include <blockd/io/completion.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace blockd::io {

class RecordFile {
  public:
    struct Event {
        RecordKind kind;
        uint64_t operation = 0;
        Fd file = Fd::none;
        uint64_t offset = 0;
        uint64_t size = 0;
        int64_t result = 0;
    };

    // Makes the file, for its owner's eyes alone: it holds what clients write. One that is there
    // already is Error{exists}.
    static Result<std::unique_ptr<RecordFile>> create(const std::string& path);

    explicit RecordFile(Fd file);  // Owns it from now on.
    RecordFile(const RecordFile&) = delete;
    RecordFile& operator=(const RecordFile&) = delete;
    ~RecordFile();

    void append(const Event& event, std::span<const std::byte> payload = {});
    void append_send(const Event& event, std::span<const IoVector> pieces);

    // After an error, which every later call returns again, the record is not whole.
    Result<Ok> flush();

    // Writes the end: this is all that happened.
    Result<Ok> finish();

    bool is_failed() const { return os_errno_ != 0; }

  private:
    void append_bytes(const void* bytes, size_t size);
    void append_entry(const Event& event, size_t payload_size);
    void write_out();

    // Above this, append() writes what it has gathered.
    static constexpr size_t gathered_size_max = 1u << 20;

    const Fd file_;
    std::vector<std::byte> gathered_;
    uint64_t sequence_ = 0;
    int32_t os_errno_ = 0;
};

}  // namespace blockd::io
