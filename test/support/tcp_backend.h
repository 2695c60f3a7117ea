// A scripted server: every accepted connection runs the script in a thread of its own. What goes
// wrong in a script is kept and thrown where the test asks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "test/support/socket.h"

namespace lb::test {

class TcpBackend {
 public:
  using Script = std::function<void(Socket&)>;

  // Listens on a free port of 127.0.0.1.
  explicit TcpBackend(Script script);
  TcpBackend(Script script, const net::Address& address);
  // Ends every script that still waits for its socket.
  ~TcpBackend();

  const net::Address& address() const { return address_; }
  uint16_t port() const { return address_.port(); }
  int accepted() const { return accepted_; }

  // Waits until `count` connections were accepted and every script has ended, then throws the
  // first thing that went wrong in one of them.
  void wait_finished(int count);
  // Throws what went wrong so far, if anything did.
  void check();

 private:
  void accept_loop();
  void run(Socket socket);

  Script script_;
  net::Address address_;
  net::UniqueFd listener_;
  net::UniqueFd stop_;  // an eventfd, readable once the backend is to end
  std::atomic<int> accepted_ = 0;
  std::atomic<int> finished_ = 0;
  std::mutex mutex_;  // guards failure_
  std::string failure_;
  std::thread acceptor_;
};

// A script that sends back what comes, until FIN, and then finishes.
void echo(Socket& socket);
// A script that keeps the connection until the client closes it, and says nothing.
void hold(Socket& socket);

// A listening socket on `address`, non-blocking.
net::UniqueFd listen_on(const net::Address& address, int backlog = 4096);

}  // namespace lb::test
