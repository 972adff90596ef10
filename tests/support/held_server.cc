#include "support/held_server.h"

#include <blockd/io/data_file.h>

#include <utility>
#include <variant>

namespace blockd::support {
namespace {

constexpr uint64_t turn_ns = 5'000'000;
constexpr uint64_t quiet_offset = 4 * mebibyte - 4096;  // Where tests neither write nor hold.

}  // namespace

void HeldServerTest::SetUp() {
    make_sparse_file(disk_path(), disk_size);
    thread_ = std::thread([this] { run(); });
    ASSERT_TRUE(eventually([this] { return is_ready_.load(); }));
}

void HeldServerTest::TearDown() {
    for (const auto kind :
         {io::OperationKind::read, io::OperationKind::write, io::OperationKind::sync,
          io::OperationKind::punch_hole, io::OperationKind::zero_range}) {
        backend_->release(kind);
    }
    is_stop_wanted_ = true;
    thread_.join();
    EXPECT_TRUE(is_stopped_) << "the server drains";
}

WireClient HeldServerTest::connect() const {
    return WireClient(Endpoint{.unix_path = directory_.file("socket")});
}

WireClient HeldServerTest::attach() const {
    WireClient client = connect();
    client.attach("disk");
    return client;
}

void HeldServerTest::expect_taken_without_answer(WireClient& client) {
    const RequestFields request = {.cookie = 0xabcdef, .offset = quiet_offset, .size = 512};
    client.send_request(request);
    const Answer answer = client.receive_answer(request);
    EXPECT_TRUE(answer.is_ok());
    EXPECT_EQ(answer.cookie, 0xabcdefu) << "a held request was answered";
}

void HeldServerTest::run() {
    auto kqueue = io::make_kqueue_backend({.disk_workers = disk_workers});
    ASSERT_TRUE(kqueue);
    auto held = std::make_unique<HeldBackend>(std::move(*kqueue), disk_size);
    backend_ = held.get();
    io::Loop loop(std::move(held));
    auto opened = io::open_data_file({.path = disk_path(), .allow_weak_sync = true});
    ASSERT_TRUE(std::holds_alternative<io::DataFile>(opened));
    auto& file = std::get<io::DataFile>(opened);
    {
        server::ServerOptions options;
        options.limits = limits;
        options.exports.resize(1);
        options.exports[0].name = "disk";
        options.exports[0].file = file;
        server::Server server(loop, log_, options);
        serve(loop, server);
    }
    io::close_data_file(file);
}

void HeldServerTest::serve(io::Loop& loop, server::Server& server) {
    const auto address = io::Address::unix_path(directory_.file("socket"));
    ASSERT_TRUE(address);
    ASSERT_TRUE(server.listen({.address = *address}));
    is_ready_ = true;
    while (!is_stop_wanted_) loop.run_for_ns(turn_ns);
    server.stop(io::bind<&HeldServerTest::stop_done>(this));
    Patience patience(30'000);
    while (!is_stopped_ && patience.wait()) loop.run_for_ns(turn_ns);
}

void HeldServerTest::stop_done(server::StopReport) { is_stopped_ = true; }

}  // namespace blockd::support
