#include "crash/cut_recovery.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include "support/daemon_process.h"
#include "support/wire_client.h"

namespace blockd::crash {
namespace {

constexpr uint64_t read_size_max = 16u << 20;

std::string config_of(size_t export_count) {
    std::string text = R"({"listeners": [{"unix": "socket"}], "exports": [)";
    for (size_t index = 0; index < export_count; ++index) {
        const std::string name = std::to_string(index);
        text += std::string(index == 0 ? "" : ", ") + R"({"name": ")" + name + R"(", "file": ")" +
                name + R"(.img"})";
    }
    return text + R"(], "io": {"disk_workers": 2, "record": "record"}, )"
                  R"("log": {"level": "warning"}})";
}

std::string read_export(const support::Endpoint& endpoint, size_t index, uint64_t size) {
    support::WireClient client(endpoint);
    client.attach(std::to_string(index));
    std::string image;
    while (image.size() < size && !client.is_broken()) {
        const uint64_t step = std::min(size - image.size(), read_size_max);
        const support::Answer answer = client.read(image.size(), static_cast<uint32_t>(step));
        if (!answer.is_ok()) break;
        image += answer.data;
    }
    return image;
}

}  // namespace

Recovery recover(const support::TemporaryDirectory& folder,
                 const std::vector<std::string>& images) {
    Recovery recovery;
    for (size_t index = 0; index < images.size(); ++index) {
        support::write_file(folder.file(std::to_string(index) + ".img"), images[index]);
    }
    support::write_file(folder.file("config"), config_of(images.size()));
    {
        support::DaemonProcess process(folder.file("log"));
        const support::Endpoint endpoint = {.unix_path = folder.file("socket")};
        process.start({"--config", folder.file("config")});
        if (process.wait_until_ready(endpoint)) {
            for (size_t index = 0; index < images.size(); ++index) {
                recovery.images.push_back(read_export(endpoint, index, images[index].size()));
            }
        } else {
            recovery.fault = "the daemon does not start after a power cut: " + process.log();
        }
        process.kill_now();
    }
    for (size_t index = 0; index < images.size(); ++index) {
        recovery.disks.push_back(support::read_file(folder.file(std::to_string(index) + ".img")));
    }
    // A kill may cut off the record's last entry; what stands before it is true.
    if (recovery.fault.empty()) {
        recovery.record.events = support::read_record(folder.file("record")).events;
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        std::filesystem::remove(entry.path());
    }
    return recovery;
}

}  // namespace blockd::crash
