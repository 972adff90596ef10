// A Disk over a MemoryBackend, and requests that remember how they ended.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "storage/disk.h"
#include "storage/disk_lane.h"
#include "storage/memory_backend.h"

namespace blockd::storage {

inline constexpr uint64_t test_disk_size = 4u << 20;

struct TestRequest {
    void finished(Result<Ok> ended) { result = ended; }

    DiskRequest request;
    std::optional<Result<Ok>> result;

    bool is_done() const { return result.has_value(); }
    bool is_ok() const { return is_done() && bool(*result); }
    bool failed_with(ErrorCode code) const {
        return is_done() && !*result && result->error().code == code;
    }

    std::vector<std::byte> payload() const {
        std::vector<std::byte> bytes;
        for (Buffer* buffer = request.buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
            bytes.insert(bytes.end(), buffer->payload().begin(), buffer->payload().end());
        }
        return bytes;
    }
    void fill(std::byte mark) {
        for (Buffer* buffer = request.buffers.front(); buffer; buffer = BufferList::next(*buffer)) {
            std::ranges::fill(buffer->payload(), mark);
        }
    }
};

class DiskWorld {
  public:
    // `layout`: see MemoryBackend. `shown_size`: what the disk shows of the file; 0: all.
    explicit DiskWorld(const testing::MemoryBackend::Options& options,
                       std::vector<io::Extent> layout = {}, uint64_t shown_size = 0,
                       uint64_t cache_size = 0)
        : DiskWorld(std::make_unique<testing::MemoryBackend>(options), std::move(layout),
                    shown_size == 0 ? options.size : shown_size, cache_size) {}

    void tick() { loop.tick(); }
    void settle() {
        while (!is_idle()) loop.tick();
    }
    bool is_idle() const { return loop.in_flight_count() == 1; }  // The mailbox listens for ever.

    std::unique_ptr<TestRequest> make(DiskCommand command, uint64_t offset, uint64_t size) {
        auto made = std::make_unique<TestRequest>();
        made->request.command = command;
        made->request.offset = offset;
        made->request.size = size;
        made->request.lane = &lane;
        made->request.flow = &flow;
        made->request.extents_max = 8;
        made->request.done = io::bind<&TestRequest::finished>(made.get());
        if (!disk.reserve(made->request)) ADD_FAILURE() << "no memory for the request";
        return made;
    }

    std::unique_ptr<TestRequest> write(uint64_t offset, uint64_t size, std::byte mark,
                                       bool is_durable = false) {
        auto made = make(DiskCommand::write, offset, size);
        made->request.is_durable = is_durable;
        made->fill(mark);
        disk.submit(made->request);
        return made;
    }

    std::unique_ptr<TestRequest> start(DiskCommand command, uint64_t offset, uint64_t size) {
        auto made = make(command, offset, size);
        disk.submit(made->request);
        return made;
    }

    void release(TestRequest& request) { disk.release(request.request); }

    // The first count of operations of this kind that wait in the backend.
    size_t pending_index(io::OperationKind kind) const {
        for (size_t index = 0; index < backend.pending_count(); ++index) {
            if (backend.pending(index).kind == kind) return index;
        }
        ADD_FAILURE() << "no such operation is pending";
        return 0;
    }

    testing::MemoryBackend& backend;
    io::Loop loop;
    BufferPool pool{{.arena_size = 16u << 20, .buffers_max = 256}};
    io::Mailbox mailbox{loop};
    DiskScheduler scheduler{loop, 32};
    DiskLane lane{.loop = loop, .mailbox = mailbox, .scheduler = scheduler, .buffers = pool};
    Flow flow;
    Disk disk;

    ~DiskWorld() {
        mailbox.close({.function = [](void*, Result<Ok>) {}});
        while (loop.in_flight_count() > 0) loop.tick();
    }

  private:
    DiskWorld(std::unique_ptr<testing::MemoryBackend> owned, std::vector<io::Extent> layout,
              uint64_t shown_size, uint64_t cache_size)
        : backend(*owned),
          loop(std::move(owned)),
          disk({.file = with_layout(std::move(layout)),
                .size = shown_size,
                .requests_max = 64,
                .cache_size = cache_size}) {}

    io::DataFile with_layout(std::vector<io::Extent> layout) {
        backend.layout = std::move(layout);
        return backend.file();
    }
};

}  // namespace blockd::storage
