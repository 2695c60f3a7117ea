// A network of the test's own: its ports are all free, and its routes can lead nowhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lb/net/fd.h"

namespace lb::test {

// Moves the calling thread, and with it every thread and process that it starts, into a new network
// namespace with the loopback interface up; moves the thread back when the object goes.
class NetworkNamespace {
 public:
  // Null, with a printed line, where that is not allowed (it needs root).
  static std::unique_ptr<NetworkNamespace> enter();
  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  // `ip ARGUMENTS` of iproute2 in here; throws when it fails.
  void ip(const std::string& arguments) const;
  // Sets a variable of this network: "ipv4/tcp_syncookies".
  void set(const std::string& variable, const std::string& value) const;
  // What the kernel has counted in this network: "ListenDrops" and the others of TcpExt.
  uint64_t tcp_counter(const std::string& name) const;

 private:
  explicit NetworkNamespace(net::UniqueFd outside) : outside_(std::move(outside)) {}

  net::UniqueFd outside_;
};

}  // namespace lb::test
