// A blocking NBD client that can say anything, right or wrong, and sees every byte of the answer.
//
// Each call has a deadline. What goes against the protocol's framing, ends early or takes too long
// is a failure of the running test; after the first one the client is broken, and every further
// call returns at once and empty, so that a test may go on without checking each step.
// Used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/wire_format.h"

namespace blockd::support {

// Where a server listens: a unix path, or, when that is empty, a port of the loopback interface.
struct Endpoint {
    std::string unix_path;
    uint16_t port = 0;
    bool is_ipv6 = false;
};

// The reply to an option: one of several, when its type is not an ACK or an error.
struct OptionAnswer {
    uint32_t option = 0;
    uint32_t type = 0;
    std::string data;

    bool is_error() const { return (type & wire::rep_error_bit) != 0; }
};

struct Chunk {
    uint16_t flags = 0;
    uint16_t type = 0;
    uint64_t cookie = 0;
    std::string payload;

    bool is_done() const { return (flags & wire::chunk_done) != 0; }
    bool is_error() const { return (type & 0x8000) != 0; }
};

// A whole reply to one request.
struct Answer {
    bool is_complete = false;  // Everything of it arrived.
    bool is_structured = false;
    uint32_t error = 0;
    uint64_t cookie = 0;
    std::string data;  // Of a READ: simple, or put together from the chunks.
    std::string text;  // Of a structured error.
    std::vector<Chunk> chunks;

    bool is_ok() const { return is_complete && error == 0; }
};

// What INFO and GO tell.
struct ExportFacts {
    bool is_granted = false;  // Ended with an ACK.
    uint32_t error = 0;       // The reply type otherwise.
    std::string error_text;
    uint64_t size = 0;
    uint16_t flags = 0;
    bool has_export = false;
    bool has_name = false;
    std::string name;
    bool has_description = false;
    std::string description;
    bool has_block_size = false;
    uint32_t block_size_minimum = 0;
    uint32_t block_size_preferred = 0;
    uint32_t block_size_maximum = 0;
    std::vector<uint16_t> other_types;

    bool operator==(const ExportFacts&) const = default;
};

struct BlockExtent {
    uint32_t size = 0;
    uint32_t flags = 0;
};

class WireClient {
  public:
    static constexpr int32_t timeout_ms_default = 30'000;

    WireClient() = default;  // Not connected.
    explicit WireClient(const Endpoint& endpoint);
    WireClient(WireClient&& other) noexcept;
    WireClient& operator=(WireClient&& other) noexcept;
    ~WireClient();

    // A client that is broken, and no failure of the test, where no server accepts.
    static WireClient try_connect(const Endpoint& endpoint);

    // Whether a server accepts there right now.
    static bool can_connect(const Endpoint& endpoint);

    bool is_broken() const { return is_broken_; }
    void set_timeout_ms(int32_t timeout_ms) { timeout_ms_ = timeout_ms; }

    // Bytes.
    void send(std::string_view bytes);
    bool try_send(std::string_view bytes);  // False when the server closed; not a failure.
    std::string receive(size_t size);
    bool try_receive(size_t size, std::string* bytes);  // The same, and no failure.
    // Why try_receive() was false: an errno, ETIMEDOUT after the deadline, 0 at the stream's end.
    int stream_error() const { return stream_error_; }
    bool has_input();                        // Bytes or the end of the stream are there to be read.
    bool ends(std::string* rest = nullptr);  // The server closes within the deadline, without a
                                             // byte more, or after `rest`.
    void shut_down_sending();
    void close();

    // Handshake.
    uint16_t receive_greeting();
    void greet(uint32_t client_flags = 3);  // Takes the greeting, sends the flags.
    void send_option(uint32_t option, std::string_view data = {});
    OptionAnswer receive_option_answer();
    // Up to the ACK or error that ends them. They must all answer `option`.
    std::vector<OptionAnswer> receive_option_answers(uint32_t option);
    std::vector<OptionAnswer> ask(uint32_t option, std::string_view data = {});
    uint32_t ask_type(uint32_t option, std::string_view data = {});  // Of the last answer.
    ExportFacts ask_info(uint32_t option, std::string_view name,
                         std::initializer_list<uint16_t> types = {});
    ExportFacts go(std::string_view name, std::initializer_list<uint16_t> types = {});
    bool use_structured_replies();
    // Selects base:allocation. Its context id, or 0 with a failure of the test.
    uint32_t select_base_allocation(std::string_view name);
    // Greets and enters the transmission phase of an export.
    ExportFacts attach(std::string_view name);
    ExportFacts attach_structured(std::string_view name);  // With base:allocation.

    // Transmission. Cookies count up from 1.
    uint64_t send_request(const RequestFields& request, std::string_view payload = {});
    Answer receive_answer(const RequestFields& request = {});
    Chunk receive_chunk();
    Answer request(const RequestFields& request, std::string_view payload = {});

    Answer read(uint64_t offset, uint32_t size, uint16_t flags = 0);
    Answer write(uint64_t offset, std::string_view data, uint16_t flags = 0);
    Answer flush();
    Answer trim(uint64_t offset, uint32_t size, uint16_t flags = 0);
    Answer write_zeroes(uint64_t offset, uint32_t size, uint16_t flags = 0);
    Answer block_status(uint64_t offset, uint32_t size, uint16_t flags = 0);

    uint32_t context_id() const { return context_id_; }

  private:
    void fail(const std::string& reason);
    void receive_structured_rest(Answer& answer, const RequestFields& request);
    void add_read_chunk(Answer& answer, const Chunk& chunk, const RequestFields& request,
                        uint64_t& covered);

    int socket_ = -1;
    bool is_broken_ = true;
    int stream_error_ = 0;
    int32_t timeout_ms_ = timeout_ms_default;
    uint64_t cookie_last_ = 0;
    uint32_t context_id_ = 0;
};

// The extents of a BLOCK_STATUS answer; a failure of the test when it has not the shape of one.
std::vector<BlockExtent> extents_of(const Answer& answer, uint32_t context_id);

}  // namespace blockd::support
