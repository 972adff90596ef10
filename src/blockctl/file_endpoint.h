// A local file or block device as one side of a copy, read and written on the loop's disk workers
// through the page cache.
#pragma once

#include <blockd/io/loop.h>

#include <memory>
#include <string>
#include <variant>

#include "blockctl/endpoint.h"
#include "blockctl/page_cache_drain.h"

namespace blockd::blockctl {

class FileEndpoint final : public Endpoint {
  public:
    // The endpoint, or why there is none.
    using Opened = std::variant<std::unique_ptr<FileEndpoint>, std::string>;

    static Opened open_source(io::Loop& loop, const std::string& path);

    // Makes the file, or empties the one that is there, and gives it `size` bytes, all of them a
    // hole. A block device is taken as it is. A file that another process owns is left alone.
    // `source`, where there is one, must be another file: emptying it would lose the data.
    static Opened open_target(io::Loop& loop, const std::string& path, uint64_t size,
                              const FileEndpoint* source);

    ~FileEndpoint() override;

    void read(EndpointRequest& request, std::span<std::byte> buffer, uint64_t offset,
              io::Callback<Result<Ok>> done) override;
    void write(EndpointRequest& request, std::span<const std::byte> buffer, uint64_t offset,
               io::Callback<Result<Ok>> done) override;
    void flush(EndpointRequest& request, io::Callback<Result<Ok>> done) override;
    void extents(EndpointRequest& request, std::span<io::Extent> extents, uint64_t offset,
                 uint64_t size, io::Callback<Result<uint32_t>> done) override;
    std::string failure_words(const EndpointRequest& request, const Error& error) const override;
    Result<Ok> close() override;

  private:
    explicit FileEndpoint(io::Loop& loop, const std::string& path);

    // Empty when all went well, else what did not.
    std::string open_to_read();
    std::string open_to_overwrite();
    std::string inspect();
    std::string resize(uint64_t size);
    bool is_same_file(const FileEndpoint& other) const;
    void sync_done(Result<Ok> result);
    Result<Ok> sync_name() const;
    Result<Ok> end_drain();

    io::Loop& loop_;
    io::Fd fd_ = io::Fd::none;
    std::unique_ptr<PageCacheDrain> drain_;  // Of a target.
    io::Callback<Result<Ok>> flush_done_;    // Of the one flush() in flight.
    bool is_block_device_ = false;
    bool is_new_ = false;  // Made by us: its name has to be made durable as well.
    uint64_t device_ = 0;  // Device and inode: a file's identity, whatever its names.
    uint64_t inode_ = 0;
};

}  // namespace blockd::blockctl
