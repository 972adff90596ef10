#include "blockctl/file_endpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "blockctl/message.h"
#include "blockctl/output_file.h"
#include "blockctl/size_text.h"
#include "blockctl/waiter.h"
#include "io/file.h"
#include "io/os_error.h"

namespace blockd::blockctl {
namespace {

constexpr uint32_t file_request_size_max = 32u << 20;

// File systems lock a regular file for each write into the page cache: the writes of several
// workers only spin for the lock, as `perf record` says of ext4 (rwsem_spin_on_owner).
constexpr uint32_t file_writes_at_once = 1;

std::string system_words(const char* action, const std::string& path) {
    return std::string("cannot ") + action + " " + path + ": " + std::strerror(errno);
}

}  // namespace

FileEndpoint::FileEndpoint(io::Loop& loop, const std::string& path) : loop_(loop) {
    own_info().name = path;
    own_info().request_size_max = file_request_size_max;
    own_info().can_report_extents = true;
}

FileEndpoint::~FileEndpoint() {
    drain_.reset();
    if (fd_ != io::Fd::none) ::close(int(fd_));
}

FileEndpoint::Opened FileEndpoint::open_source(io::Loop& loop, const std::string& path) {
    std::unique_ptr<FileEndpoint> file(new FileEndpoint(loop, path));
    std::string complaint = file->open_to_read();
    if (complaint.empty()) complaint = file->inspect();
    if (!complaint.empty()) return complaint;
    return file;
}

FileEndpoint::Opened FileEndpoint::open_target(io::Loop& loop, const std::string& path,
                                               uint64_t size, const FileEndpoint* source) {
    std::unique_ptr<FileEndpoint> file(new FileEndpoint(loop, path));
    std::string complaint = file->open_to_overwrite();
    if (complaint.empty()) complaint = file->inspect();
    if (!complaint.empty()) return complaint;

    if (source != nullptr && file->is_same_file(*source)) {
        return path + " and " + source->info().name + " are the same file";
    }
    complaint = file->resize(size);
    if (!complaint.empty()) return complaint;
    return file;
}

std::string FileEndpoint::open_to_read() {
    const int fd = ::open(info().name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_words("open", info().name);
    fd_ = io::Fd(fd);
    return {};
}

std::string FileEndpoint::open_to_overwrite() {
    const OutputFile file = open_output_file(info().name, O_RDWR);
    fd_ = io::Fd(file.fd);
    is_new_ = file.is_new;
    return file.complaint;
}

std::string FileEndpoint::inspect() {
    struct stat status {};
    if (fstat(int(fd_), &status) != 0) return system_words("inspect", info().name);
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
        return info().name + " is neither a file nor a block device";
    }
    is_block_device_ = S_ISBLK(status.st_mode);
    device_ = uint64_t(status.st_dev);
    inode_ = uint64_t(status.st_ino);

    // A block device's st_size is 0; its end can be sought.
    const off_t end = lseek(int(fd_), 0, SEEK_END);
    if (end < 0) return system_words("find the size of", info().name);
    // macOS has other means for devices, and seeks to 0 without an error.
    if (is_block_device_ && end == 0) {
        return "cannot find the size of " + info().name + ": the system says that it has no bytes";
    }
    own_info().size = uint64_t(end);
    return {};
}

// To nothing first, so that every byte of the new length is a hole.
std::string FileEndpoint::resize(uint64_t size) {
    if (is_block_device_) {
        own_info().can_report_extents = false;
        return {};
    }
    if (ftruncate(int(fd_), 0) != 0 || ftruncate(int(fd_), off_t(size)) != 0) {
        return system_words(("give " + format_size(size) + " to").c_str(), info().name);
    }
    own_info().size = size;
    own_info().reads_as_zeros = true;
    own_info().writes_at_once = file_writes_at_once;
    drain_ = std::make_unique<PageCacheDrain>(fd_);
    return {};
}

bool FileEndpoint::is_same_file(const FileEndpoint& other) const {
    return device_ == other.device_ && inode_ == other.inode_;
}

void FileEndpoint::read(EndpointRequest& request, std::span<std::byte> buffer, uint64_t offset,
                        io::Callback<Result<Ok>> done) {
    request.done = done;
    request.size_expected = buffer.size();
    request.drain = nullptr;
    loop_.read(request.completion, {.file = fd_, .buffer = buffer, .offset = offset},
               io::bind<&EndpointRequest::file_io_done>(&request));
}

void FileEndpoint::write(EndpointRequest& request, std::span<const std::byte> buffer,
                         uint64_t offset, io::Callback<Result<Ok>> done) {
    request.done = done;
    request.size_expected = buffer.size();
    request.offset = offset;
    request.drain = drain_.get();
    loop_.write(request.completion, {.file = fd_, .buffer = buffer, .offset = offset},
                io::bind<&EndpointRequest::file_io_done>(&request));
}

void FileEndpoint::flush(EndpointRequest& request, io::Callback<Result<Ok>> done) {
    ASSERT(!flush_done_);
    flush_done_ = done;
    loop_.sync(request.completion, {.file = fd_}, io::bind<&FileEndpoint::sync_done>(this));
}

// The drain may have taken the note of a failure that the sync then did not see.
void FileEndpoint::sync_done(Result<Ok> result) {
    const io::Callback<Result<Ok>> done = flush_done_;
    flush_done_ = {};
    const Result<Ok> drained = end_drain();
    if (result && drained && is_new_) result = sync_name();
    if (!result && result.error().code == ErrorCode::not_supported) {
        result = Error{.code = ErrorCode::not_supported,
                       .during = "its file system knows no full sync; --no-flush copies without"};
    }
    done(result ? drained : result);
}

Result<Ok> FileEndpoint::sync_name() const {
    const int64_t result = io::sync_directory_of(info().name, io::Durability::full);
    if (result < 0) return io::error_from_errno(int32_t(-result), "sync the folder");
    return Ok();
}

Result<Ok> FileEndpoint::end_drain() { return drain_ ? drain_->end() : Ok(); }

void FileEndpoint::extents(EndpointRequest& request, std::span<io::Extent> extents, uint64_t offset,
                           uint64_t size, io::Callback<Result<uint32_t>> done) {
    loop_.extents(request.completion,
                  {.file = fd_, .offset = offset, .size = size, .extents = extents}, done);
}

std::string FileEndpoint::failure_words(const EndpointRequest& /*request*/,
                                        const Error& error) const {
    return words_of(error);
}

Result<Ok> FileEndpoint::close() {
    const Result<Ok> drained = end_drain();
    drain_.reset();
    Waiter<Ok> waiter;
    io::Completion completion;
    loop_.close(completion, {.fd = fd_}, waiter.callback());
    fd_ = io::Fd::none;
    const Result<Ok> closed = waiter.wait(loop_);
    return drained ? closed : drained;
}

}  // namespace blockd::blockctl
