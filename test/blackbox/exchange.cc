#include "test/blackbox/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "test/support/failure.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

class Exchange {
 public:
  Exchange(Socket& socket, const ExchangePlan& plan)
      : socket_(socket), plan_(plan), stream_(plan.seed), buffer_(256 * 1024) {}

  ExchangeResult run() {
    if (plan_.size_bytes == 0 && !plan_.finish_last) finish_sending();
    while (result_.end == Socket::End::kNone && !(received_fin_ && finished_)) {
      const short ready = wait();
      if ((ready & ~POLLOUT) != 0) receive();
      if ((ready & ~POLLIN) != 0) send_some();
    }
    if (result_.end == Socket::End::kNone) result_.end = Socket::End::kFIN;
    result_.sent_sha256 = sent_.finish();
    result_.received_sha256 = received_.finish();
    return result_;
  }

 private:
  bool all_sent() const { return sent_bytes_ == plan_.size_bytes; }

  short wait() {
    pollfd item = {socket_.fd(), 0, 0};
    if (!received_fin_) item.events |= POLLIN;
    if (!all_sent()) item.events |= POLLOUT;
    const int count = ::poll(&item, 1, static_cast<int>(patience(kSocketPatience).count()));
    if (count == 0) throw Failure("exchange: nothing moves");
    return item.revents;
  }

  void receive() {
    if (received_fin_) return;
    const ssize_t count = ::recv(socket_.fd(), buffer_.data(), buffer_.size(), 0);
    if (count < 0) {
      if (errno != EAGAIN) end_by_reset(errno);
      return;
    }
    received_.add(std::span(buffer_).first(static_cast<size_t>(count)));
    result_.received_bytes += static_cast<uint64_t>(count);
    if (count > 0) return;
    received_fin_ = true;
    if (all_sent() && !finished_) finish_sending();
  }

  // Chunks may be of one byte: a few of them for each poll.
  void send_some() {
    for (int i = 0; i < 16; ++i) {
      if (all_sent() || result_.end != Socket::End::kNone || !send()) return;
    }
  }

  // Whether the socket may take more.
  bool send() {
    if (pending_.empty()) {
      const size_t chunk_bytes = plan_.next_chunk ? plan_.next_chunk() : 64 * 1024;
      pending_.resize(std::min<uint64_t>(chunk_bytes, plan_.size_bytes - sent_bytes_));
      stream_.fill(pending_);
    }
    const ssize_t count = ::send(socket_.fd(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno != EAGAIN) end_by_reset(errno);
      return false;
    }
    const auto taken = std::span(pending_).first(static_cast<size_t>(count));
    sent_.add(taken);
    sent_bytes_ += taken.size();
    pending_.erase(pending_.begin(), pending_.begin() + count);
    if (sent_bytes_ >= plan_.reset_after_bytes) {
      socket_.reset();
      result_.end = Socket::End::kRST;
    } else if (all_sent() && (!plan_.finish_last || received_fin_)) {
      finish_sending();
    }
    return pending_.empty();
  }

  void finish_sending() {
    finished_ = true;
    if (::shutdown(socket_.fd(), SHUT_WR) != 0) end_by_reset(errno);
  }

  void end_by_reset(int error) {
    if (error != ECONNRESET && error != EPIPE && error != ENOTCONN) {
      throw Failure(errno_text("exchange", error));
    }
    result_.end = Socket::End::kRST;
  }

  Socket& socket_;
  const ExchangePlan& plan_;
  ByteStream stream_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> pending_;
  Digest sent_;
  Digest received_;
  uint64_t sent_bytes_ = 0;
  bool received_fin_ = false;
  bool finished_ = false;
  ExchangeResult result_;
};

}  // namespace

ExchangeResult exchange(Socket& socket, const ExchangePlan& plan) {
  return Exchange(socket, plan).run();
}

}  // namespace lb::test
