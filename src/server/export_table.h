// The exports of a server: each a disk with a name, as the negotiation and the requests see it.
// Shared by all its loops.
#pragma once

#include <blockd/io/data_file.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "nbd/server_handshake.h"
#include "storage/disk.h"

namespace blockd::server {

struct ExportOptions {
    std::string name;  // At most nbd::string_size_max bytes of UTF-8, unique.
    std::string description;
    bool is_default = false;  // A client that asks for the empty name gets it; at most one.
    bool is_read_only = false;
    uint64_t size = 0;        // Bytes, at most file.size; 0: all of the file.
    uint64_t cache_size = 0;  // Bytes; 0: none. See storage::Disk::Options.
    io::DataFile file;        // Opened by the caller, who closes it after the server is gone.
};

struct Export {
    Export(const ExportOptions& options, uint32_t requests_max);

    // A connection comes: the how manieth of those that ever did.
    uint64_t attach();

    // nbd::transmission_flag bits, without send_df, which depends on the client. They stay as they
    // were at first, also when the file system then refuses what it seemed to know: INFO, GO and
    // all connections are told the same, and such a command is done, or refused, all the same.
    uint16_t flags() const { return flags_; }

    std::string name;
    std::string description;
    bool is_default;
    bool is_read_only;
    storage::Disk disk;
    std::mutex attaching;  // Held while a connection attaches: see Connection::is_superseded().
    std::atomic<uint64_t> attach_count = 0;
    std::atomic<uint64_t> failed_requests = 0;
    std::atomic<bool> is_failure_logged = false;

  private:
    uint16_t offered_flags() const;

    const uint16_t flags_;
};

class ExportTable : public nbd::ExportDirectory {
  public:
    explicit ExportTable(bool allows_list) : allows_list_(allows_list) {}

    void add(std::unique_ptr<Export> added) { exports_.push_back(std::move(added)); }

    size_t count() const override { return exports_.size(); }
    nbd::ExportDescription describe(size_t index) const override;
    size_t find(std::string_view name) const override;
    bool allows_list() const override { return allows_list_; }

    Export& at(size_t index) { return *exports_[index]; }

  private:
    const bool allows_list_;
    std::vector<std::unique_ptr<Export>> exports_;
};

}  // namespace blockd::server
