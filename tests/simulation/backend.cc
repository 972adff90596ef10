#include "simulation/backend.h"

#include <blockd/assert.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "simulation/server_memory.h"

namespace blockd::simulation {
namespace {

using io::OperationKind;

// A server that turns so often without anything to do is in an endless loop.
constexpr uint32_t idle_polls_max = 100'000;

bool is_socket_operation(OperationKind kind) {
    return kind == OperationKind::accept || kind == OperationKind::recv ||
           kind == OperationKind::send;
}

bool changes_disk(OperationKind kind) {
    return kind == OperationKind::write || kind == OperationKind::punch_hole ||
           kind == OperationKind::zero_range;
}

}  // namespace

SimulatedBackend::SimulatedBackend(const World& world, uint64_t seed)
    : world_(world), surroundings_(world.surroundings), random_(seed, 4) {}

void SimulatedBackend::submit(io::CompletionList& submitted, io::CompletionList& completed) {
    const OutsideOfServer outside;
    while (io::Completion* const completion = submitted.pop_front()) begin(*completion);
    completed.append(done_);
}

void SimulatedBackend::begin(io::Completion& completion) {
    const OperationKind kind = completion.operation.kind;
    if (kind == OperationKind::close) {
        world_.network.close(completion.operation.fd);
        return complete(completion, 0);
    }
    uint32_t index = 0;
    if (unused_.empty()) {
        index = uint32_t(operations_.size());
        operations_.emplace_back();
    } else {
        index = unused_.back();
        unused_.pop_back();
    }
    const uint64_t serial = ++surroundings_.operation_serial;
    operations_[index] = {.completion = &completion, .serial = serial};
    if (!is_socket_operation(kind)) return begin_disk_operation(index);
    surroundings_.events.schedule(surroundings_.now_ns + latency_ns(kind),
                                  EventKind::operation_begins, index, serial);
}

SlowClass SimulatedBackend::slow_class_of(OperationKind kind) const {
    switch (kind) {
        case OperationKind::read: return SlowClass::reads;
        case OperationKind::write: return SlowClass::writes;
        case OperationKind::sync: return SlowClass::syncs;
        case OperationKind::recv: return SlowClass::receiving;
        case OperationKind::send: return SlowClass::sending;
        case OperationKind::accept: return SlowClass::none;
        default: return SlowClass::holes;
    }
}

uint64_t SimulatedBackend::latency_ns(OperationKind kind) {
    const Swarm& swarm = surroundings_.swarm;
    const SlowClass slow_class = slow_class_of(kind);
    uint64_t base = 1'000;
    if (slow_class == SlowClass::reads) base = swarm.read_ns;
    if (slow_class == SlowClass::writes || slow_class == SlowClass::holes) base = swarm.write_ns;
    if (slow_class == SlowClass::syncs) base = swarm.sync_ns;
    const bool is_slow = slow_class != SlowClass::none && uint64_t(slow_class) == swarm.slow_class;
    if (is_slow && !surroundings_.is_healed) base *= 30;
    // One in eight takes up to eight times as long.
    const uint64_t factor = random_.below(8) == 0 ? 8 : 1;
    return 1 + random_.below(base * factor);
}

void SimulatedBackend::begin_disk_operation(uint32_t index) {
    Operation& operation = operations_[index];
    const io::Operation& wanted = operation.completion->operation;
    ++surroundings_.figures.disk_operations;
    ++disk_operations_count_;
    if (wanted.kind == OperationKind::sync) {
        ++syncs_count_;
        operation.sync_began = world_.disk.begin_sync();
    }
    check_bounds();
    uint64_t latency = latency_ns(wanted.kind);
    if (!surroundings_.is_healed) decide_fate(operation, latency);
    const uint64_t begins = surroundings_.now_ns;
    if (changes_disk(wanted.kind) && wanted.size > Disk::sector_size && random_.coin()) {
        surroundings_.events.schedule(begins + random_.below(latency),
                                      EventKind::operation_half_done, index, operation.serial);
    }
    surroundings_.events.schedule(begins + latency, EventKind::operation_ends, index,
                                  operation.serial);
}

void SimulatedBackend::fail(Operation& operation, Fate fate, int64_t error, uint64_t& count) {
    if (operation.fate != Fate::whole) return;
    operation.fate = fate;
    operation.error = error;
    ++count;
    const io::Operation& wanted = operation.completion->operation;
    if (wanted.kind == OperationKind::sync) {
        ++surroundings_.sync_faults;
        return;
    }
    FaultKind kind = FaultKind::change;
    if (wanted.kind == OperationKind::read) kind = FaultKind::read;
    if (error == -ENOSPC) kind = FaultKind::no_space;
    surroundings_.faults.add(kind, wanted.offset, wanted.size, surroundings_.history.now());
}

void SimulatedBackend::decide_fate(Operation& operation, uint64_t& latency) {
    const Swarm& swarm = surroundings_.swarm;
    Figures& figures = surroundings_.figures;
    const io::Operation& wanted = operation.completion->operation;
    const auto chance = [&](uint64_t count) { return random_.chance(count, 10'000); };
    if (chance(swarm.stall_chance)) {
        latency += random_.between(1, stall_ns);
        ++figures.stalls;
    }
    const bool is_transfer =
        wanted.kind == OperationKind::read || wanted.kind == OperationKind::write;
    if (is_transfer && wanted.size > Disk::sector_size && chance(swarm.short_transfer_chance)) {
        fail(operation, Fate::cut_short, 0, figures.short_transfers);
    }
    if (wanted.kind == OperationKind::read) {
        if (chance(swarm.bad_sector_chance)) {
            const uint64_t sectors = wanted.size / Disk::sector_size;
            world_.disk.make_bad(wanted.offset + random_.below(sectors) * Disk::sector_size,
                                 Disk::sector_size);
        }
        if (chance(swarm.read_error_chance)) {
            fail(operation, Fate::error_before, -EIO, figures.read_errors);
        }
    }
    if (wanted.kind == OperationKind::sync && chance(swarm.sync_error_chance)) {
        fail(operation, Fate::error_before, random_.coin() ? -EIO : -ENOSPC, figures.sync_errors);
    }
    if (!changes_disk(wanted.kind)) return;
    if (chance(swarm.write_error_chance)) {
        const Fate fates[] = {Fate::error_before, Fate::error_in_part, Fate::error_after};
        fail(operation, fates[random_.below(3)], -EIO, figures.write_errors);
    }
    if (chance(swarm.no_space_chance)) {
        fail(operation, random_.coin() ? Fate::error_before : Fate::error_in_part, -ENOSPC,
             figures.no_space_errors);
    }
    if (wanted.kind != OperationKind::write && chance(swarm.unsupported_hole_chance)) {
        // No excuse for anything: there are other ways to make zeros.
        if (operation.fate == Fate::whole) operation.fate = Fate::error_before;
        if (operation.error == 0) operation.error = -EOPNOTSUPP;
    }
}

void SimulatedBackend::check_bounds() {
    if (syncs_count_ > 1) surroundings_.complain("two syncs of a file run at a time");
    // Syncs come on top of what the scheduler counts.
    if (disk_operations_count_ > surroundings_.swarm.disk_depth + syncs_count_) {
        surroundings_.complain("more disk operations at a time than the disk's depth");
    }
    // Those that are being turned away, or have to make room, do not count.
    if (world_.network.serving_count() > surroundings_.swarm.connections) {
        surroundings_.complain("more connections than the limit");
    }
}

// A change of the disk takes effect from the front on.
void SimulatedBackend::apply(Operation& operation, uint64_t end) {
    const io::Operation& wanted = operation.completion->operation;
    end = std::min(end, wanted.size) / Disk::sector_size * Disk::sector_size;
    if (end <= operation.applied_size) return;
    const uint64_t offset = wanted.offset + operation.applied_size;
    const uint64_t size = end - operation.applied_size;
    switch (wanted.kind) {
        case OperationKind::write:
            world_.disk.write(offset, {wanted.data + operation.applied_size, size});
            break;
        case OperationKind::punch_hole: world_.disk.punch(offset, size); break;
        case OperationKind::zero_range: world_.disk.write_zeros(offset, size); break;
        default: ASSERT(false);
    }
    operation.applied_size = end;
}

int64_t SimulatedBackend::finish_sync(Operation& operation) {
    --syncs_count_;
    if (operation.fate == Fate::whole) {
        world_.disk.end_sync(operation.sync_began);
        return 0;
    }
    surroundings_.has_sync_failed = true;
    std::vector<std::pair<uint64_t, uint64_t>> changed;
    world_.disk.drop_volatile(changed);
    for (const auto& [offset, size] : changed) {
        // A cell may begin or end in the sector before or behind it.
        const uint64_t margin = surroundings_.swarm.cell_size;
        const uint64_t begin = offset - std::min(offset, margin);
        const uint64_t end = std::min(offset + size + margin, world_.disk.size());
        const std::string found = surroundings_.history.judge_reverted(
            begin, world_.disk.bytes().subspan(begin, end - begin));
        if (!found.empty()) surroundings_.complain(found);
    }
    surroundings_.sync_failed_at = surroundings_.history.next_moment();
    return operation.error;
}

int64_t SimulatedBackend::finish_disk_operation(Operation& operation) {
    const io::Operation& wanted = operation.completion->operation;
    if (wanted.kind == OperationKind::sync) return finish_sync(operation);
    uint64_t end = wanted.size;
    if (operation.fate == Fate::error_before) end = 0;
    if (operation.fate == Fate::error_in_part || operation.fate == Fate::cut_short) {
        end = random_.below(wanted.size);
    }
    if (changes_disk(wanted.kind)) {
        if (operation.fate == Fate::cut_short) {
            end = std::max(operation.applied_size, end / Disk::sector_size * Disk::sector_size);
        }
        apply(operation, end);
        if (operation.error != 0) return operation.error;
        return wanted.kind == OperationKind::write ? int64_t(end) : 0;
    }
    if (operation.error != 0) return operation.error;
    if (wanted.kind == OperationKind::extents) {
        return world_.disk.find_extents(wanted.offset, wanted.size,
                                        {wanted.extents, wanted.extents_max});
    }
    ASSERT(wanted.kind == OperationKind::read);
    if (world_.disk.is_bad(wanted.offset, wanted.size)) {
        surroundings_.faults.add(FaultKind::read, wanted.offset, wanted.size,
                                 surroundings_.history.now());
        ++surroundings_.figures.read_errors;
        return -EIO;
    }
    const uint64_t size = world_.disk.read(wanted.offset, {wanted.data, end});
    if (size < end) {  // It was truncated.
        surroundings_.faults.add(FaultKind::read, wanted.offset, wanted.size,
                                 surroundings_.history.now());
    }
    return int64_t(size);
}

void SimulatedBackend::end_operation(uint32_t index) {
    Operation operation = std::exchange(operations_[index], {});
    unused_.push_back(index);
    --disk_operations_count_;
    complete(*operation.completion, finish_disk_operation(operation));
}

int64_t SimulatedBackend::attempt_socket(io::Completion& completion) {
    const io::Operation& wanted = completion.operation;
    switch (wanted.kind) {
        case OperationKind::accept: return world_.network.accept();
        case OperationKind::recv: return world_.network.receive(wanted.fd, wanted.vectors);
        case OperationKind::send: return world_.network.send(wanted.fd, wanted.vectors);
        default: ASSERT(false);
    }
    return 0;
}

void SimulatedBackend::wait(io::Completion& completion) {
    if (completion.operation.kind == OperationKind::accept) {
        return world_.network.wait_to_accept(completion);
    }
    Connection& connection = *world_.network.connection_of(completion.operation.fd);
    const bool is_reader = completion.operation.kind == OperationKind::recv;
    (is_reader ? connection.reader : connection.writer) = &completion;
}

void SimulatedBackend::attempt(io::Completion& completion) {
    const int64_t result = attempt_socket(completion);
    if (result == -EAGAIN) return wait(completion);
    complete(completion, result);
}

void SimulatedBackend::retry_woken() {
    std::vector<io::Completion*>& woken = world_.network.woken();
    while (!woken.empty()) {
        io::Completion& completion = *woken.back();
        woken.pop_back();
        attempt(completion);
    }
}

void SimulatedBackend::complete(io::Completion& completion, int64_t result) {
    completion.result = result;
    surroundings_.trace(surroundings_.now_ns);
    surroundings_.trace(uint64_t(completion.operation.kind) << 56 ^ uint64_t(result) << 8 ^
                        uint64_t(completion.operation.fd));
    surroundings_.trace(completion.operation.offset ^ completion.operation.size << 40);
    done_.push_back(completion);
}

void SimulatedBackend::happen(const Event& event) {
    const bool is_own = event.kind == EventKind::operation_begins ||
                        event.kind == EventKind::operation_half_done ||
                        event.kind == EventKind::operation_ends;
    if (!is_own) return world_.happen(world_.context, event);
    // An operation that was cancelled, or of a server that is gone, has another serial number.
    if (event.index >= operations_.size()) return;
    Operation& operation = operations_[event.index];
    if (operation.serial != event.value) return;
    switch (event.kind) {
        case EventKind::operation_half_done:
            if (operation.fate == Fate::error_before) return;
            return apply(operation, random_.below(operation.completion->operation.size));
        case EventKind::operation_ends: return end_operation(event.index);
        default: break;
    }
    io::Completion& completion = *operation.completion;
    operation = {};
    unused_.push_back(event.index);
    attempt(completion);
}

// Takes events until the server has something to do, or its time to wait is over.
void SimulatedBackend::poll(io::CompletionList& completed, uint64_t wait_ns) {
    const OutsideOfServer outside;
    ++surroundings_.figures.turns;
    const uint64_t begun_ns = surroundings_.now_ns;
    surroundings_.now_ns += surroundings_.swarm.turn_ns;
    const uint64_t until_ns = surroundings_.now_ns + wait_ns;
    EventQueue& events = surroundings_.events;
    uint64_t batch_end_ns = until_ns;
    while (!events.is_empty() && events.next_time_ns() <= std::min(until_ns, batch_end_ns)) {
        const Event event = events.take();
        surroundings_.now_ns = std::max(surroundings_.now_ns, event.time_ns);
        happen(event);
        retry_woken();
        if (!done_.is_empty() && batch_end_ns == until_ns) {
            batch_end_ns = std::min(until_ns, surroundings_.now_ns + surroundings_.swarm.batch_ns);
        }
        if (surroundings_.is_broken()) break;
    }
    if (done_.is_empty() && !surroundings_.is_broken()) {
        surroundings_.now_ns = std::max(surroundings_.now_ns, until_ns);
    }
    const bool is_idle = done_.is_empty() && surroundings_.now_ns == begun_ns;
    idle_polls_ = is_idle ? idle_polls_ + 1 : 0;
    if (idle_polls_ > idle_polls_max) surroundings_.complain("the server turns without an end");
    completed.append(done_);
}

void SimulatedBackend::cancel(io::Completion& completion, io::CompletionList& completed) {
    const OutsideOfServer outside;
    if (!is_socket_operation(completion.operation.kind)) return;    // Too late, for a disk.
    if (completion.link.is_linked) return completed.append(done_);  // It has ended already.
    world_.network.stop_waiting(completion);
    for (uint32_t index = 0; index < operations_.size(); ++index) {
        if (operations_[index].completion != &completion) continue;
        operations_[index] = {};
        unused_.push_back(index);
    }
    complete(completion, -ECANCELED);
    completed.append(done_);
}

void SimulatedBackend::abandon() {
    while (done_.pop_front() != nullptr) {
    }
    for (Operation& operation : operations_) {
        if (operation.completion == nullptr) continue;
        const io::Operation& wanted = operation.completion->operation;
        const bool may_go_on = operation.fate == Fate::whole && changes_disk(wanted.kind);
        if (may_go_on && random_.coin()) apply(operation, random_.between(0, wanted.size));
    }
    std::vector<Operation>().swap(operations_);  // Nobody will destroy it.
    std::vector<uint32_t>().swap(unused_);
}

Result<io::Fd> SimulatedBackend::open_socket(io::AddressFamily) {
    return Error{.code = ErrorCode::not_supported};
}

Result<io::Fd> SimulatedBackend::listen(const io::ListenOptions&) {
    const OutsideOfServer outside;
    world_.network.start_listening();
    return world_.network.listener();
}

void SimulatedBackend::shutdown(io::Fd socket, io::ShutdownKind kind) {
    const OutsideOfServer outside;
    world_.network.shut_down(socket, kind);
    retry_woken();
}

Result<io::Address> SimulatedBackend::local_address(io::Fd) { return io::Address(); }

Result<io::Address> SimulatedBackend::peer_address(io::Fd) { return io::Address(); }

}  // namespace blockd::simulation
