// Work done by another process: a lock's other holder, or a user with fewer rights.
#pragma once

#include <blockd/io/data_file.h>

#include <sys/types.h>

#include <cstdint>

namespace blockd::io {

// Owns a data file from another process, from the constructor to release() or the destructor.
class ForeignOwner {
  public:
    explicit ForeignOwner(const DataFileOptions& options);
    ForeignOwner(const ForeignOwner&) = delete;
    ForeignOwner& operator=(const ForeignOwner&) = delete;
    ~ForeignOwner() { release(); }

    bool is_owner() const { return is_owner_; }
    void release();  // Ends the process, and waits until it is gone.

  private:
    pid_t process_ = -1;
    int order_fd_ = -1;  // Closed when it shall end.
    bool is_owner_ = false;
};

// Opens the data file as a user without rights: nobody, when the tests run as root, else the
// user that runs them. The DataFile has no fd: it is closed again.
std::variant<DataFile, DataFileFailure> open_without_privileges(const DataFileOptions& options);

// Gives the file to the user that open_without_privileges() opens it as.
void give_to_unprivileged(const std::string& path);

}  // namespace blockd::io
