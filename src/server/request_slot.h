// One request in the server: from the moment its header is read until its reply is sent.
#pragma once

#include <blockd/intrusive_list.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nbd/reply.h"
#include "nbd/request.h"
#include "storage/disk_request.h"

namespace blockd::server {

class Connection;

struct RequestSlot {
    Connection* connection = nullptr;
    nbd::Request request;
    storage::DiskRequest disk;
    uint64_t footprint = 0;   // Bytes of request memory that it holds.
    nbd::ReplyHead head;      // Goes out first; then, per buffer, the buffer's head and payload.
    bool has_data = false;    // The buffers are part of the reply.
    uint64_t reply_size = 0;  // Bytes, heads included.
    uint64_t reply_since_ns = 0;
    ListLink<RequestSlot> link;

    void disk_done(Result<Ok> result);
};

using RequestList = IntrusiveList<RequestSlot, &RequestSlot::link>;

}  // namespace blockd::server
