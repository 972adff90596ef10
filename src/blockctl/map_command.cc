#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "blockctl/command.h"
#include "blockctl/extent_map.h"
#include "blockctl/json_output.h"
#include "blockctl/message.h"
#include "blockctl/output.h"
#include "blockctl/session.h"
#include "blockctl/waiter.h"

namespace blockd::blockctl {
namespace {

// Asked for at once. The size is a multiple of every block size and fits the 32 bits of a request.
constexpr uint64_t window_size = 1u << 30;
constexpr size_t window_extents_max = 8192;

ExitStatus fill(Session& session, ExtentMap& map) {
    std::vector<client::StatusExtent> extents(window_extents_max);
    while (!map.is_complete()) {
        const uint64_t offset = map.mapped_size();
        const uint64_t size = std::min(session.info().size - offset, window_size);
        client::Transfer transfer;
        Waiter<uint32_t> waiter;
        session.client().block_status(transfer, extents, {.offset = offset, .size = size},
                                      waiter.callback());
        const Result<uint32_t> count = waiter.wait(session.loop());
        if (!count) {
            return session.fail("get the block status of", offset, size,
                                session.words_of_failure(count.error()));
        }
        for (const client::StatusExtent& extent : std::span(extents).first(*count)) {
            map.append(extent.size, extent.flags);
        }
    }
    return ExitStatus::done;
}

std::string text_of(const ExtentMap& map) {
    std::string text = "              offset                 size  kind\n";
    for (const MappedExtent& extent : map.extents()) {
        std::array<char, 80> line{};
        std::snprintf(line.data(), line.size(), "%20llu %20llu  %s\n",
                      static_cast<unsigned long long>(extent.offset),
                      static_cast<unsigned long long>(extent.size), allocation_name(extent.flags));
        text += line.data();
    }
    return text;
}

}  // namespace

ExitStatus run_map(const Invocation& invocation) {
    Session session(invocation);
    ExitStatus status = session.open(BlockStatus::wanted);
    if (status != ExitStatus::done) return status;

    ExtentMap map(session.info().size);
    if (session.info().has_base_allocation) {
        status = fill(session, map);
        if (status != ExitStatus::done) return status;
    } else {
        complain("note: the server of " + session.name() +
                 " does not tell holes from data: all is shown as data");
        map.append(session.info().size, 0);
    }
    return print(invocation.is_json ? json_of_map(map) : text_of(map));
}

}  // namespace blockd::blockctl
