#include "server/reply_queue.h"

#include <blockd/assert.h>

namespace blockd::server {

namespace {

// Collects pieces of memory, without the bytes that were sent before.
class Gather {
  public:
    Gather(std::span<io::IoVector> vectors, uint64_t skipped)
        : vectors_(vectors), skipped_(skipped) {}

    bool is_full() const { return count_ == vectors_.size(); }
    size_t count() const { return count_; }

    void add(std::span<std::byte> piece) {
        if (piece.size() <= skipped_) {
            skipped_ -= piece.size();
            return;
        }
        if (is_full()) return;
        vectors_[count_++] = {.base = piece.data() + skipped_, .size = piece.size() - skipped_};
        skipped_ = 0;
    }

  private:
    std::span<io::IoVector> vectors_;
    size_t count_ = 0;
    uint64_t skipped_;
};

void add_reply(Gather& gather, RequestSlot& slot) {
    gather.add(std::span(slot.head.bytes).first(slot.head.size));
    if (!slot.has_data) return;
    for (storage::Buffer* buffer = slot.disk.buffers.front(); buffer && !gather.is_full();
         buffer = storage::BufferList::next(*buffer)) {
        gather.add(std::span(buffer->head).first(buffer->head_size));
        gather.add(buffer->payload());
    }
}

}  // namespace

void ReplyQueue::push(RequestSlot& slot, uint64_t now_ns) {
    slot.reply_since_ns = now_ns;
    slot.reply_size = slot.head.size;
    if (slot.has_data) {
        for (storage::Buffer* buffer = slot.disk.buffers.front(); buffer;
             buffer = storage::BufferList::next(*buffer)) {
            slot.reply_size += buffer->head_size + buffer->payload_size;
        }
    }
    ASSERT(slot.reply_size > 0);
    replies_.push_back(slot);
}

uint64_t ReplyQueue::front_since_ns() const {
    ASSERT(!replies_.is_empty());
    return replies_.front()->reply_since_ns;
}

size_t ReplyQueue::fill(std::span<io::IoVector> vectors) const {
    Gather gather(vectors, front_sent_size_);
    for (RequestSlot* slot = replies_.front(); slot && !gather.is_full();
         slot = RequestList::next(*slot)) {
        add_reply(gather, *slot);
    }
    return gather.count();
}

void ReplyQueue::consume(uint64_t size, RequestList& sent) {
    front_sent_size_ += size;
    while (RequestSlot* const slot = replies_.front()) {
        if (slot->reply_size > front_sent_size_) return;
        front_sent_size_ -= slot->reply_size;
        replies_.remove(*slot);
        sent.push_back(*slot);
    }
    ASSERT(front_sent_size_ == 0);
}

void ReplyQueue::clear(RequestList& dropped) {
    dropped.append(replies_);
    front_sent_size_ = 0;
}

}  // namespace blockd::server
