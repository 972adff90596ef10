#include "daemon/service.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <sstream>

#include "daemon/exit_code.h"
#include "support/held_backend.h"
#include "support/temporary_directory.h"

namespace blockd::daemon {
namespace {

// To stderr, where a death test looks.
class StderrLog final : public server::Log {
  public:
    using server::Log::write;
    void write(server::LogLevel, std::string_view message,
               std::span<const server::LogField> fields) override {
        std::string line(message);
        for (const server::LogField& field : fields) {
            if (const auto* const text = std::get_if<std::string_view>(&field.value)) {
                line.append(" ").append(*text);
            }
        }
        std::fprintf(stderr, "%s\n", line.c_str());
    }
};

// A start that fails, on a disk whose last sync never ends.
int32_t start_without_a_folder_on_a_disk_that_hangs(const std::string& folder) {
    constexpr uint64_t size = 1u << 20;
    const auto opened = io::open_data_file({.path = folder + "/disk.img",
                                            .purpose = io::DataFilePurpose::format,
                                            .size = size,
                                            .allow_weak_sync = true});
    auto inner = io::make_kqueue_backend({.disk_workers = 1});
    auto backend = std::make_unique<support::HeldBackend>(std::move(*inner), size);
    backend->hold(io::OperationKind::sync);
    io::Loop loop(std::move(backend));
    const std::array loops{&loop};

    Config config;
    config.listeners.push_back({.address = *io::Address::unix_path(folder + "/no/b.sock")});
    config.limits.shutdown_grace_ns = 10'000'000;
    StderrLog log;
    const ServiceNotifier notifier("");
    std::ostringstream output;
    std::vector<std::string> failures;
    Service service({.loops = loops,
                     .log = log,
                     .notifier = notifier,
                     .output = output,
                     .blockctl = "blockctl"},
                    config, {{.name = "disk", .file = std::get<io::DataFile>(opened)}});
    return service.run(failures);
}

TEST(ServiceDeathTest, AFailedStartIsToldAlsoWhenItsDrainIsNotClean) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const support::TemporaryDirectory folder;
    EXPECT_EXIT(start_without_a_folder_on_a_disk_that_hangs(folder.path()),
                ::testing::ExitedWithCode(exit_code::start_failed),
                "cannot start cannot listen on unix:.*/no/b.sock");
}

}  // namespace
}  // namespace blockd::daemon
