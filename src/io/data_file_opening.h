// Opens one data file, step by step; what it made or opened is undone unless every step succeeds.
#pragma once

#include <blockd/io/data_file.h>

#include "io/file.h"

#include <cstdint>
#include <string>
#include <variant>

namespace blockd::io {

class DataFileOpening {
  public:
    explicit DataFileOpening(const DataFileOptions& options);
    DataFileOpening(const DataFileOpening&) = delete;
    DataFileOpening& operator=(const DataFileOpening&) = delete;
    ~DataFileOpening();

    // Once.
    std::variant<DataFile, DataFileFailure> run();

  private:
    // The steps, in order. Each returns whether it succeeded; if not, `failure_` says why.
    bool check_size_asked_for();
    bool check_kind();
    bool remove_leftover();
    bool open();
    bool lock();
    bool check_name();
    bool allocate();
    bool check_size();
    bool choose_caching();
    bool sync();
    bool give_name();
    bool sync_directory();
    bool find_abilities();

    bool reserve_blocks();
    bool accept_weak_sync(int64_t full_sync_result);
    bool accept_no_sync(int64_t sync_result);
    bool fail(ErrorCode code, const std::string& reason);
    bool fail_busy(const std::string& reason);
    bool fail_existing();
    bool fail_system(int64_t result, const char* during, const std::string& reason);

    bool check_name_is_free();

    bool is(DataFilePurpose purpose) const { return options_.purpose == purpose; }
    std::string no_space_reason() const;
    std::string permission_hint() const;

    const DataFileOptions& options_;
    const FileAccess access_;
    std::string path_;  // Where the file is now: one that is made gets its own name at the end.
    DataFile file_;
    bool is_made_ = false;    // By us, and nobody else's since.
    uint64_t file_size_ = 0;  // All that the file holds; more than `file_.size` perhaps.
    DataFileFailure failure_ = {};
};

}  // namespace blockd::io
