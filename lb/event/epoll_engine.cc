#include "lb/event/epoll_engine.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

#include "lb/util/assert.h"

namespace lb::event {
namespace {

constexpr uint64_t kMailboxData = UINT64_MAX;

// Errors of accept4(2) that concern one connection, not the listening socket (accept(2), "Error
// handling").
bool is_connection_error(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
    case EINTR:
      return true;
    default:
      return false;
  }
}

}  // namespace

EpollEngine::EpollEngine(const EngineOptions& options)
    : Engine(options, util::mono_now_ms()), epoll_fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_fd_.is_open()) {
    throw std::system_error(errno, std::generic_category(), "epoll_create1");
  }
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kMailboxData;
  if (epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, mailbox_.wake_fd(), &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

EpollEngine::~EpollEngine() {
  for (const Slot& slot : slots_) LB_ASSERT(!slot.reader && !slot.writer && !slot.poller);
}

Op*& EpollEngine::place_of(Slot& slot, const Op& op) {
  switch (op.kind) {
    case Op::Kind::kAccept:
    case Op::Kind::kRecv:
    case Op::Kind::kSpliceIn:
      return slot.reader;
    case Op::Kind::kConnect:
    case Op::Kind::kSend:
    case Op::Kind::kSpliceOut:
      return slot.writer;
    case Op::Kind::kPoll:
    case Op::Kind::kNone:
      break;
  }
  return slot.poller;
}

EpollEngine::Slot& EpollEngine::slot_of(int fd) {
  const auto index = static_cast<size_t>(fd);
  // An eighth more than is needed now: it is memory for every descriptor.
  if (index >= slots_.size()) slots_.resize(index + 1 + index / 8);
  return slots_[index];
}

int EpollEngine::register_fd(int fd) {
  Slot& slot = slot_of(fd);
  if (slot.registered) return 0;
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = (static_cast<uint64_t>(slot.generation) << 32) | static_cast<uint32_t>(fd);
  if (epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return -errno;
  slot.registered = true;
  slot.readable = slot.hung_up = false;
  // A fresh socket's send buffer has room; when it has none, the try says so.
  slot.writable = true;
  return 0;
}

void EpollEngine::submit(Op& op, bool ready) {
  Op*& place = place_of(slot_of(op.fd), op);
  LB_ASSERT(place == nullptr);
  place = &op;
  if (ready || op.stored_result < 0) enqueue(op);
}

void EpollEngine::enqueue(Op& op) {
  if (op.place == Op::Place::kQueue) return;
  if (op.is_linked()) op.unlink();
  op.place = Op::Place::kQueue;
  ready_.push_back(op);
}

void EpollEngine::finish(Op& op, int32_t result) {
  place_of(slot_of(op.fd), op) = nullptr;
  complete(op, {result, false});
}

void EpollEngine::accept(AcceptOp& op, int listen_fd, bool many) {
  begin(op, Op::Kind::kAccept, listen_fd);
  op.many = many;
  op.stored_result = register_fd(listen_fd);
  submit(op, slot_of(listen_fd).readable);
}

void EpollEngine::connect(ConnectOp& op, int fd, const net::Address& address) {
  begin(op, Op::Kind::kConnect, fd);
  op.address = &address;
  op.stored_result = 0;
  submit(op, true);
}

void EpollEngine::recv(RecvOp& op, int fd, uint32_t max_bytes) {
  begin(op, Op::Kind::kRecv, fd);
  op.max_bytes = std::min(max_bytes, buffers_.buffer_size_bytes());
  op.stored_result = register_fd(fd);
  submit(op, slot_of(fd).readable);
}

void EpollEngine::send(SendOp& op, int fd, std::span<const std::byte> bytes) {
  begin(op, Op::Kind::kSend, fd);
  op.data = bytes.data();
  op.size_bytes = static_cast<uint32_t>(bytes.size());
  op.sent_bytes = 0;
  op.stored_result = register_fd(fd);
  submit(op, slot_of(fd).writable);
}

void EpollEngine::splice_in(RecvOp& op, int fd, uint32_t max_bytes) {
  begin(op, Op::Kind::kSpliceIn, fd);
  op.max_bytes = std::min(max_bytes, buffers_.buffer_size_bytes());
  op.stored_result = register_fd(fd);
  submit(op, slot_of(fd).readable);
}

void EpollEngine::splice_out(SendOp& op, int fd, Pipe& pipe) {
  begin(op, Op::Kind::kSpliceOut, fd);
  op.pipe = &pipe;
  op.size_bytes = pipe.held_bytes();
  op.sent_bytes = 0;
  op.stored_result = register_fd(fd);
  submit(op, slot_of(fd).writable);
}

void EpollEngine::poll(Op& op, int fd, uint32_t events) {
  begin(op, Op::Kind::kPoll, fd);
  op.events = static_cast<uint16_t>(events);
  op.stored_result = register_fd(fd);
  submit(op, true);
}

void EpollEngine::cancel(Op& op) {
  if (!op.in_flight() || op.cancelled) return;
  op.cancelled = true;
  op.stored_result = -ECANCELED;
  enqueue(op);
}

void EpollEngine::close(int fd, CloseMode mode) {
  if (static_cast<size_t>(fd) < slots_.size()) {
    Slot& slot = slots_[static_cast<size_t>(fd)];
    LB_ASSERT(!slot.reader && !slot.writer && !slot.poller);
    const uint32_t generation = slot.generation + 1;
    slot = Slot();
    slot.generation = generation;
  }
  Engine::close(fd, mode);
}

int EpollEngine::wait(util::MonoTimeMs deadline_ms) {
  const bool can_feed = !starved_.empty() && !buffers_.is_exhausted();
  if (!ready_.empty() || !postponed_.empty() || can_feed) return 0;
  const util::MonoTimeMs until_ms = wakeup_ms(deadline_ms);
  if (until_ms == util::kNever) return -1;
  const util::MonoTimeMs wait_ms = until_ms - util::mono_now_ms();
  return static_cast<int>(std::clamp<util::MonoTimeMs>(wait_ms, 0, INT_MAX));
}

void EpollEngine::run_once(util::MonoTimeMs deadline_ms) {
  std::array<epoll_event, 512> events;
  const int count = epoll_wait(epoll_fd_.get(), events.data(), static_cast<int>(events.size()),
                               wait(deadline_ms));
  now_ms_ = util::mono_now_ms();
  begin_turn();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    latch(event.data.u64, event.events);
  }
  ready_.splice_back(postponed_);
  timers_.advance(now_ms_);
  if (std::exchange(mail_has_come_, false)) mailbox_.run();
  run_queue();
}

void EpollEngine::latch(uint64_t data, uint32_t events) {
  if (data == kMailboxData) {
    mail_has_come_ = true;
    return;
  }
  Slot& slot = slots_[static_cast<uint32_t>(data)];
  if (slot.generation != static_cast<uint32_t>(data >> 32) || !slot.registered) return;
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  slot.hung_up |= ended;
  slot.urgent |= (events & EPOLLPRI) != 0;
  if (ended || (events & EPOLLIN) != 0) {
    slot.readable = true;
    if (slot.reader != nullptr && slot.reader->place == Op::Place::kKernel) enqueue(*slot.reader);
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    slot.writable = true;
    if (slot.writer != nullptr) enqueue(*slot.writer);
  }
  if (slot.poller != nullptr) enqueue(*slot.poller);
}

void EpollEngine::run_queue() {
  do {
    while (Op* op = ready_.pop_front()) {
      if (op->stored_result >= 0 && over_budget(slot_of(op->fd))) {
        postponed_.push_back(*op);
      } else {
        run(*op);
      }
    }
    // A lease that came back goes to whoever has waited longest.
    uint32_t free_buffers = buffers_.max_buffers() - buffers_.lent();
    while (free_buffers-- > 0 && !starved_.empty()) ready_.push_back(*starved_.pop_front());
  } while (!ready_.empty());
}

bool EpollEngine::over_budget(Slot& slot) {
  const auto turn = static_cast<uint32_t>(counters_.turns);
  if (slot.turn != turn) {
    slot.turn = turn;
    slot.ops_in_turn = 0;
  }
  return ++slot.ops_in_turn > kOpsPerFdAndTurn;
}

void EpollEngine::run(Op& op) {
  if (op.place == Op::Place::kQueue) op.place = Op::Place::kKernel;
  if (op.stored_result < 0) return finish(op, op.stored_result);
  switch (op.kind) {
    case Op::Kind::kAccept:
      return run_accept(static_cast<AcceptOp&>(op));
    case Op::Kind::kConnect:
      return run_connect(static_cast<ConnectOp&>(op));
    case Op::Kind::kRecv:
      return run_recv(static_cast<RecvOp&>(op));
    case Op::Kind::kSend:
      return run_send(static_cast<SendOp&>(op));
    case Op::Kind::kSpliceIn:
      return run_splice_in(static_cast<RecvOp&>(op));
    case Op::Kind::kSpliceOut:
      return run_splice_out(static_cast<SendOp&>(op));
    case Op::Kind::kPoll:
      return run_poll(op);
    case Op::Kind::kNone:
      break;
  }
  LB_ASSERT(false);
}

void EpollEngine::run_accept(AcceptOp& op) {
  for (int accepted = 0; accepted < kAcceptsPerTurn;) {
    const int fd = accept4(op.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      if (!op.many) return finish(op, fd);
      ++accepted;
      complete(op, {fd, true});
      // The handler may have cancelled it; then its end waits in the queue already.
      if (op.cancelled) return;
    } else if (errno == EAGAIN) {
      slot_of(op.fd).readable = false;
      return;
    } else if (!is_connection_error(errno)) {
      return finish(op, -errno);
    }
  }
  op.place = Op::Place::kQueue;
  postponed_.push_back(op);
}

void EpollEngine::run_connect(ConnectOp& op) {
  if (slot_of(op.fd).registered) {
    int error = 0;
    socklen_t size_bytes = sizeof(error);
    // A connect that failed comes with EPOLLERR and EPOLLHUP, so most need not ask.
    if (slot_of(op.fd).hung_up) getsockopt(op.fd, SOL_SOCKET, SO_ERROR, &error, &size_bytes);
    return finish(op, -error);
  }
  if (::connect(op.fd, op.address->data(), op.address->size_bytes()) == 0) return finish(op, 0);
  if (errno != EINPROGRESS) return finish(op, -errno);
  // Registered only now: a socket that is not connecting yet would report a hang-up at once.
  if (const int error = register_fd(op.fd); error < 0) return finish(op, error);
  slot_of(op.fd).writable = false;
}

void EpollEngine::run_recv(RecvOp& op) {
  const bool has_waited = op.place == Op::Place::kStarved;
  if (has_waited || starved_.empty()) op.lease = buffers_.take();
  if (!op.lease.is_held()) {
    if (!has_waited) ++counters_.buffer_waits;
    op.place = Op::Place::kStarved;
    starved_.push_back(op);
    return;
  }
  op.place = Op::Place::kKernel;
  const ssize_t size_bytes = ::recv(op.fd, op.lease.data(), op.max_bytes, 0);
  Slot& slot = slot_of(op.fd);
  if (size_bytes > 0) {
    // A short read emptied the socket, so the next edge will tell; unless the end of the stream is
    // there already, which no further edge announces.
    if (static_cast<uint32_t>(size_bytes) < op.max_bytes && !slot.hung_up) slot.readable = false;
    op.lease.set_size_bytes(static_cast<uint32_t>(size_bytes));
    return finish(op, static_cast<int32_t>(size_bytes));
  }
  const int error = size_bytes < 0 ? errno : 0;
  op.lease.reset();
  if (error == EINTR) return enqueue(op);
  if (error == EAGAIN) {
    slot.readable = false;
    return;
  }
  finish(op, -error);
}

void EpollEngine::run_send(SendOp& op) {
  while (op.sent_bytes < op.size_bytes) {
    const ssize_t size_bytes =
        ::send(op.fd, op.data + op.sent_bytes, op.size_bytes - op.sent_bytes, MSG_NOSIGNAL);
    if (size_bytes > 0) {
      op.sent_bytes += static_cast<uint32_t>(size_bytes);
    } else if (errno == EAGAIN) {
      slot_of(op.fd).writable = false;
      return;
    } else if (errno != EINTR) {
      return finish(op, -errno);
    }
  }
  finish(op, static_cast<int32_t>(op.size_bytes));
}

void EpollEngine::run_splice_in(RecvOp& op) {
  if (!may_splice()) {
    op.place = Op::Place::kQueue;
    postponed_.push_back(op);
    return;
  }
  const int32_t result = slot_of(op.fd).urgent ? -ENOBUFS : fill_pipe(op);
  if (result == -ENOBUFS || result == 0) return run_recv(op);
  op.place = Op::Place::kKernel;
  if (result != -EAGAIN) return finish(op, result);
  slot_of(op.fd).readable = false;
}

void EpollEngine::run_splice_out(SendOp& op) {
  const int32_t result = drain_pipe(op);
  if (result != -EAGAIN) return finish(op, result);
  slot_of(op.fd).writable = false;
}

void EpollEngine::run_poll(Op& op) {
  // The latches tell of edges; a poll asks for the state, so it asks the kernel.
  pollfd query = {op.fd, static_cast<int16_t>(op.events), 0};
  if (::poll(&query, 1, 0) > 0) finish(op, query.revents);
}

}  // namespace lb::event
