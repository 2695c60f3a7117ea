// How many of a backend's guests are there at a time. A guest leaves before his backend ends the
// connection, so the balancer, which counts him until both ends have, cannot be behind.
#pragma once

#include <atomic>

#include "test/support/socket.h"

namespace lb::test {

class Crowd {
 public:
  // A script: waits for one byte, stays for a moment, answers with one byte and ends.
  void serve(Socket& socket);

  int most() const { return most_; }
  int served() const { return served_; }

 private:
  std::atomic<int> inside_ = 0;
  std::atomic<int> most_ = 0;
  std::atomic<int> served_ = 0;
};

// What came of one client of such a backend.
enum class Visit { kServed, kRefused };
Visit visit(const net::Address& address);

struct Visits {
  int served = 0;
  int refused = 0;
};
// `clients` threads, each coming so many times, one visit after the other.
Visits storm(const net::Address& address, int clients, int visits);

}  // namespace lb::test
