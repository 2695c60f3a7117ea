#include "lb/event/uring_engine.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "lb/event/uring_entry.h"
#include "lb/util/assert.h"

namespace lb::event {
namespace {

const char* explain(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return "denied by a seccomp filter or by the sysctl kernel.io_uring_disabled";
    case ENOSYS:
      return "this kernel, or a seccomp filter, has no io_uring";
    case EINVAL:
      return "this kernel is older than Linux 6.1";
    case ENOMEM:
      return "not enough memory that may be locked, see ulimit -l";
    default:
      return "unexpected";
  }
}

absl::Status denied(const char* what, int error) {
  return absl::UnavailableError(
      fmt::format("{}: {} ({})", what, std::strerror(error), explain(error)));
}

}  // namespace

UringEngine::UringEngine(const EngineOptions& options)
    : Engine(options, util::mono_now_ms()), ring_buffers_(buffers_), receives_(buffers_) {}

absl::StatusOr<std::unique_ptr<Engine>> UringEngine::create(const EngineOptions& options) {
  std::unique_ptr<UringEngine> engine(new UringEngine(options));
  if (absl::Status status = engine->set_up(); !status.ok()) return status;
  return std::unique_ptr<Engine>(std::move(engine));
}

absl::Status UringEngine::set_up() {
  io_uring_params params = {};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = options_.completion_entries;
  const int error = io_uring_queue_init_params(options_.submission_entries, &ring_, &params);
  if (error < 0) return denied("io_uring_setup", -error);
  ring_is_open_ = true;
  if ((params.features & IORING_FEAT_NODROP) == 0) return denied("io_uring_setup", EINVAL);
  // Without a registered descriptor every turn pays for looking the ring up.
  if (const int registered = io_uring_register_ring_fd(&ring_); registered < 0) {
    return denied("io_uring_register(ring)", -registered);
  }
  if (UringReceives::is_supported()) receives_.allow();
  if (const int set_up = ring_buffers_.set_up(ring_, options_.buffer_ring_entries); set_up < 0) {
    return denied("io_uring_register(buffer ring)", -set_up);
  }
  return absl::OkStatus();
}

UringEngine::~UringEngine() {
  LB_ASSERT(ready_.empty() && backlog_.empty() && starved_.empty() && splices_.empty());
  LB_ASSERT(cancelled_.empty());
  if (ring_is_open_) io_uring_queue_exit(&ring_);
  // The end of the ring was the end of what was armed.
  for (const int fd : receives_.closing()) Engine::close(fd, receives_.finish_closing(fd));
}

void UringEngine::accept(AcceptOp& op, int listen_fd, bool many) {
  begin(op, Op::Kind::kAccept, listen_fd);
  op.many = many;
  arm(op);
}

void UringEngine::connect(ConnectOp& op, int fd, const net::Address& address) {
  begin(op, Op::Kind::kConnect, fd);
  op.address = &address;
  arm(op);
}

void UringEngine::recv(RecvOp& op, int fd, uint32_t max_bytes) {
  begin(op, Op::Kind::kRecv, fd);
  switch (receives_.start(op, max_bytes)) {
    case UringReceives::Start::kWait:
      return;
    case UringReceives::Start::kTake:
      return hold(op, 0);
    case UringReceives::Start::kArm:
      return receive(op);
  }
}

void UringEngine::receive(RecvOp& op) {
  op.kind = Op::Kind::kRecv;
  if (starved_.empty()) return arm(op);
  op.place = Op::Place::kStarved;
  starved_.push_back(op);
}

void UringEngine::send(SendOp& op, int fd, std::span<const std::byte> bytes) {
  begin(op, Op::Kind::kSend, fd);
  op.data = bytes.data();
  op.size_bytes = static_cast<uint32_t>(bytes.size());
  op.sent_bytes = 0;
  arm(op);
}

void UringEngine::splice_in(RecvOp& op, int fd, uint32_t max_bytes) {
  begin(op, Op::Kind::kSpliceIn, fd);
  op.events = 0;
  switch (receives_.start(op, max_bytes)) {
    case UringReceives::Start::kWait:
      // What comes until it has ended is in buffers.
      return stop_receiving(fd);
    case UringReceives::Start::kTake:
      return hold(op, 0);
    case UringReceives::Start::kArm:
      return try_later(op);
  }
}

void UringEngine::splice_out(SendOp& op, int fd, Pipe& pipe) {
  begin(op, Op::Kind::kSpliceOut, fd);
  op.pipe = &pipe;
  op.size_bytes = pipe.held_bytes();
  op.sent_bytes = 0;
  try_later(op);
}

void UringEngine::poll(Op& op, int fd, uint32_t events) {
  begin(op, Op::Kind::kPoll, fd);
  op.events = static_cast<uint16_t>(events);
  arm(op);
}

void UringEngine::cancel(Op& op) {
  if (!op.in_flight() || op.cancelled) return;
  op.cancelled = true;
  if (op.place != Op::Place::kKernel) {
    op.unlink();
    return hold(op, -ECANCELED);
  }
  const bool is_receive = op.kind == Op::Kind::kRecv || op.kind == Op::Kind::kSpliceIn;
  if (is_receive && receives_.forget(static_cast<RecvOp&>(op))) {
    stop_receiving(op.fd);
    return hold(op, -ECANCELED);
  }
  request_cancel(op);
}

void UringEngine::request_cancel(Op& op) {
  io_uring_sqe* entry = free_entry();
  // Without room the operation is cancelled as soon as there is some: see run_held().
  if (entry == nullptr) return backlog_.push_back(op);
  fill_cancel(*entry, name_of(op));
  cancelled_.push_back(op);
}

void UringEngine::cancel_again(uint64_t name, int32_t result) {
  // A request that the kernel is about to try again is in none of its lists: it is not found, and
  // may go back to waiting. One that has completed is not found either.
  if (result != -ENOENT) return;
  if (UringReceives::is_name(name)) {
    if (receives_.is_stopping(name)) stop(name);
    return;
  }
  // By address only: the operation may be gone.
  for (Op* op = cancelled_.front(); op != nullptr; op = cancelled_.next(*op)) {
    if (name_of(*op) != name) continue;
    op->unlink();
    return request_cancel(*op);
  }
}

void UringEngine::close(int fd, CloseMode mode) {
  if (const auto final_mode = receives_.close(fd, mode); final_mode.has_value()) {
    return Engine::close(fd, *final_mode);
  }
  stop_receiving(fd);
  if (receives_.is_watched(fd)) stop(UringReceives::watch_name_of(fd));
}

void UringEngine::stop_receiving(int fd) {
  if (receives_.stop(fd)) stop(UringReceives::name_of(fd));
}

void UringEngine::stop(uint64_t name) {
  io_uring_sqe* entry = free_entry();
  if (entry == nullptr) return unstopped_.push_back(name);
  fill_cancel(*entry, name);
}

void UringEngine::hold(Op& op, int32_t result) {
  op.place = Op::Place::kQueue;
  op.stored_result = result;
  ready_.push_back(op);
}

io_uring_sqe* UringEngine::free_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry != nullptr) return entry;
  io_uring_submit(&ring_);
  return io_uring_get_sqe(&ring_);
}

void UringEngine::arm(Op& op) {
  if (op.kind == Op::Kind::kRecv && stay_armed(static_cast<RecvOp&>(op))) return;
  io_uring_sqe* entry = free_entry();
  if (entry == nullptr) {
    op.place = Op::Place::kQueue;
    backlog_.push_back(op);
    return;
  }
  op.place = Op::Place::kKernel;
  fill_entry(*entry, op);
}

bool UringEngine::stay_armed(RecvOp& op) {
  if (!receives_.pays(op)) return false;
  // With its watch, or not at all.
  if (io_uring_sq_space_left(&ring_) < 2) io_uring_submit(&ring_);
  if (io_uring_sq_space_left(&ring_) < 2) return false;
  if (!receives_.is_watched(op.fd)) receives_.watch(*io_uring_get_sqe(&ring_), op.fd);
  receives_.arm(*io_uring_get_sqe(&ring_), op);
  op.place = Op::Place::kKernel;
  return true;
}

void UringEngine::arm_mailbox() {
  if (mailbox_is_armed_) return;
  io_uring_sqe* entry = free_entry();
  if (entry == nullptr) return;
  io_uring_prep_poll_add(entry, mailbox_.wake_fd(), POLLIN);
  entry->user_data = kMailboxName;
  mailbox_is_armed_ = true;
}

void UringEngine::run_once(util::MonoTimeMs deadline_ms) {
  arm_mailbox();
  top_up_buffers();
  enter(deadline_ms);
  now_ms_ = util::mono_now_ms();
  begin_turn();
  if (io_uring_cq_has_overflow(&ring_)) ++counters_.completion_overflows;
  timers_.advance(now_ms_);
  reap();
  run_splices();
  run_held();
}

void UringEngine::enter(util::MonoTimeMs deadline_ms) {
  const util::MonoTimeMs until_ms = wakeup_ms(deadline_ms);
  const bool has_work =
      !ready_.empty() || !backlog_.empty() || !splices_.empty() || !unstopped_.empty();
  const util::MonoTimeMs wait_ms = has_work ? 0 : until_ms - util::mono_now_ms();
  // Deferred task work, and with it every completion, runs inside the call only: there is one each
  // turn, whatever it returns (-ETIME, -EINTR, or -EBUSY when completions must be reaped first).
  if (until_ms == util::kNever && !has_work) {
    io_uring_submit_and_wait(&ring_, 1);
  } else if (wait_ms <= 0) {
    io_uring_submit_and_get_events(&ring_);
  } else {
    __kernel_timespec timeout = {wait_ms / 1000, (wait_ms % 1000) * 1'000'000};
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  }
}

void UringEngine::reap() {
  std::array<io_uring_cqe*, 256> entries;
  std::array<Event, 256> events;
  // Only what is here now: what handlers bring about is for the next turn.
  uint32_t left = io_uring_cq_ready(&ring_);
  while (left > 0) {
    const uint32_t count = io_uring_peek_batch_cqe(
        &ring_, entries.data(), std::min(left, static_cast<uint32_t>(entries.size())));
    if (count == 0) return;
    for (uint32_t i = 0; i < count; ++i) {
      events[i] = {entries[i]->user_data, entries[i]->res, entries[i]->flags};
    }
    // Given back before the handlers run, since they may submit and so make new completions.
    io_uring_cq_advance(&ring_, count);
    for (uint32_t i = 0; i < count; ++i) handle(events[i]);
    left -= count;
  }
}

void UringEngine::handle(const Event& event) {
  if (event.user_data == kMailboxName) {
    mailbox_is_armed_ = false;
    return mailbox_.run();
  }
  if (is_cancel(event.user_data)) {
    return cancel_again(cancelled_by(event.user_data), event.result);
  }
  if (UringReceives::is_name(event.user_data)) return take_in(event);
  Op& op = *reinterpret_cast<Op*>(event.user_data);
  // Whether it was to be cancelled has no object any more.
  if (op.is_linked()) op.unlink();
  switch (op.kind) {
    case Op::Kind::kAccept:
      return end_accept(static_cast<AcceptOp&>(op), event);
    case Op::Kind::kRecv:
      return end_recv(static_cast<RecvOp&>(op), event);
    case Op::Kind::kSend:
      return end_send(static_cast<SendOp&>(op), event);
    case Op::Kind::kSpliceIn:
    case Op::Kind::kSpliceOut:
      return end_splice_wait(op, event);
    case Op::Kind::kPoll: {
      // The error that an armed receive took is not the socket's any more.
      const int32_t taken = event.result >= 0 && receives_.has_failed(op.fd) ? POLLERR : 0;
      return complete(op, {event.result | taken, false});
    }
    case Op::Kind::kConnect:
      return complete(op, {event.result, false});
    case Op::Kind::kNone:
      break;
  }
  LB_ASSERT(false);
}

void UringEngine::end_accept(AcceptOp& op, const Event& event) {
  // These concern one connection that is gone already, not the listening socket (accept(2)).
  const bool is_passing = event.result == -ECONNABORTED || event.result == -EPROTO ||
                          event.result == -EINTR || event.result == -EAGAIN;
  if (event.result < 0 && !is_passing) return complete(op, {event.result, false});
  if (event.result >= 0) {
    if (!op.many) return complete(op, {event.result, false});
    complete(op, {event.result, true});
  }
  // The kernel ends a multishot for reasons of its own (io_uring_prep_multishot_accept(3)).
  if ((event.flags & IORING_CQE_F_MORE) != 0) return;
  if (op.cancelled) return complete(op, {-ECANCELED, false});
  arm(op);
}

void UringEngine::end_recv(RecvOp& op, const Event& event) {
  op.lease = ring_buffers_.take_out(event.result, event.flags);
  if (event.result == -ENOBUFS && !op.cancelled) return starve(op);
  receives_.note_plain(op, event.result);
  complete(op, {event.result == -ENOBUFS ? -ECANCELED : event.result, false});
}

void UringEngine::take_in(const Event& event) {
  using Next = UringReceives::Next;
  const int fd = UringReceives::fd_of(event.user_data);
  const bool is_armed_still = (event.flags & IORING_CQE_F_MORE) != 0;
  const auto [next, op] =
      UringReceives::is_watch_name(event.user_data)
          ? receives_.end_watch(fd)
          : receives_.take_in(fd, event.result, is_armed_still,
                              ring_buffers_.take_out(event.result, event.flags));
  switch (next) {
    case Next::kNothing:
      return;
    case Next::kComplete:
      return complete(*op, {event.result, false});
    case Next::kArm:
      return arm(*op);
    case Next::kStarve:
      return starve(*op);
    case Next::kStop:
      return hung_up_.push_back(fd);
    case Next::kClose:
      return Engine::close(fd, receives_.finish_closing(fd));
  }
}

void UringEngine::starve(RecvOp& op) {
  ++counters_.buffer_waits;
  op.place = Op::Place::kStarved;
  starved_.push_back(op);
}

void UringEngine::end_send(SendOp& op, const Event& event) {
  if (event.result < 0) return complete(op, {event.result, false});
  op.sent_bytes += static_cast<uint32_t>(event.result);
  if (op.sent_bytes == op.size_bytes) {
    return complete(op, {static_cast<int32_t>(op.size_bytes), false});
  }
  if (op.cancelled) return complete(op, {-ECANCELED, false});
  arm(op);
}

void UringEngine::end_splice_wait(Op& op, const Event& event) {
  if (op.cancelled) return complete(op, {-ECANCELED, false});
  if (event.result < 0) return complete(op, {event.result, false});
  op.events = static_cast<uint16_t>(event.result);
  try_later(op);
}

void UringEngine::try_later(Op& op) {
  op.place = Op::Place::kQueue;
  splices_.push_back(op);
}

void UringEngine::run_splices() {
  // Twice: what the first pass has taken in goes out in the second.
  for (int pass = 0; pass < 2; ++pass) {
    OpQueue tries;
    tries.splice_back(splices_);
    while (Op* op = tries.pop_front()) try_splice(*op);
  }
}

void UringEngine::try_splice(Op& op) {
  int32_t result = -EAGAIN;
  if (op.kind == Op::Kind::kSpliceOut) {
    result = drain_pipe(static_cast<SendOp&>(op));
  } else if (may_splice()) {
    result = fill_pipe(static_cast<RecvOp&>(op));
  } else {
    return try_later(op);
  }
  // POLLPRI would not tell: a poll that is woken reports whatever the wake-up may be about.
  const bool is_stuck = result == 0 || (result == -EAGAIN && (op.events & POLLIN) != 0);
  if (result == -ENOBUFS || (op.kind == Op::Kind::kSpliceIn && is_stuck)) {
    receive(static_cast<RecvOp&>(op));
  } else if (result == -EAGAIN) {
    arm(op);
  } else {
    complete(op, {result, false});
  }
}

void UringEngine::run_held() {
  OpQueue held;
  held.splice_back(backlog_);
  while (Op* op = held.pop_front()) {
    if (op->cancelled && op->place == Op::Place::kKernel) {
      request_cancel(*op);
    } else {
      arm(*op);
    }
  }
  for (const uint64_t name : std::exchange(unstopped_, {})) stop(name);
  for (const int fd : std::exchange(hung_up_, {})) stop_receiving(fd);
  while (Op* op = ready_.pop_front()) {
    // Held without an error: a receive whose bytes are here already.
    const bool is_here = op->stored_result >= 0;
    complete(*op, {is_here ? receives_.take(static_cast<RecvOp&>(*op)) : op->stored_result, false});
  }
}

void UringEngine::top_up_buffers() {
  size_t available = ring_buffers_.top_up();
  while (available-- > 0 && !starved_.empty()) arm(*starved_.pop_front());
}

}  // namespace lb::event
