// Clients that connect, exchange a message with an echo and close, over and over: load that notices
// whatever a connection can lose.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lb/net/address.h"

namespace lb::test {

class Churn {
 public:
  // What a client may meet. With kMayBeAbsent nobody need listen, so a connect may be refused or
  // find no answer; but who is connected must be served either way.
  enum class Listener { kAlwaysThere, kMayBeAbsent };

  // `clients` threads begin at once, each with one connection at a time and about 500 a second.
  Churn(const net::Address& address, int clients, Listener listener = Listener::kAlwaysThere);
  ~Churn();
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  uint64_t served() const { return served_; }

  struct Outcome {
    uint64_t served = 0;
    uint64_t absent = 0;                           // found nobody
    uint64_t retransmitted_syns = 0;               // of the served ones
    std::chrono::milliseconds longest_connect{0};  // of the served ones
    uint64_t failures = 0;
    std::string first_failure;
  };
  // Ends the clients and tells how they fared.
  Outcome stop();

 private:
  void run(uint64_t client);
  // One connection; false when nobody was there.
  bool come_and_go(const std::string& text);
  void note_connect(int fd, std::chrono::milliseconds duration);
  void note_failure(const std::string& why);

  const net::Address address_;
  const Listener listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> served_ = 0;
  std::mutex mutex_;  // guards outcome_
  Outcome outcome_;
  std::vector<std::thread> threads_;
};

}  // namespace lb::test
