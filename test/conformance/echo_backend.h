// The echo server of the API's conformance tests, and its client. The server speaks first: a
// balancer that waited for the client before it dials would never get an answer.
#pragma once

#include <string>

#include "lb/net/address.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"

namespace lb::test {

// A script for a TcpBackend: a banner, then an answer to each of the lines PING, IS_TLS and TEST;
// other lines are ignored. TEST tells `name`.
TcpBackend::Script echo_server(const std::string& name);

// A client that stays connected. Every call throws Failure when the answer is not the protocol's.
class EchoClient {
 public:
  // Connects and reads the banner.
  explicit EchoClient(const net::Address& address);
  // The name of the server at the other end.
  std::string ask_name();
  // All that a client can ask; returns the name.
  std::string ask_everything();

 private:
  std::string ask(const std::string& line);

  Socket socket_;
  std::string unread_;
};

// Which server a new connection reaches.
std::string reached(const net::Address& address);

}  // namespace lb::test
