// A DNS server on 127.0.0.1, over UDP and TCP, that says what the test wants. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lb/control/dns/resolver.h"
#include "lb/net/fd.h"

namespace lb::test {

class DNSServer {
 public:
  // kAnswer: names without records do not exist, and records of another type are no data.
  enum class Mode { kAnswer, kRefuse, kServfail, kNXDomain, kSilent };

  DNSServer();
  // On a port that is known to be free: whom resolv.conf names is asked on port 53.
  explicit DNSServer(uint16_t port);
  ~DNSServer();

  uint16_t port() const { return port_; }
  // `[dns] servers` with this one.
  std::string config() const;

  // A and AAAA records, instead of those before.
  void set_addresses(const std::string& name, const std::vector<std::string>& ips,
                     uint32_t ttl_s = 1);
  void set_services(const std::string& name, const std::vector<control::ServiceRecord>& services,
                    uint32_t ttl_s = 1);
  void forget(const std::string& name);
  void set_mode(Mode mode);
  // The same for one type of question only (1 = A, 28 = AAAA, 33 = SRV).
  void set_mode_of_type(uint16_t type, Mode mode);
  // Answers by UDP have nothing in them but that they are cut.
  void set_truncating(bool is_truncating);
  // Each answer by UDP takes so long, and the next question waits for it.
  void set_delay(std::chrono::milliseconds delay);

  // Questions so far.
  int asked() const;
  int asked(const std::string& name) const;
  int asked_by_tcp() const;

 private:
  struct Entry {
    std::vector<std::string> ips;
    std::vector<control::ServiceRecord> services;
    uint32_t ttl_s = 1;
  };
  struct Stream {
    net::UniqueFd fd;
    std::string received;
    bool is_over = false;
  };

  void loop();
  void serve_datagram();
  void serve_stream(Stream& stream);
  // The answer to a question; empty = none.
  std::string answer(std::string_view question, bool is_tcp);

  uint16_t port_;
  net::UniqueFd udp_;
  net::UniqueFd tcp_;
  net::UniqueFd stop_;  // an eventfd, readable once the server is to end
  std::list<Stream> streams_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, Entry> entries_;
  Mode mode_ = Mode::kAnswer;
  std::map<uint16_t, Mode> mode_of_type_;
  bool is_truncating_ = false;
  std::chrono::milliseconds delay_{0};
  std::map<std::string, int> asked_;
  int asked_by_tcp_ = 0;
  std::thread thread_;
};

}  // namespace lb::test
