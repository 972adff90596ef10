#include "crash/cut_run.h"

#include <algorithm>
#include <utility>

namespace blockd::crash {
namespace {

constexpr uint64_t block_size = 4096;
constexpr uint64_t hot_blocks = 4;

template <typename Value>
Value one_of(std::initializer_list<Value> values, Random& random) {
    return values.begin()[random() % values.size()];
}

RequestKind draw_kind(const Workload& workload, Random& random) {
    const uint64_t draw = random() % 100;
    if (draw < workload.flush_percent) return RequestKind::flush;
    if (draw < workload.flush_percent + workload.zero_percent) return RequestKind::write_zeroes;
    if (draw < workload.flush_percent + workload.zero_percent + workload.trim_percent) {
        return RequestKind::trim;
    }
    return RequestKind::write;
}

LoggedRequest draw_request(const Workload& workload, Random& random) {
    LoggedRequest request;
    request.kind = draw_kind(workload, random);
    if (request.kind == RequestKind::flush) return request;
    request.has_fua = random() % 100 < workload.fua_percent;
    const bool is_hot = random() % 100 < workload.hot_percent;
    const bool is_unaligned = random() % 100 < workload.unaligned_percent;
    const uint64_t unit = is_unaligned ? 1 : one_of<uint64_t>({512, 4096}, random);
    const uint64_t reach = is_hot ? hot_blocks * block_size : workload.image_size;
    request.size = (1 + random() % workload.size_max + unit - 1) / unit * unit;
    request.size = std::min(request.size, reach);
    request.offset = random() % ((reach - request.size) / unit + 1) * unit;
    return request;
}

uint16_t command_of(RequestKind kind) {
    switch (kind) {
        case RequestKind::write: return support::wire::cmd_write;
        case RequestKind::write_zeroes: return support::wire::cmd_write_zeroes;
        case RequestKind::trim: return support::wire::cmd_trim;
        case RequestKind::flush: return support::wire::cmd_flush;
    }
    return 0;
}

}  // namespace

Workload draw_workload(Random& random) {
    Workload workload;
    workload.image_size = one_of<uint64_t>({64, 128, 256}, random) << 10;
    // Such a file goes through the page cache, byte by byte.
    if (random() % 5 == 0) workload.image_size += 777;
    workload.connections = static_cast<uint32_t>(1 + random() % 4);
    workload.depth = one_of<uint32_t>({1, 2, 4, 8}, random);
    workload.requests = static_cast<uint32_t>(40 + random() % 60);
    workload.flush_percent = one_of<uint32_t>({2, 10, 25}, random);
    workload.fua_percent = one_of<uint32_t>({0, 10, 30}, random);
    workload.zero_percent = one_of<uint32_t>({0, 10, 25}, random);
    workload.trim_percent = one_of<uint32_t>({0, 5, 20}, random);
    workload.unaligned_percent = one_of<uint32_t>({0, 30, 90}, random);
    workload.hot_percent = one_of<uint32_t>({0, 50, 90}, random);
    workload.size_max = one_of<uint64_t>({512, 5000, 16384, 40000}, random);
    return workload;
}

std::string text_of(const Workload& workload) {
    return std::to_string(workload.requests) + " requests of at most " +
           std::to_string(workload.size_max) + " bytes each to " +
           std::to_string(workload.image_size) + " bytes on " +
           std::to_string(workload.connections) + " connections, " +
           std::to_string(workload.depth) + " in flight on each";
}

RecordedDaemon::RecordedDaemon(std::string initial)
    : initial_(std::move(initial)), process_(folder_.file("log")) {
    support::write_file(folder_.file("disk.img"), initial_);
    process_.start({"--socket", folder_.file("socket"), "--export", std::string(recorded_export),
                    "--record", folder_.file("record"), folder_.file("disk.img")});
    is_ready_ = process_.wait_until_ready({.unix_path = folder_.file("socket")});
}

support::WireClient RecordedDaemon::connect() const {
    support::WireClient client({.unix_path = folder_.file("socket")});
    client.attach(recorded_export);
    return client;
}

RecordedRun RecordedDaemon::finish(ClientLog log) && {
    RecordedRun run;
    run.initial = initial_;
    run.log = std::move(log);
    process_.terminate();
    run.record_bytes = support::read_file(folder_.file("record"));
    run.record = support::parse_record(run.record_bytes);
    if (!run.record.is_whole) {
        run.fault = "the record is not whole: " + run.record.fault + "\n" + process_.log();
    }
    return run;
}

void LoggedClient::send(LoggedRequest request) {
    const uint64_t cookie = log_->size() + 1;
    if (request.kind == RequestKind::write) {
        request.data = stamped(cookie, request.offset, request.size);
    }
    request.sent = ++*clock_;
    const uint16_t flags = request.has_fua ? support::wire::flag_fua : uint16_t{0};
    log_->push_back(std::move(request));
    const LoggedRequest& logged = log_->back();
    client_.send_request({.command = command_of(logged.kind),
                          .flags = flags,
                          .cookie = cookie,
                          .offset = logged.offset,
                          .size = static_cast<uint32_t>(logged.size)},
                         logged.data);
    ++in_flight_;
}

void LoggedClient::take_answer() {
    const support::Answer answer = client_.receive_answer();
    --in_flight_;
    if (!answer.is_ok() || answer.cookie == 0 || answer.cookie > log_->size()) return;
    (*log_)[answer.cookie - 1].answered = ++*clock_;
}

RecordedRun run_workload(const Workload& workload, Random& random) {
    RecordedDaemon daemon(stamped(0, 0, workload.image_size));
    if (!daemon.is_ready()) return {.fault = "the daemon did not start"};
    ClientLog log;
    uint64_t clock = 0;
    std::vector<LoggedClient> clients;
    for (uint32_t count = 0; count < workload.connections; ++count) {
        clients.emplace_back(daemon.connect(), log, clock);
    }
    while (log.size() < workload.requests) {
        LoggedRequest request = draw_request(workload, random);
        LoggedClient& client = clients[random() % clients.size()];
        while (client.in_flight() >= workload.depth && !client.is_broken()) client.take_answer();
        client.send(std::move(request));
        // The sooner an answer is taken, the more the next flush has to keep.
        const bool is_patient = random() % 4 == 0;
        for (LoggedClient& other : clients) {
            while (other.has_answer() && !other.is_broken()) other.take_answer();
            if (is_patient && other.in_flight() > 0 && !other.is_broken()) other.take_answer();
        }
        if (client.is_broken()) return {.fault = "the daemon broke a connection"};
    }
    for (LoggedClient& client : clients) {
        while (client.in_flight() > 0 && !client.is_broken()) client.take_answer();
    }
    clients.clear();
    return std::move(daemon).finish(std::move(log));
}

}  // namespace blockd::crash
