#include "crash/loaded_daemon.h"

#include <utility>

namespace blockd::crash {

LoadedDaemon::LoadedDaemon(const Options& options) : options_(options) {
    support::make_sparse_file(disk_path(), spare_offset() + options.spare_size);
    config_.unix_path = directory.file("socket");
    if (options.has_tcp) config_.tcp_port = support::free_tcp_port();
    config_.exports = {{.name = "disk", .file = disk_path()}};
    config_.limits = options.limits;
    config_.backend = options.backend;
    config_.disk_workers = options.disk_workers;
    support::write_file(directory.file("blockd.json"), config_.json());
    for (uint32_t index = 0; index < options.connection_count; ++index) {
        records_.emplace_back(options.region_size);
    }
}

bool LoadedDaemon::start() {
    start_only();
    return daemon.wait_until_ready(endpoint());
}

std::unique_ptr<LoadConnection> LoadedDaemon::new_client(uint32_t index, uint64_t seed) {
    LoadTarget target = {.endpoint = endpoint(),
                         .region_offset = index * options_.region_size,
                         .is_structured = index % 2 == 1,
                         .may_fail = options_.may_fail,
                         .timeout_ms = options_.reply_timeout_ms,
                         .size_max = options_.request_size_max};
    if (options_.has_tcp && index >= options_.connection_count / 2)
        target.endpoint = tcp_endpoint();
    return std::make_unique<LoadConnection>(target, records_[index], seed + index);
}

void LoadedDaemon::add_clients(uint64_t seed) {
    collect();
    for (uint32_t index = 0; index < options_.connection_count; ++index) {
        clients_.push_back(new_client(index, seed));
    }
}

void LoadedDaemon::connect(uint64_t seed) {
    add_clients(seed);
    for (const auto& client : clients_) client->attach();
}

void LoadedDaemon::start_load() {
    for (const auto& client : clients_) threads_.emplace_back([&client] { client->run(); });
}

void LoadedDaemon::wait_for_load() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

void LoadedDaemon::verify(uint64_t seed) {
    connect(seed);
    for (const auto& client : clients_) threads_.emplace_back([&client] { client->verify(); });
    wait_for_load();
    collect();
}

void LoadedDaemon::collect() {
    for (const auto& client : clients_) {
        counts_ += client->counts();
        violations_.insert(violations_.end(), client->violations().begin(),
                           client->violations().end());
    }
    clients_.clear();
}

std::vector<std::string> LoadedDaemon::take_violations() {
    collect();
    return std::exchange(violations_, {});
}

}  // namespace blockd::crash
