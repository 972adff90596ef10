// What open_data_file() gave, for tests that expect one or the other.
#pragma once

#include <blockd/io/data_file.h>

#include <gtest/gtest.h>

#include <variant>

namespace blockd::io {

using OpenedDataFile = std::variant<DataFile, DataFileFailure>;

inline DataFile file_of(const OpenedDataFile& opened) {
    if (const DataFileFailure* failure = std::get_if<DataFileFailure>(&opened)) {
        ADD_FAILURE() << failure->message;
        return {};
    }
    return std::get<DataFile>(opened);
}

inline DataFileFailure failure_of(const OpenedDataFile& opened) {
    if (std::holds_alternative<DataFile>(opened)) {
        ADD_FAILURE() << "it was opened";
        DataFile file = std::get<DataFile>(opened);
        close_data_file(file);
        return {};
    }
    return std::get<DataFileFailure>(opened);
}

// Closes what it opened at the end of its scope.
class ScopedDataFile {
  public:
    explicit ScopedDataFile(const DataFileOptions& options)
        : file_(file_of(open_data_file(options))) {}
    ScopedDataFile(const ScopedDataFile&) = delete;
    ScopedDataFile& operator=(const ScopedDataFile&) = delete;
    ~ScopedDataFile() { close(); }

    void close() {
        if (file_.fd != Fd::none) {
            close_data_file(file_);
        }
    }

    const DataFile& operator*() const { return file_; }
    const DataFile* operator->() const { return &file_; }

  private:
    DataFile file_;
};

}  // namespace blockd::io
