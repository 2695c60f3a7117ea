// Sockets with the options the data path relies on. Every function returns >= 0 or -errno.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace lb::net {

struct ListenOptions {
  // SO_REUSEPORT: one socket a worker on the same address (socket(7)).
  bool reuse_port = true;
  int backlog = 4096;
};

// A listening, non-blocking socket. A wildcard IPv6 address takes IPv4 too (ipv6(7), IPV6_V6ONLY
// off); any other IPv6 address does not need to. TCP_NODELAY is set here and inherited by accepted
// sockets, which saves a call per connection. A stale unix socket file is replaced.
int listen_stream(const Address& address, const ListenOptions& options, UniqueFd* out);

// 0 when nobody listens on `address`, -EADDRINUSE when somebody does. SO_REUSEPORT would hide a
// second instance that silently takes half of the connections.
int probe_listen_address(const Address& address);

// A non-blocking stream socket to dial `destination` with. TCP_NODELAY is set. Returns the
// descriptor.
int open_stream_socket(int family);

// Whether sockets of this family can be made: some hosts have no IPv6 (`ipv6.disable=1`), and some
// sandboxes deny it.
bool has_family(int family);

// Where a connection comes from, as far as that is not left to the kernel.
struct StreamSource {
  // Of the socket's family; unspecified = the kernel's choice. With port 0 the kernel chooses the
  // port at the connect, when it knows the other end: then a port that is taken towards one
  // destination is free towards another (ip(7), IP_BIND_ADDRESS_NO_PORT).
  Address address = {};
  // The address may be somebody else's (ip(7), IP_TRANSPARENT): needs CAP_NET_ADMIN.
  bool is_transparent = false;
  std::string interface = {};  // the only one to leave through (SO_BINDTODEVICE); empty = any
};

// Before the connect. -EADDRNOTAVAIL: no such address here; -EADDRINUSE: the port is taken;
// -EPERM: a capability is missing; -ENODEV: no such interface.
int set_stream_source(int fd, const StreamSource& source);

// Makes a listening TCP socket ignore new connection attempts (SYN segments are dropped, so the
// client tries again later and may then meet a successor), while handshakes under way still end in
// the accept queue. What is queued can then be accepted to the last before the socket is closed:
// closing it with a filled queue would reset those clients.
int stop_new_handshakes(int listen_fd);

// Copies what is there and leaves it there (recv(2), MSG_PEEK): how much, 0 at the end of the
// stream, -EAGAIN when nothing is. A socket reports an error once: who is told here passes it on.
int peek(int fd, std::span<std::byte> out);

// From how many unread bytes on poll(2) says POLLIN (socket(7), SO_RCVLOWAT), 1 at first; the end
// of the stream and an error it tells at once, and fewer bytes when the kernel has no room for
// more. Unix sockets know nothing of it.
int set_low_mark(int fd, uint32_t size_bytes);

// Arranges for close(2) to send RST (socket(7), SO_LINGER with a zero timeout).
int arm_reset(int fd);

Address local_address(int fd);
Address peer_address(int fd);

// What the kernel knows about a TCP connection; zeros for other sockets.
struct TcpState {
  // Bytes the peer's kernel has acknowledged, and bytes that came from it, since the beginning.
  uint64_t acked_bytes = 0;
  uint64_t received_bytes = 0;
  uint32_t rtt_us = 0;
};
TcpState tcp_state(int fd);

// Bytes written to the socket that the peer's kernel has not acknowledged yet (tcp(7), SIOCOUTQ); 0
// when the connection is gone.
int64_t unacked_bytes(int fd);

}  // namespace lb::net
