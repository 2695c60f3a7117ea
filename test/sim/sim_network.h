// The world around a simulated engine: descriptors, addresses that answer or do not, and the
// scripts' ends of all connections. It watches how descriptors are used and speaks up at misuse.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "lb/net/address.h"
#include "test/sim/sim_schedule.h"
#include "test/sim/sim_socket.h"

namespace lb::sim {

// How an address answers one connect.
struct SimAnswer {
  int32_t result = 0;  // 0 or -errno
  bool is_silent = false;
  util::MonoTimeMs delay_ms = 0;
};

// A script behind an address.
struct SimServer {
  std::function<SimAnswer()> answer;
  // The far end of a connection that was established.
  std::function<void(SimSocket&)> accepted;
};

class SimNetwork {
 public:
  // Numbers that no real descriptor of a test has: a system call on one fails.
  static constexpr int kFirstFd = 100'000;

  SimNetwork(const SimOptions& options, util::MonoTimeMs now_ms) : schedule_(options, now_ms) {}
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  SimSchedule& schedule() { return schedule_; }

  // What happens when the product breaks a rule. Prints and aborts unless a test wants to know.
  void set_failure_handler(std::function<void(const std::string&)> handler) {
    failure_handler_ = std::move(handler);
  }
  void fail(const std::string& what);

  // For scripts.
  void add_server(const net::Address& address, SimServer server);
  // A connection that is there already: the product's descriptor and the script's end.
  std::pair<int, SimSocket*> make_connection(const net::Address& local, const net::Address& client);
  // A listening descriptor of the product; connections to it wait to be accepted.
  int listen(const net::Address& address, size_t backlog);
  // Dials a listener as a client: null when its backlog is full.
  SimSocket* dial(int listen_fd, const net::Address& client);
  // From now on only so many descriptors at a time.
  void set_fd_limit(size_t limit) { fd_limit_ = limit; }
  size_t open_fds() const { return open_fds_; }
  net::Address address_of(int listen_fd) { return entry_of(listen_fd, "address")->address; }

  // For the engine. All of them speak up when the descriptor is not open.
  int open_stream_socket();
  int set_stream_source(int fd);
  SimSocket* socket_of(int fd, const char* what);  // null when it is not connected
  // Decides how a connect ends, and when; `done` may never be called.
  void connect(int fd, const net::Address& address, std::function<void(int32_t)> done);
  // A descriptor from the listener's queue, -EAGAIN or -EMFILE.
  int32_t accept(int listen_fd);
  void close(int fd, event::CloseMode mode);
  // Called soon after something may have become possible on the descriptor.
  void observe(int fd, std::function<void()> observer);

 private:
  struct Entry {
    bool is_open = false;
    bool is_listener = false;
    SimSocket* socket = nullptr;  // of a connection
    uint64_t generation = 0;      // of the number
    net::Address address;         // of a listener
    size_t backlog = 0;
    std::deque<SimSocket*> queue;
    std::function<void()> observer;
  };

  Entry* entry_of(int fd, const char* what);
  int open_fd();
  std::pair<SimSocket*, SimSocket*> make_sockets();
  void establish(int fd, const net::Address& address, const SimServer& server);
  void notify(int fd);

  SimSchedule schedule_;
  std::function<void(const std::string&)> failure_handler_;
  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<SimSocket>> sockets_;
  std::map<std::string, SimServer> servers_;
  std::map<std::string, int> listeners_;
  size_t fd_limit_ = SIZE_MAX;
  size_t open_fds_ = 0;
};

}  // namespace lb::sim
