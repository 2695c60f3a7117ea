// The usual set-up of a black-box test: the binary with one listener "main" in front of a service
// "web".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/address.h"
#include "test/support/sluice_process.h"
#include "test/support/socket.h"

namespace lb::test {

struct BalancerOptions {
  std::string listener = {};   // more keys of the listener's inline table
  std::string service = {};    // more lines of the service's table
  std::string runtime = {};    // lines of [runtime]
  SluiceOptions process = {};  // its engine is replaced
};

class Balancer {
 public:
  Balancer(const std::string& engine, const std::vector<net::Address>& endpoints,
           const BalancerOptions& options = {});

  // Where clients go: 127.0.0.1.
  const net::Address& address() const { return address_; }
  Socket connect(const ConnectOptions& options = {}) const {
    return Socket::connect(address_, options);
  }
  SluiceProcess& process() { return process_; }
  const SluiceProcess& process() const { return process_; }
  // A connection whose other end is the backend behind, checked by an echo.
  Socket connect_echo() const;

 private:
  net::Address address_;
  SluiceProcess process_;
};

// Connects to where nobody may be served. Throws unless the answer is a RST: from the handshake,
// or in place of the first byte.
void expect_refused(const net::Address& address);
// Connects; true when an echo comes back, false when it is refused by a RST; else throws.
bool served(const net::Address& address);
// One message to an echo and back.
void expect_echo(Socket& socket, std::string_view text);

}  // namespace lb::test
