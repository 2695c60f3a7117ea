#include "test/sim/sim_engine.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "fmt/format.h"

namespace lb::sim {
namespace {

using event::Op;

const char* name_of(Op::Kind kind) {
  switch (kind) {
    case Op::Kind::kAccept:
      return "accept";
    case Op::Kind::kConnect:
      return "connect";
    case Op::Kind::kRecv:
      return "recv";
    case Op::Kind::kSend:
      return "send";
    case Op::Kind::kSpliceIn:
      return "splice_in";
    case Op::Kind::kSpliceOut:
      return "splice_out";
    case Op::Kind::kPoll:
      return "poll";
    case Op::Kind::kNone:
      break;
  }
  return "nothing";
}

// FNV-1a of at most the first bytes: enough to see a buffer that is written over.
uint64_t hash_of(const std::byte* data, size_t size_bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < std::min<size_t>(size_bytes, 65536); ++i) {
    hash = (hash ^ static_cast<uint64_t>(data[i])) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

SimEngine::SimEngine(SimNetwork& network, const event::EngineOptions& options)
    : Engine(options, network.schedule().now_ms()),
      network_(network),
      schedule_(network.schedule()) {}

SimEngine::~SimEngine() {
  if (flights_.empty()) return;
  network_.fail(fmt::format("an engine is destroyed with {} operations in flight", in_flight()));
  while (in_flight_.pop_front() != nullptr) {
  }
}

std::string SimEngine::describe() const {
  std::string text;
  for (const auto& [ticket, flight] : flights_) {
    text += fmt::format("{} on {}{}{}{}\n", name_of(flight.op->kind), flight.op->fd,
                        flight.is_starved ? ", starved" : "", flight.is_decided ? ", decided" : "",
                        flight.op->cancelled ? ", cancelled" : "");
  }
  return text;
}

SimEngine::Flight* SimEngine::flight_of(Ticket ticket) {
  const auto flight = flights_.find(ticket);
  return flight == flights_.end() ? nullptr : &flight->second;
}

void SimEngine::check_alone(Op::Kind kind, int fd) {
  const auto is_same = [&](const auto& entry) {
    return entry.second.op->fd == fd && entry.second.op->kind == kind;
  };
  if (std::any_of(flights_.begin(), flights_.end(), is_same)) {
    network_.fail(fmt::format("two operations ({}) on descriptor {}", name_of(kind), fd));
  }
}

void SimEngine::note_mode(int fd, bool is_splice) {
  const auto [last, is_first] = last_was_splice_.try_emplace(fd, is_splice);
  ++(is_splice ? modes_.splices : modes_.recvs);
  if (is_first || std::exchange(last->second, is_splice) == is_splice) return;
  ++(is_splice ? modes_.to_splice : modes_.to_recv);
}

SimEngine::Ticket SimEngine::begin_flight(Op& op, Op::Kind kind, int fd) {
  check_alone(kind, fd);
  begin(op, kind, fd);
  const Ticket ticket = ++last_ticket_;
  flights_[ticket].op = &op;
  in_flight_.push_back(op);
  return ticket;
}

void SimEngine::accept(event::AcceptOp& op, int listen_fd, bool many) {
  const Ticket ticket = begin_flight(op, Op::Kind::kAccept, listen_fd);
  op.many = many;
  network_.observe(listen_fd, [this, listen_fd] { try_all_of(listen_fd); });
  try_soon(ticket);
}

void SimEngine::connect(event::ConnectOp& op, int fd, const net::Address& address) {
  const Ticket ticket = begin_flight(op, Op::Kind::kConnect, fd);
  op.address = &address;
  network_.connect(fd, address, [this, ticket](int32_t result) { decide(ticket, result); });
}

void SimEngine::recv(event::RecvOp& op, int fd, uint32_t max_bytes) {
  const Ticket ticket = begin_flight(op, Op::Kind::kRecv, fd);
  note_mode(fd, false);
  op.max_bytes = std::min(max_bytes, buffers_.buffer_size_bytes());
  network_.observe(fd, [this, fd] { try_all_of(fd); });
  try_soon(ticket);
}

void SimEngine::send(event::SendOp& op, int fd, std::span<const std::byte> bytes) {
  const Ticket ticket = begin_flight(op, Op::Kind::kSend, fd);
  op.data = bytes.data();
  op.size_bytes = static_cast<uint32_t>(bytes.size());
  op.sent_bytes = 0;
  flights_[ticket].bytes_hash = hash_of(op.data, op.size_bytes);
  network_.observe(fd, [this, fd] { try_all_of(fd); });
  try_soon(ticket);
}

void SimEngine::splice_in(event::RecvOp& op, int fd, uint32_t max_bytes) {
  const Ticket ticket = begin_flight(op, Op::Kind::kSpliceIn, fd);
  note_mode(fd, true);
  op.max_bytes = std::min(max_bytes, buffers_.buffer_size_bytes());
  network_.observe(fd, [this, fd] { try_all_of(fd); });
  try_soon(ticket);
}

void SimEngine::splice_out(event::SendOp& op, int fd, event::Pipe& pipe) {
  const Ticket ticket = begin_flight(op, Op::Kind::kSpliceOut, fd);
  op.pipe = &pipe;
  op.size_bytes = pipe.held_bytes();
  op.sent_bytes = 0;
  network_.observe(fd, [this, fd] { try_all_of(fd); });
  try_soon(ticket);
}

void SimEngine::poll(Op& op, int fd, uint32_t events) {
  const Ticket ticket = begin_flight(op, Op::Kind::kPoll, fd);
  ++modes_.polls;
  op.events = static_cast<uint16_t>(events);
  network_.observe(fd, [this, fd] { try_all_of(fd); });
  try_soon(ticket);
}

void SimEngine::cancel(Op& op) {
  if (!op.in_flight() || op.cancelled) return;
  op.cancelled = true;
  const auto entry = std::find_if(flights_.begin(), flights_.end(),
                                  [&](const auto& e) { return e.second.op == &op; });
  const Ticket ticket = entry->first;
  if (entry->second.is_decided) return;  // too late, it has its result
  // Either at once, or the result may still come first.
  if (schedule_.random().one_in(2)) return decide(ticket, -ECANCELED);
  schedule_.soon([this, ticket] { decide(ticket, -ECANCELED); });
}

void SimEngine::try_soon(Ticket ticket) {
  Flight* flight = flight_of(ticket);
  if (flight == nullptr || std::exchange(flight->try_is_scheduled, true)) return;
  schedule_.soon([this, ticket] {
    Flight* now = flight_of(ticket);
    if (now == nullptr) return;
    now->try_is_scheduled = false;
    attempt(ticket);
  });
}

void SimEngine::try_all_of(int fd) {
  for (const auto& [ticket, flight] : flights_) {
    if (flight.op->fd == fd) try_soon(ticket);
  }
}

void SimEngine::attempt(Ticket ticket) {
  const Flight& flight = *flight_of(ticket);
  if (flight.is_decided || flight.is_starved) return;
  switch (flight.op->kind) {
    case Op::Kind::kAccept:
      return attempt_accept(ticket, static_cast<event::AcceptOp&>(*flight.op));
    case Op::Kind::kRecv:
      return attempt_recv(ticket, static_cast<event::RecvOp&>(*flight.op));
    case Op::Kind::kSend:
      return attempt_send(ticket, static_cast<event::SendOp&>(*flight.op));
    case Op::Kind::kSpliceIn:
      return attempt_splice_in(ticket, static_cast<event::RecvOp&>(*flight.op));
    case Op::Kind::kSpliceOut:
      return attempt_splice_out(ticket, static_cast<event::SendOp&>(*flight.op));
    case Op::Kind::kPoll:
      return attempt_poll(ticket, *flight.op);
    case Op::Kind::kConnect:
    case Op::Kind::kNone:
      return;
  }
}

void SimEngine::attempt_accept(Ticket ticket, event::AcceptOp& op) {
  const int32_t result = network_.accept(op.fd);
  if (result == -EAGAIN) return;
  if (result < 0 || !op.many) return decide(ticket, result);
  complete(op, {result, true});
  // The handler may have done anything but end the operation.
  try_soon(ticket);
}

void SimEngine::attempt_recv(Ticket ticket, event::RecvOp& op) {
  SimSocket* socket = network_.socket_of(op.fd, "recv");
  if (socket == nullptr) return decide(ticket, -ENOTCONN);
  const bool has_waited = std::exchange(flights_[ticket].is_starved, false);
  if ((socket->poll_mask() & POLLIN) == 0) return;
  const bool must_wait =
      !has_waited && (!starved_.empty() || schedule_.happens(schedule_.options().starve_one_in));
  if (!must_wait) op.lease = buffers_.take();
  if (!op.lease.is_held()) {
    if (!has_waited) ++counters_.buffer_waits;
    flights_[ticket].is_starved = true;
    if (has_waited) {
      starved_.push_front(ticket);
    } else {
      starved_.push_back(ticket);
    }
    return;
  }
  // What the last user left must never be taken for what came.
  std::memset(op.lease.data(), 0xa5, buffers_.buffer_size_bytes());
  const size_t most = std::min<size_t>(op.max_bytes, socket->readable());
  const size_t size_bytes = schedule_.random_size(most);
  const int32_t result = socket->recv({op.lease.data(), std::max<size_t>(size_bytes, 1)});
  if (result > 0) {
    op.lease.set_size_bytes(static_cast<uint32_t>(result));
  } else {
    op.lease.reset();
  }
  if (result != -EAGAIN) decide(ticket, result);
}

void SimEngine::attempt_send(Ticket ticket, event::SendOp& op) {
  if (hash_of(op.data, op.size_bytes) != flights_[ticket].bytes_hash) {
    network_.fail(fmt::format("bytes changed while being sent on descriptor {}", op.fd));
  }
  SimSocket* socket = network_.socket_of(op.fd, "send");
  if (socket == nullptr) return decide(ticket, -ENOTCONN);
  const size_t left = op.size_bytes - op.sent_bytes;
  const int32_t result = socket->send({op.data + op.sent_bytes, schedule_.random_size(left)});
  if (result == -EAGAIN) return;
  if (result < 0) return decide(ticket, result);
  op.sent_bytes += static_cast<uint32_t>(result);
  if (op.sent_bytes == op.size_bytes) {
    decide(ticket, static_cast<int32_t>(op.size_bytes));
  } else {
    try_soon(ticket);
  }
}

// The pipe is a real one, so that bytes which are left in it come out again wherever it goes next.
void SimEngine::attempt_splice_in(Ticket ticket, event::RecvOp& op) {
  SimSocket* socket = network_.socket_of(op.fd, "splice_in");
  if (socket == nullptr) return decide(ticket, -ENOTCONN);
  if ((socket->poll_mask() & POLLIN) == 0) return;
  event::PipeLease pipe = pipes_.take(now_ms_);
  if (!pipe.is_held()) return attempt_recv(ticket, op);
  std::vector<std::byte> bytes(schedule_.random_size(std::min<size_t>(socket->readable(), 60'000)));
  bytes.resize(std::max<size_t>(bytes.size(), 1));
  const int32_t result = socket->recv(bytes);
  if (result == -EAGAIN) return;
  if (result > 0) {
    const auto size_bytes = static_cast<size_t>(result);
    if (::write(pipe->write_fd(), bytes.data(), size_bytes) != result) {
      network_.fail("a pipe was lent out that is not empty");
    }
    pipe->set_held_bytes(static_cast<uint32_t>(result));
    op.pipe = std::move(pipe);
  }
  decide(ticket, result);
}

void SimEngine::attempt_splice_out(Ticket ticket, event::SendOp& op) {
  SimSocket* socket = network_.socket_of(op.fd, "splice_out");
  if (socket == nullptr) return decide(ticket, -ENOTCONN);
  if (const int32_t error = socket->send({}); error < 0) return decide(ticket, error);
  if (socket->writable() == 0) return;
  // A pipe gives its bytes once: what is read from it must be taken.
  const size_t most = std::min<size_t>(op.pipe->held_bytes(), socket->writable());
  std::vector<std::byte> bytes(schedule_.random_size(most));
  const ssize_t got = ::read(op.pipe->read_fd(), bytes.data(), bytes.size());
  const int32_t result = socket->send(bytes);
  if (got != result || got <= 0) network_.fail("bytes of a pipe were lost");
  op.sent_bytes += static_cast<uint32_t>(result);
  op.pipe->set_held_bytes(op.size_bytes - op.sent_bytes);
  if (op.sent_bytes == op.size_bytes) {
    decide(ticket, static_cast<int32_t>(op.size_bytes));
  } else {
    try_soon(ticket);
  }
}

void SimEngine::attempt_poll(Ticket ticket, Op& op) {
  SimSocket* socket = network_.socket_of(op.fd, "poll");
  if (socket == nullptr) return decide(ticket, POLLOUT | POLLHUP);
  const uint32_t mask = socket->poll_mask() & (op.events | POLLERR | POLLHUP);
  if (mask != 0) decide(ticket, static_cast<int32_t>(mask));
}

void SimEngine::decide(Ticket ticket, int32_t result) {
  Flight* flight = flight_of(ticket);
  if (flight == nullptr || flight->is_decided) return;
  if (std::exchange(flight->is_starved, false)) std::erase(starved_, ticket);
  flight->is_decided = true;
  flight->result = result;
  const int fd = flight->op->fd;
  decided_[fd].push_back(ticket);
  schedule_.soon([this, fd] { finish_next(fd); });
}

void SimEngine::finish_next(int fd) {
  const auto queue = decided_.find(fd);
  const Ticket ticket = queue->second.front();
  queue->second.pop_front();
  if (queue->second.empty()) decided_.erase(queue);
  const Flight flight = *flight_of(ticket);
  flights_.erase(ticket);
  flight.op->unlink();
  poison(*flight.op);
  complete(*flight.op, {flight.result, false});
}

void SimEngine::poison(Op& op) {
  static constexpr uintptr_t kPoison = 0x5a5a'5a5a'5a5a'5a5a;
  if (op.kind == Op::Kind::kSend || op.kind == Op::Kind::kSpliceOut) {
    static_cast<event::SendOp&>(op).data = reinterpret_cast<const std::byte*>(kPoison);
  } else if (op.kind == Op::Kind::kConnect) {
    static_cast<event::ConnectOp&>(op).address = reinterpret_cast<const net::Address*>(kPoison);
  }
  op.kind = Op::Kind::kNone;
  op.fd = -1;
}

int SimEngine::open_stream_socket(int) { return network_.open_stream_socket(); }

int SimEngine::set_stream_source(int fd, const net::StreamSource&) {
  return network_.set_stream_source(fd);
}

void SimEngine::shutdown_write(int fd) {
  SimSocket* socket = network_.socket_of(fd, "shutdown");
  if (socket == nullptr) return network_.fail("shutdown on a socket that is not connected");
  if (socket->is_write_shut()) network_.fail(fmt::format("descriptor {} is shut twice", fd));
  if (!socket->was_reset()) socket->shutdown_write();
}

void SimEngine::close(int fd, event::CloseMode mode) {
  for (const auto& [ticket, flight] : flights_) {
    if (flight.op->fd != fd) continue;
    network_.fail(fmt::format("descriptor {} is closed with an operation ({}) in flight", fd,
                              name_of(flight.op->kind)));
  }
  last_was_splice_.erase(fd);
  network_.close(fd, mode);
}

int64_t SimEngine::unacked_bytes(int fd) {
  SimSocket* socket = network_.socket_of(fd, "unacked_bytes");
  return socket == nullptr ? 0 : socket->unacked_bytes();
}

net::TcpState SimEngine::tcp_state(int fd) {
  SimSocket* socket = network_.socket_of(fd, "tcp_state");
  return socket == nullptr ? net::TcpState() : socket->tcp_state();
}

net::Address SimEngine::local_address(int fd) {
  SimSocket* socket = network_.socket_of(fd, "local_address");
  return socket == nullptr ? net::Address() : socket->local_address();
}

net::Address SimEngine::peer_address(int fd) {
  SimSocket* socket = network_.socket_of(fd, "peer_address");
  return socket == nullptr ? net::Address() : socket->peer_address();
}

int32_t SimEngine::peek(int fd, std::span<std::byte> out) {
  SimSocket* socket = network_.socket_of(fd, "peek");
  return socket == nullptr ? -ENOTCONN : socket->peek(out);
}

void SimEngine::set_low_mark(int fd, uint32_t size_bytes) {
  SimSocket* socket = network_.socket_of(fd, "set_low_mark");
  if (socket != nullptr) socket->set_low_mark(size_bytes);
}

void SimEngine::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  has_posted_.notify_one();
}

void SimEngine::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) task();
}

util::MonoTimeMs SimEngine::next_turn_ms(util::MonoTimeMs deadline_ms) {
  util::MonoTimeMs next_ms = std::min(wakeup_ms(deadline_ms), schedule_.next_ms());
  std::unique_lock lock(mutex_);
  if (next_ms == util::kNever && starved_.empty() && posted_.empty()) {
    // Virtual time cannot bring anything any more, only another thread can.
    if (stuck_handler_) {
      stuck_handler_();
    } else if (!has_posted_.wait_for(lock, std::chrono::seconds(10),
                                     [this] { return !posted_.empty(); })) {
      network_.fail("the loop sleeps and nothing will ever wake it");
    }
  }
  const bool has_work = !posted_.empty() || (!starved_.empty() && !buffers_.is_exhausted());
  if (has_work || next_ms == util::kNever) next_ms = now_ms_;
  if (schedule_.happens(schedule_.options().late_turn_one_in)) {
    next_ms += static_cast<util::MonoTimeMs>(
        schedule_.random().below(schedule_.options().late_turn_ms + 1));
  }
  return std::max(next_ms, now_ms_);
}

void SimEngine::run_once(util::MonoTimeMs deadline_ms) {
  now_ms_ = next_turn_ms(deadline_ms);
  schedule_.move_to(now_ms_);
  begin_turn();
  scribble_free_buffers();
  timers_.advance(now_ms_);
  run_posted();
  serve_starved();
  schedule_.run_due();
}

void SimEngine::serve_starved() {
  // First come, first served; whoever finds none is the first again.
  for (size_t left = starved_.size(); left > 0 && !starved_.empty(); --left) {
    if (buffers_.is_exhausted()) return;
    const Ticket ticket = starved_.front();
    starved_.pop_front();
    attempt_recv(ticket, static_cast<event::RecvOp&>(*flight_of(ticket)->op));
  }
}

void SimEngine::scribble_free_buffers() {
  // The buffers that were given back last: whoever still uses one gets to feel it.
  std::vector<event::BufferLease> free;
  while (free.size() < 4 && !buffers_.is_exhausted()) {
    free.push_back(buffers_.take());
    std::memset(free.back().data(), 0xdd, buffers_.buffer_size_bytes());
  }
  while (!free.empty()) free.pop_back();
}

}  // namespace lb::sim
