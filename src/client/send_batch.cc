#include "client/send_batch.h"

#include <algorithm>

namespace blockd::client {

bool SendBatch::has_room() const {
    // One request needs two vectors at most.
    return headers_count_ < requests_max && vectors_count_ + 2 <= vectors_.size() &&
           size_ < size_enough;
}

void SendBatch::add(Transfer& transfer) {
    ASSERT(has_room());
    const nbd::PendingReply& request = transfer.reply_;
    add_header({.magic = nbd::request_magic,
                .flags = request.flags,
                .command = uint16_t(request.command),
                .cookie = request.cookie,
                .offset = request.offset,
                .size = request.size});
    if (!transfer.payload_.empty()) add_payload(transfer.payload_);
    entries_[entries_count_++] = {&transfer, size_};
}

void SendBatch::add_disconnect() {
    ASSERT(has_room());
    add_header({.magic = nbd::request_magic, .command = uint16_t(nbd::Command::disconnect)});
}

void SendBatch::add_header(const nbd::RequestHeader& header) {
    nbd::RequestHeader* const place = &headers_[headers_count_];
    headers_[headers_count_++] = header;
    size_ += sizeof(header);
    if (vectors_count_ > vectors_head_) {
        io::IoVector& last = vectors_[vectors_count_ - 1];
        const bool is_beside =
            static_cast<std::byte*>(last.base) + last.size == reinterpret_cast<std::byte*>(place);
        if (is_beside) {
            last.size += sizeof(header);
            return;
        }
    }
    vectors_[vectors_count_++] = {place, sizeof(header)};
}

// The kernel only reads it; its vectors are shared with receiving, and so not const.
void SendBatch::add_payload(std::span<const std::byte> payload) {
    vectors_[vectors_count_++] = {const_cast<std::byte*>(payload.data()), payload.size()};
    size_ += payload.size();
}

std::span<const io::IoVector> SendBatch::vectors() const {
    return std::span(vectors_).subspan(vectors_head_, vectors_count_ - vectors_head_);
}

void SendBatch::consume(size_t size) {
    sent_size_ += size;
    ASSERT(sent_size_ <= size_);
    while (size > 0) {
        io::IoVector& vector = vectors_[vectors_head_];
        const size_t consumed_size = std::min(size, vector.size);
        vector.base = static_cast<std::byte*>(vector.base) + consumed_size;
        vector.size -= consumed_size;
        size -= consumed_size;
        if (vector.size == 0) ++vectors_head_;
    }
}

Transfer* SendBatch::pop_sent() {
    if (entries_head_ == entries_count_ || entries_[entries_head_].end > sent_size_) return nullptr;
    return entries_[entries_head_++].transfer;
}

void SendBatch::clear() {
    headers_count_ = 0;
    entries_count_ = 0;
    entries_head_ = 0;
    vectors_count_ = 0;
    vectors_head_ = 0;
    size_ = 0;
    sent_size_ = 0;
}

}  // namespace blockd::client
