// An honest NBD client of a simulated world: it negotiates, keeps requests in flight, judges every
// answer, and comes back when it is cut off.
//
// What it says is put together by tests/support/wire_format, which shares nothing with the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/network.h"
#include "simulation/random.h"
#include "simulation/surroundings.h"
#include "support/wire_format.h"

namespace blockd::simulation {

class Client final : public Peer {
  public:
    Client(Surroundings& surroundings, Network& network, uint32_t index);

    void start();                   // Connects, a little later.
    void act(uint64_t generation);  // Its event has come.

    // The world is healed: sends this many more requests, and leaves once they are answered.
    void finish(uint64_t operations);
    bool has_finished() const { return is_finishing_ && operations_left_ == 0 && is_away(); }
    void leave();                           // Hangs up, and does not come back.
    void read_all() { reads_all_ = true; }  // Reads every byte once, and does nothing else.
    bool has_read_all() const { return read_all_offset_ == all_read; }
    bool is_away() const { return state_ == State::away; }
    std::string describe() const;

    // The server is asked to stop, or was killed: an end of the connection is no complaint.
    void server_may_end() { may_lose_replies_ = true; }

    void received(std::span<const std::byte> bytes) override;
    void server_hung_up() override;
    void was_reset() override;
    void settled(uint32_t connection, uint64_t received_size) override;

  private:
    enum class State : uint8_t { away, connecting, negotiating, serving };
    enum class Stall : uint8_t { none, reading, payload, negotiating };

    struct Request {
        bool is_outstanding = false;
        bool must_fail = false;  // The protocol forbids it.
        uint64_t cookie = 0;
        uint16_t command = 0;
        uint16_t flags = 0;
        uint64_t offset = 0;
        uint32_t size = 0;
        Moment sent = 0;
        WriteId write = 0;        // 0: none.
        uint64_t stream_end = 0;  // Bytes of the connection up to its last one.
        uint32_t error = 0;
        uint64_t covered = 0;  // Bytes of a READ or a BLOCK_STATUS that have come.
    };

    // Writes of connections that are gone, until their server is done with them.
    struct Unsettled {
        uint32_t connection;
        WriteId write;
        uint64_t stream_end;
    };

    // client.cc: connecting, deciding what to do, ends.
    void connect();
    void schedule(uint64_t after_ns);
    void misbehave();
    void cut_off_a_write(bool goes_on_silently);
    void begin_stall(Stall stall);
    void watch_stall();
    bool may_send() const {
        return state_ == State::serving && stall_ == Stall::none && !has_said_goodbye_ &&
               !has_ended_sending_;
    }
    bool may(uint64_t chance) { return random_.chance(chance, 10'000); }
    void hang_up(bool is_abrupt);
    void judge_end();
    void gone();
    void complain(const std::string& text);

    // client_negotiation.cc
    void negotiate();
    void send_options();
    void choose_options();
    bool take_greeting();
    bool take_option_reply();
    bool take_export_name_reply();
    void take_info(std::string_view data);
    void begin_serving();

    // client_requests.cc
    void issue();
    bool choose(Request& request);
    bool choose_next_of_all(Request& request);
    void choose_command(Request& request);
    void choose_cells(Request& request, uint64_t size_max);
    void choose_flags(Request& request);
    void choose_refused(Request& request);
    void send_request(Request& request);
    void answer(Request& request, uint32_t error);
    void judge_error(const Request& request, uint32_t error);

    // client_replies.cc
    void take_replies();
    bool take_simple_reply();
    bool take_chunk();
    void take_read_chunk(Request& request, uint16_t type, std::string_view payload);
    void take_status_chunk(Request& request, std::string_view payload);
    Request* request_of(uint64_t cookie);
    std::string_view unread() const;

    Surroundings& surroundings_;
    Network& network_;
    const uint32_t index_;
    Random random_;
    State state_ = State::away;
    uint32_t connection_ = 0;
    uint64_t sent_size_ = 0;  // On this connection.
    std::string input_;
    size_t input_begin_ = 0;

    struct OptionSent {
        uint32_t option;
        std::string data;
    };
    std::vector<OptionSent> options_;
    size_t options_sent_ = 0;
    size_t options_answered_ = 0;
    bool has_greeting_ = false;
    bool wants_zeroes_ = false;
    bool is_structured_ = false;
    uint32_t context_id_ = 0;
    uint64_t export_size_ = 0;
    uint16_t export_flags_ = 0;

    std::vector<Request> requests_;
    uint32_t outstanding_count_ = 0;
    uint64_t cookie_serial_ = 0;
    std::vector<std::byte> payload_;
    std::vector<Unsettled> unsettled_;

    uint64_t sync_faults_before_ = 0;  // When the server of this connection was started.
    bool is_finishing_ = false;
    uint64_t operations_left_ = 0;   // To be answered, of those that finish() asked for.
    bool has_said_goodbye_ = false;  // NBD_CMD_DISC.
    bool has_ended_sending_ = false;
    bool may_lose_replies_ = false;
    Stall stall_ = Stall::none;
    bool is_stall_watched_ = false;  // The server has to end it now.
    bool is_leaving_ = false;
    bool reads_all_ = false;
    static constexpr uint64_t all_read = UINT64_MAX;
    uint64_t read_all_offset_ = 0;
    uint64_t act_generation_ = 0;
    bool is_act_scheduled_ = false;
};

}  // namespace blockd::simulation
