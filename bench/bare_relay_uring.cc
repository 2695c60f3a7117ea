// The floor of the io_uring engine: multishot accept and recv, a short ring of provided buffers,
// sends by the ring as well.
#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "bench/bare_relay.h"
#include "lb/net/fd.h"
#include "lb/net/socket.h"

namespace lb::bench {
namespace {

constexpr unsigned kEntries = 4096;
constexpr unsigned kCompletions = 32'768;
// Taken in turn, so the whole ring is the working set: kept near the size of the cache.
constexpr unsigned kBuffers = 128;
constexpr size_t kBufferBytes = 16 * 1024;
constexpr uint64_t kSendTag = 1;

constexpr uint16_t kNone = UINT16_MAX;

// What a buffer holds, and the buffer that comes after it at the same end.
struct Piece {
  uint32_t size_bytes = 0;
  uint16_t next = kNone;
};

struct Pair;

// One end of a relayed connection. What it receives goes to `other`.
struct End {
  Pair* pair = nullptr;
  End* other = nullptr;
  net::UniqueFd fd;
  bool receives = false;
  bool sends = false;
  bool starved = false;
  bool has_ended = false;
  // Buffers received by the other end; the first is being sent.
  uint16_t first_unsent = kNone;
  uint16_t last_unsent = kNone;
};

struct Pair {
  std::array<End, 2> ends;
};

class Relay {
 public:
  explicit Relay(const std::vector<net::Address>& to) : to_(to), memory_(kBuffers * kBufferBytes) {}

  int run(const net::Address& listen) {
    if (const int error = net::listen_stream(listen, {}, &listener_); error < 0) return error;
    if (const int error = set_up(); error < 0) return error;
    accept_more();
    for (;;) {
      if (const int error = io_uring_submit_and_wait(&ring_, 1); error < 0 && error != -EINTR) {
        return error;
      }
      complete_all();
    }
  }

 private:
  int set_up() {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletions;
    if (const int error = io_uring_queue_init_params(kEntries, &ring_, &params); error < 0) {
      return error;
    }
    io_uring_register_ring_fd(&ring_);
    void* memory = mmap(nullptr, kBuffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(memory);
    registration.ring_entries = kBuffers;
    if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error < 0) {
      return error;
    }
    io_uring_buf_ring_init(buffers_);
    for (unsigned i = 0; i < kBuffers; ++i) give_back(static_cast<uint16_t>(i));
    show_given_back();
    return 0;
  }

  char* bytes_of(uint16_t buffer) { return memory_.data() + buffer * kBufferBytes; }

  void give_back(uint16_t buffer) {
    io_uring_buf_ring_add(buffers_, bytes_of(buffer), kBufferBytes, buffer,
                          io_uring_buf_ring_mask(kBuffers), static_cast<int>(given_back_++));
    ++free_buffers_;
    if (starved_.empty()) return;
    End* end = starved_.back();
    starved_.pop_back();
    end->starved = false;
    receive(*end);
  }

  // To the kernel, all at once.
  void show_given_back() {
    if (given_back_ > 0) io_uring_buf_ring_advance(buffers_, static_cast<int>(given_back_));
    given_back_ = 0;
  }

  io_uring_sqe* next_entry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
    }
    return entry;
  }

  void accept_more() {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_multishot_accept(entry, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(entry, 0);
  }

  void receive(End& end) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_recv_multishot(entry, end.fd.get(), nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    io_uring_sqe_set_data(entry, &end);
    end.receives = true;
  }

  void send_first(End& end) {
    const uint16_t buffer = end.first_unsent;
    io_uring_sqe* entry = next_entry();
    io_uring_prep_send(entry, end.fd.get(), bytes_of(buffer), pieces_[buffer].size_bytes,
                       MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(&end) | kSendTag);
    end.sends = true;
  }

  void complete_all() {
    io_uring_cqe* completion = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      complete(*completion);
    }
    io_uring_cq_advance(&ring_, count);
    show_given_back();
  }

  void complete(const io_uring_cqe& completion) {
    const uint64_t data = completion.user_data;
    if (data == 0) {
      if (completion.res >= 0) open(net::UniqueFd(completion.res));
      if ((completion.flags & IORING_CQE_F_MORE) == 0) accept_more();
      return;
    }
    End& end = *reinterpret_cast<End*>(data & ~kSendTag);
    if ((data & kSendTag) != 0) {
      on_sent(end, completion.res);
    } else {
      on_received(end, completion);
    }
    close_when_over(*end.pair);
  }

  void open(net::UniqueFd client) {
    const net::Address& to = to_[next_++ % to_.size()];
    net::UniqueFd server(net::open_stream_socket(to.family()));
    if (!server.is_open()) return;
    if (connect(server.get(), to.data(), to.size_bytes()) != 0 && errno != EINPROGRESS) return;
    Pair& pair = free_pair();
    pair.ends[0].fd = std::move(client);
    pair.ends[1].fd = std::move(server);
    for (End& end : pair.ends) receive(end);
  }

  Pair& free_pair() {
    if (!free_.empty()) {
      Pair* pair = free_.back();
      free_.pop_back();
      return *pair;
    }
    pairs_.push_back(std::make_unique<Pair>());
    Pair& pair = *pairs_.back();
    for (size_t i = 0; i < 2; ++i) {
      pair.ends[i].pair = &pair;
      pair.ends[i].other = &pair.ends[1 - i];
    }
    return pair;
  }

  void on_received(End& end, const io_uring_cqe& completion) {
    if ((completion.flags & IORING_CQE_F_MORE) == 0) end.receives = false;
    if (completion.res > 0) {
      const auto buffer = static_cast<uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
      --free_buffers_;
      End& to = *end.other;
      pieces_[buffer] = {static_cast<uint32_t>(completion.res), kNone};
      (to.first_unsent == kNone ? to.first_unsent : pieces_[to.last_unsent].next) = buffer;
      to.last_unsent = buffer;
      if (!to.sends) send_first(to);
      if (!end.receives) receive(end);
    } else if (completion.res == -ENOBUFS && free_buffers_ > 0) {
      // They came back while the message was under way.
      receive(end);
    } else if (completion.res == -ENOBUFS) {
      end.starved = true;
      starved_.push_back(&end);
    } else {
      end.has_ended = true;
      if (completion.res < 0) shutdown(end.other->fd.get(), SHUT_RDWR);
      finish_when_flushed(*end.other);
    }
  }

  void on_sent(End& end, int sent) {
    end.sends = false;
    const uint16_t buffer = end.first_unsent;
    const Piece piece = pieces_[buffer];
    end.first_unsent = piece.next;
    give_back(buffer);
    if (sent < static_cast<int>(piece.size_bytes)) {
      shutdown(end.fd.get(), SHUT_RDWR);
      shutdown(end.other->fd.get(), SHUT_RDWR);
    }
    if (end.first_unsent != kNone) return send_first(end);
    finish_when_flushed(end);
  }

  // The other end has sent its last byte, and this one has taken it.
  static void finish_when_flushed(End& end) {
    if (!end.other->has_ended || end.sends || end.has_ended) return;
    shutdown(end.fd.get(), SHUT_WR);
  }

  void close_when_over(Pair& pair) {
    for (const End& end : pair.ends) {
      if (!end.fd.is_open() || !end.has_ended || end.sends || end.receives || end.starved) return;
    }
    for (End& end : pair.ends) {
      end.fd.reset();
      end.has_ended = false;
    }
    free_.push_back(&pair);
  }

  const std::vector<net::Address> to_;
  size_t next_ = 0;
  net::UniqueFd listener_;
  io_uring ring_ = {};
  io_uring_buf_ring* buffers_ = nullptr;
  std::vector<char> memory_;
  std::array<Piece, kBuffers> pieces_ = {};  // by buffer
  unsigned free_buffers_ = 0;
  unsigned given_back_ = 0;  // that the kernel does not know of yet
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<Pair*> free_;
  std::vector<End*> starved_;
};

}  // namespace

int relay_by_uring(const net::Address& listen, const std::vector<net::Address>& to) {
  return Relay(to).run(listen);
}

}  // namespace lb::bench
