#include "bench/load_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "bench/stream_pattern.h"
#include "lb/net/fd.h"
#include "lb/util/clock.h"

namespace lb::bench {
namespace {

constexpr int64_t kRetryAfterNs = 10'000'000;
// No multiple of anything, so that a cut at a buffer's end would be seen.
constexpr uint64_t kProbeBytes = 1'500'001;

}  // namespace

struct StreamLoad::Flow final : Watcher {
  explicit Flow(StreamLoad& owner) : load(owner) {}

  bool sends() const { return ask != kAskSource; }
  void on_ready(uint32_t events) override;
  // Each 0, or what went wrong as -errno.
  int64_t send_some();
  int64_t receive_some();
  int64_t receive_total();

  StreamLoad& load;
  net::UniqueFd fd;
  char ask = kAskSource;
  bool is_probe = false;  // an upload of kProbeBytes
  bool is_asked = false;  // the first byte is out
  bool is_checked = false;
  bool has_failed = false;
  int64_t retry_ns = 0;
  StreamReader reader;
  StreamWriter writer;
};

void StreamLoad::Flow::on_ready(uint32_t events) {
  int64_t error = 0;
  if ((events & EPOLLOUT) != 0) error = send_some();
  if (error == 0 && fd.is_open() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    error = is_probe ? receive_total() : receive_some();
  }
  if (error == -ENODATA) {
    load.fail(*this, ErrorKind::kClosed);
  } else if (error != 0) {
    load.fail(*this, kind_of_errno(static_cast<int>(-error), !is_asked));
  }
}

int64_t StreamLoad::Flow::send_some() {
  if (!is_asked) {
    const ssize_t sent = send(fd.get(), &ask, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN ? 0 : -errno;
    is_asked = true;
    writer.skip(1);
    if (!sends()) load.poller_.change(fd.get(), EPOLLIN, *this);
  }
  if (!sends()) return 0;
  const uint64_t limit = is_probe ? kProbeBytes - writer.offset() : kStreamChunkBytes;
  const int64_t sent = writer.write_some(fd.get(), limit);
  if (sent < 0) return sent == -EAGAIN ? 0 : sent;
  load.moved_bytes_ += static_cast<uint64_t>(sent);
  if (is_probe && writer.offset() == kProbeBytes) {
    shutdown(fd.get(), SHUT_WR);
    load.poller_.change(fd.get(), EPOLLIN, *this);
  }
  if (!is_probe && ask == kAskSink && writer.offset() > kFullyCheckedBytes) is_checked = true;
  return 0;
}

int64_t StreamLoad::Flow::receive_some() {
  const int64_t got = reader.read_some(fd.get());
  if (got == 0) return -ENODATA;
  if (got < 0) return got == -EAGAIN ? 0 : got;
  load.moved_bytes_ += static_cast<uint64_t>(got);
  if (reader.offset() >= kFullyCheckedBytes) is_checked = true;
  return 0;
}

int64_t StreamLoad::Flow::receive_total() {
  uint64_t total = 0;
  const ssize_t got = recv(fd.get(), &total, sizeof(total), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN ? 0 : -errno;
  if (got == 0) return -ENODATA;
  if (got != sizeof(total) || total != kProbeBytes) return -EBADMSG;
  is_probe = false;
  load.open(*this);
  return 0;
}

StreamLoad::StreamLoad(Poller& poller, const LoadOptions& options, uint32_t flows,
                       ErrorCounts& errors)
    : poller_(poller),
      dialer_(options.target, options.sources),
      direction_(options.direction),
      errors_(errors) {
  for (uint32_t i = 0; i < flows; ++i) {
    flows_.push_back(std::make_unique<Flow>(*this));
    flows_.back()->is_probe = i == 0 && direction_ != Direction::kDown;
    open(*flows_.back());
  }
}

StreamLoad::~StreamLoad() = default;

bool StreamLoad::is_prepared() const {
  return std::all_of(flows_.begin(), flows_.end(), [](const std::unique_ptr<Flow>& flow) {
    return flow->is_checked || flow->has_failed;
  });
}

uint32_t StreamLoad::ready() const {
  return static_cast<uint32_t>(
      std::count_if(flows_.begin(), flows_.end(),
                    [](const std::unique_ptr<Flow>& flow) { return flow->is_checked; }));
}

void StreamLoad::open(Flow& flow) {
  flow.is_asked = false;
  flow.reader = {};
  flow.writer = {};
  flow.ask = flow.is_probe                    ? kAskSink
             : direction_ == Direction::kUp   ? kAskSink
             : direction_ == Direction::kDown ? kAskSource
                                              : kAskBoth;
  const int fd = dialer_.dial();
  if (fd < 0) return fail(flow, kind_of_errno(-fd, true));
  flow.fd.reset(fd);
  poller_.add(fd, EPOLLIN | EPOLLOUT, flow);
}

void StreamLoad::fail(Flow& flow, ErrorKind kind) {
  errors_.add(kind);
  flow.fd.reset();
  flow.has_failed = true;
  flow.retry_ns = util::clock_ns(CLOCK_MONOTONIC) + kRetryAfterNs;
}

void StreamLoad::on_turn(int64_t now_ns) {
  for (const std::unique_ptr<Flow>& flow : flows_) {
    if (!flow->fd.is_open() && now_ns >= flow->retry_ns) open(*flow);
  }
}

}  // namespace lb::bench
