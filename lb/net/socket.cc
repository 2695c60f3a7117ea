#include "lb/net/socket.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <string>

namespace lb::net {
namespace {

// The state of a connection that is no more, as TCP_INFO numbers it (net/tcp_states.h; the header
// that names it cannot be included beside linux/tcp.h).
constexpr uint8_t kStateClose = 7;

int set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

int open_socket(int family) {
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd >= 0 ? fd : -errno;
}

// Whether somebody listens on a unix socket: bind(2) would create its file, connect(2) only asks.
int probe_unix_path(const Address& address) {
  const int opened = open_socket(AF_UNIX);
  if (opened < 0) return opened;
  const UniqueFd fd(opened);
  if (connect(fd.get(), address.data(), address.size_bytes()) == 0) return -EADDRINUSE;
  switch (errno) {
    case ECONNREFUSED:
    case ENOENT:
      return 0;
    case EAGAIN:  // its queue is full
      return -EADDRINUSE;
    default:
      return -errno;
  }
}

// A socket file that nobody listens on any more is left over from a process that was killed.
void remove_stale_socket_file(const Address& address) {
  const std::string path = address.host_string();
  struct stat status;
  if (path.empty() || path[0] == '@' || lstat(path.c_str(), &status) != 0) return;
  if (S_ISSOCK(status.st_mode) && probe_unix_path(address) == 0) unlink(path.c_str());
}

int set_listen_options(int fd, const Address& address, const ListenOptions& options) {
  if (!address.is_ip()) return 0;
  if (const int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); error < 0) return error;
  if (options.reuse_port) {
    if (const int error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1); error < 0) return error;
  }
  if (address.family() == AF_INET6) {
    const int v6_only = address.is_wildcard() ? 0 : 1;
    if (const int error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6_only); error < 0) {
      return error;
    }
  }
  return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

int make_transparent(int fd, int family) {
  const int error = family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
                                       : set_option(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
  // Several connections of one client may come from one port of it, to different endpoints.
  return error < 0 ? error : set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

Address name_of(int fd, int (*get_name)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage = {};
  socklen_t size_bytes = sizeof(storage);
  if (get_name(fd, reinterpret_cast<sockaddr*>(&storage), &size_bytes) != 0) return {};
  return Address::from_sockaddr(storage, size_bytes);
}

}  // namespace

int listen_stream(const Address& address, const ListenOptions& options, UniqueFd* out) {
  if (address.is_unix()) remove_stale_socket_file(address);
  const int opened = open_socket(address.family());
  if (opened < 0) return opened;
  UniqueFd fd(opened);
  if (const int error = set_listen_options(fd.get(), address, options); error < 0) return error;
  if (bind(fd.get(), address.data(), address.size_bytes()) != 0) return -errno;
  if (listen(fd.get(), options.backlog) != 0) return -errno;
  *out = std::move(fd);
  return 0;
}

int probe_listen_address(const Address& address) {
  if (address.is_unix()) return probe_unix_path(address);
  const int opened = open_socket(address.family());
  if (opened < 0) return opened;
  const UniqueFd fd(opened);
  ListenOptions alone;
  alone.reuse_port = false;
  if (const int error = set_listen_options(fd.get(), address, alone); error < 0) return error;
  return bind(fd.get(), address.data(), address.size_bytes()) == 0 ? 0 : -errno;
}

int open_stream_socket(int family) {
  const int fd = open_socket(family);
  if (fd >= 0 && family != AF_UNIX) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

bool has_family(int family) { return UniqueFd(open_socket(family)).is_open(); }

int set_stream_source(int fd, const StreamSource& source) {
  if (!source.interface.empty()) {
    const auto size_bytes = static_cast<socklen_t>(source.interface.size());
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, source.interface.data(), size_bytes) != 0) {
      return -errno;
    }
  }
  if (!source.address.is_ip()) return 0;
  if (source.is_transparent) {
    if (const int error = make_transparent(fd, source.address.family()); error < 0) return error;
  }
  if (source.address.port() == 0) {
    // Of both families. Without it bind(2) takes a port for itself, which works as well as long as
    // there are enough.
    set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  }
  return bind(fd, source.address.data(), source.address.size_bytes()) == 0 ? 0 : -errno;
}

int stop_new_handshakes(int listen_fd) {
  // A socket filter on TCP sees the segment from its header on: byte 13 holds the flags
  // (RFC 9293 section 3.1). Drop what has SYN and not ACK, keep the rest.
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  return setsockopt(listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0
             ? 0
             : -errno;
}

int peek(int fd, std::span<std::byte> out) {
  const ssize_t there = recv(fd, out.data(), out.size(), MSG_PEEK | MSG_DONTWAIT);
  return there >= 0 ? static_cast<int>(there) : -errno;
}

int set_low_mark(int fd, uint32_t size_bytes) {
  return set_option(fd, SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(size_bytes));
}

int arm_reset(int fd) {
  const linger abort_on_close = {1, 0};
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close)) == 0
             ? 0
             : -errno;
}

Address local_address(int fd) { return name_of(fd, getsockname); }

Address peer_address(int fd) { return name_of(fd, getpeername); }

TcpState tcp_state(int fd) {
  tcp_info info = {};
  socklen_t size_bytes = sizeof(info);
  TcpState state;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size_bytes) != 0) return state;
  state.acked_bytes = info.tcpi_bytes_acked;
  state.received_bytes = info.tcpi_bytes_received;
  state.rtt_us = info.tcpi_rtt;
  return state;
}

int64_t unacked_bytes(int fd) {
  tcp_info info = {};
  socklen_t info_size_bytes = sizeof(info);
  const bool is_gone = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size_bytes) == 0 &&
                       info.tcpi_state == kStateClose;
  // After a reset the counters stay as they were, although nothing will be delivered any more.
  if (is_gone) return 0;
  int size_bytes = 0;
  if (ioctl(fd, SIOCOUTQ, &size_bytes) != 0) return -errno;
  return size_bytes;
}

}  // namespace lb::net
