#include "test/support/port_allocator.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "lb/net/fd.h"
#include "test/support/failure.h"

namespace lb::test {
namespace {

constexpr int kFirstPort = 10000;
constexpr int kBlockSize = 50;

int block_count() {
  int low = 32768;
  int high = 0;
  if (FILE* file = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re")) {
    if (std::fscanf(file, "%d %d", &low, &high) != 2) low = 32768;
    std::fclose(file);
  }
  const int end = low > kFirstPort + kBlockSize ? low : 32768;
  return (end - kFirstPort) / kBlockSize;
}

// A block of ports belongs to the process that has bound its name in the abstract unix space: the
// kernel keeps names unique and frees them when the process ends, however it ends.
bool claim_block(int block, net::UniqueFd& claim) {
  net::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  const int length =
      std::snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "sluice-test-ports-%d", block);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(length));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0) return false;
  claim = std::move(fd);
  return true;
}

bool is_free(int port) {
  const net::UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  const int off = 0;
  // REUSEADDR: a port with connections in TIME_WAIT is free; one that is listened on is not.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  sockaddr_in6 any = {};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(static_cast<uint16_t>(port));
  return ::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0;
}

class Ports {
 public:
  uint16_t next() {
    const std::lock_guard lock(mutex_);
    for (;;) {
      if (remaining_ == 0) claim_next_block();
      const int port = next_port_++;
      --remaining_;
      if (is_free(port)) return static_cast<uint16_t>(port);
    }
  }

 private:
  void claim_next_block() {
    const int blocks = block_count();
    for (int tried = 0; tried < blocks; ++tried) {
      const int block = (static_cast<int>(getpid()) + offset_++) % blocks;
      net::UniqueFd claim;
      if (!claim_block(block, claim)) continue;
      claims_.push_back(std::move(claim));
      next_port_ = kFirstPort + block * kBlockSize;
      remaining_ = kBlockSize;
      return;
    }
    throw Failure("no free block of ports");
  }

  std::mutex mutex_;
  std::vector<net::UniqueFd> claims_;
  int offset_ = 0;
  int next_port_ = 0;
  int remaining_ = 0;
};

}  // namespace

uint16_t allocate_port() {
  // One for the process: the claims live as long as it does.
  static Ports ports;
  return ports.next();
}

}  // namespace lb::test
