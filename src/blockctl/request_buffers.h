// The buffers of all requests of one command, allocated once and reused. Who makes them asks first
// whether the system had that much memory.
#pragma once

#include <blockd/assert.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

namespace blockd::blockctl {

class RequestBuffers {
  public:
    RequestBuffers(uint32_t count, uint32_t size) : count_(count), size_(size) {
        const size_t total = size_t(count) * size;
        const size_t rounded = (total + alignment - 1) / alignment * alignment;
        memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
    }

    bool is_allocated() const { return memory_ != nullptr; }

    std::span<std::byte> at(uint32_t index) const {
        ASSERT(is_allocated() && index < count_);
        return {memory_.get() + size_t(index) * size_, size_};
    }

    // All of them, one behind the other.
    std::span<std::byte> whole() const { return {memory_.get(), size_t(count_) * size_}; }

  private:
    static constexpr size_t alignment = 16'384;  // Apple silicon's page.

    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };

    uint32_t count_;
    uint32_t size_;
    std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace blockd::blockctl
