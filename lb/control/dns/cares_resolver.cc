// Names are asked for through c-ares, of which nothing is seen outside this file. It says when it
// wants to read or write, and we say when it can.

// Later versions advise against functions in whose place 1.18 has no others.
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>

#include "fmt/format.h"
#include "lb/control/dns/resolver.h"
#include "lb/control/dns/srv_answer.h"
#include "lb/net/fd.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

// A server gets this long for the first try, twice as long for the second, and so on.
constexpr int kFirstTimeoutMs = 500;
constexpr int kTries = 3;
// What fits into a datagram everywhere (RFC 6891, and what resolvers agreed on in 2020).
constexpr int kDatagramBytes = 1232;

class ReadySink {
 public:
  virtual ~ReadySink() = default;
  virtual void on_ready(int channel_fd, uint32_t events) = 0;
};

// Waits for a socket of the channel, through a descriptor of its own for it: the channel closes
// its descriptors when it likes, and a polled one must not be closed. Lives until end() and the
// poll's completion.
class SocketPoll {
 public:
  SocketPoll(event::Engine& engine, ReadySink& sink, int channel_fd, net::UniqueFd own_fd)
      : engine_(engine), sink_(sink), channel_fd_(channel_fd), fd_(std::move(own_fd)) {
    poll_.bind<&SocketPoll::on_poll>(this);
  }
  SocketPoll(const SocketPoll&) = delete;
  SocketPoll& operator=(const SocketPoll&) = delete;

  void want(uint32_t events) {
    wanted_ = events;
    if (!poll_.in_flight()) {
      arm();
    } else if (armed_ != wanted_) {
      engine_.cancel(poll_);
    }
  }

  void end() {
    is_ended_ = true;
    if (poll_.in_flight()) {
      engine_.cancel(poll_);
    } else if (!is_telling_) {
      delete this;
    }
  }

 private:
  ~SocketPoll() { engine_.close(fd_.release(), event::CloseMode::kFin); }

  void arm() {
    if (wanted_ == 0) return;
    armed_ = wanted_;
    engine_.poll(poll_, fd_.get(), wanted_);
  }

  void on_poll(event::Completion completion) {
    if (!is_ended_ && completion.result > 0) {
      is_telling_ = true;
      sink_.on_ready(channel_fd_, static_cast<uint32_t>(completion.result));
      is_telling_ = false;
    }
    if (is_ended_) {
      if (!poll_.in_flight()) delete this;
      return;
    }
    // One that cannot be waited for is left to its timeout.
    const bool has_failed = completion.result < 0 && completion.result != -ECANCELED;
    if (!has_failed && !poll_.in_flight()) arm();
  }

  event::Engine& engine_;
  ReadySink& sink_;  // not used once it has ended
  const int channel_fd_;
  net::UniqueFd fd_;
  event::Op poll_;
  uint32_t wanted_ = 0;
  uint32_t armed_ = 0;
  bool is_telling_ = false;
  bool is_ended_ = false;
};

LookupResult result_of(int status) {
  switch (status) {
    case ARES_SUCCESS:
      return LookupResult::kFound;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      return LookupResult::kNotFound;
    case ARES_ETIMEOUT:
      return LookupResult::kTimeout;
    default:
      return LookupResult::kFailed;
  }
}

Answer failed(int status) {
  Answer answer;
  answer.result = result_of(status);
  answer.why = ares_strerror(status);
  return answer;
}

Answer read_addresses(const ares_addrinfo& info) {
  Answer answer;
  int ttl_s = INT32_MAX;
  for (const ares_addrinfo_cname* alias = info.cnames; alias != nullptr; alias = alias->next) {
    ttl_s = std::min(ttl_s, alias->ttl);
  }
  for (const ares_addrinfo_node* node = info.nodes; node != nullptr; node = node->ai_next) {
    ttl_s = std::min(ttl_s, node->ai_ttl);
    sockaddr_storage storage = {};
    std::memcpy(&storage, node->ai_addr, std::min<size_t>(node->ai_addrlen, sizeof(storage)));
    answer.addresses.push_back(
        net::Address::from_sockaddr(storage, node->ai_addrlen).host_string());
  }
  if (answer.addresses.empty()) return failed(ARES_ENODATA);
  answer.result = LookupResult::kFound;
  answer.ttl_ms = std::max<int64_t>(ttl_s, 0) * 1000;
  return answer;
}

// What a channel knows of the system.
enum class SystemUse {
  kAll,       // its hosts file, servers and search domains
  kNoSearch,  // all but the search domains
  kNothing,   // whoever makes it sets the servers
};

class CAresResolver final : public Resolver, private ReadySink {
 public:
  CAresResolver(event::Engine& engine, SystemUse use) : engine_(engine) {
    timeout_timer_.bind<&CAresResolver::on_timeout>(this);
    answer_timer_.bind<&CAresResolver::hand_out>(this);
    is_library_up_ = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    if (is_library_up_) open_channel(use);
  }
  CAresResolver(const CAresResolver&) = delete;
  CAresResolver& operator=(const CAresResolver&) = delete;

  ~CAresResolver() override {
    is_closing_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);
    for (const auto& [fd, poll] : polls_) poll->end();
    engine_.timers().stop(timeout_timer_);
    engine_.timers().stop(answer_timer_);
    if (is_library_up_) ares_library_cleanup();
  }

  bool is_open() const { return channel_ != nullptr; }

  bool set_servers(const std::vector<net::Address>& servers) {
    std::string list;
    for (const net::Address& server : servers) {
      list += fmt::format("{}{}", list.empty() ? "" : ",", server.to_string());
    }
    return ares_set_servers_ports_csv(channel_, list.c_str()) == ARES_SUCCESS;
  }

  void ask(const std::string& name, RecordType type, OnAnswer on_answer) override {
    auto* lookup = new Lookup{*this, std::move(on_answer)};
    if (type == RecordType::kSRV) {
      constexpr int kClassIN = 1;
      constexpr int kTypeSRV = 33;
      ares_search(channel_, name.c_str(), kClassIN, kTypeSRV, on_message, lookup);
    } else {
      ares_addrinfo_hints hints = {};
      hints.ai_flags = ARES_AI_NOSORT;
      hints.ai_family = type == RecordType::kA ? AF_INET : AF_INET6;
      hints.ai_socktype = SOCK_STREAM;  // or there would be each address for each kind of socket
      ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, on_addresses, lookup);
    }
    set_timeout();
  }

 private:
  struct Lookup {
    CAresResolver& resolver;
    OnAnswer on_answer;
  };

  void open_channel(SystemUse use) {
    ares_options options = {};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
               ARES_OPT_SOCK_STATE_CB;
    options.flags = ARES_FLAG_EDNS;
    options.timeout = kFirstTimeoutMs;
    options.tries = kTries;
    options.ednspsz = kDatagramBytes;
    options.sock_state_cb = on_socket;
    options.sock_state_cb_data = this;
    std::string lookups = "b";  // the DNS alone
    if (use != SystemUse::kAll) {
      options.flags |= ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
      // Of the two, ares_getaddrinfo() heeds the list in old versions and the flag in new ones.
      options.domains = nullptr;
      options.ndomains = 0;
      mask |= ARES_OPT_DOMAINS;
    }
    if (use == SystemUse::kNothing) {
      options.lookups = lookups.data();
      mask |= ARES_OPT_LOOKUPS;
    }
#ifdef ARES_OPT_QUERY_CACHE
    // How long an answer is believed is ours to say.
    options.qcache_max_ttl = 0;
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) channel_ = nullptr;
  }

  static void on_socket(void* self, ares_socket_t fd, int is_read, int is_write) {
    static_cast<CAresResolver*>(self)->watch_socket(fd, is_read != 0, is_write != 0);
  }

  void watch_socket(int fd, bool is_read, bool is_write) {
    const auto found = polls_.find(fd);
    if (!is_read && !is_write) {
      if (found == polls_.end()) return;
      found->second->end();
      polls_.erase(found);
      return;
    }
    SocketPoll* poll = found == polls_.end() ? nullptr : found->second;
    if (poll == nullptr) {
      net::UniqueFd own_fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (!own_fd.is_open()) return;  // none left: the lookup times out
      poll = new SocketPoll(engine_, *this, fd, std::move(own_fd));
      polls_.emplace(fd, poll);
    }
    poll->want((is_read ? uint32_t{POLLIN} : 0U) | (is_write ? uint32_t{POLLOUT} : 0U));
  }

  void on_ready(int channel_fd, uint32_t events) override {
    const bool is_broken = (events & (POLLERR | POLLHUP)) != 0;
    ares_process_fd(channel_, is_broken || (events & POLLIN) != 0 ? channel_fd : ARES_SOCKET_BAD,
                    (events & POLLOUT) != 0 ? channel_fd : ARES_SOCKET_BAD);
    set_timeout();
  }

  void on_timeout() {
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timeout();
  }

  void set_timeout() {
    timeval left = {};
    if (ares_timeout(channel_, nullptr, &left) == nullptr) {
      return engine_.timers().stop(timeout_timer_);
    }
    const int64_t left_ms = int64_t{left.tv_sec} * 1000 + (left.tv_usec + 999) / 1000;
    engine_.timers().start(timeout_timer_, util::mono_now_ms() + left_ms);
  }

  static void on_addresses(void* argument, int status, int /*timeouts*/, ares_addrinfo* info) {
    const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(argument));
    lookup->resolver.answer(*lookup,
                            status == ARES_SUCCESS ? read_addresses(*info) : failed(status));
    if (info != nullptr) ares_freeaddrinfo(info);
  }

  static void on_message(void* argument, int status, int /*timeouts*/, unsigned char* message,
                         int size_bytes) {
    const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(argument));
    if (status != ARES_SUCCESS) return lookup->resolver.answer(*lookup, failed(status));
    const std::span bytes(message, static_cast<size_t>(size_bytes));
    lookup->resolver.answer(*lookup, read_srv_answer(std::as_bytes(bytes)));
  }

  // c-ares may say it in the middle of ask(); we promise not to.
  void answer(Lookup& lookup, Answer answer) {
    if (is_closing_) return;
    answers_.emplace_back(std::move(lookup.on_answer), std::move(answer));
    if (!answer_timer_.is_running()) engine_.timers().start(answer_timer_, engine_.now_ms());
  }

  void hand_out() {
    const auto answers = std::exchange(answers_, {});
    for (const auto& [on_answer, answer] : answers) on_answer(answer);
  }

  event::Engine& engine_;
  bool is_library_up_ = false;
  bool is_closing_ = false;
  ares_channel channel_ = nullptr;
  std::unordered_map<int, SocketPoll*> polls_;  // by the channel's descriptor
  std::vector<std::pair<OnAnswer, Answer>> answers_;
  event::Timer timeout_timer_;
  event::Timer answer_timer_;
};

// Asks as the system does. An absolute name has a channel of its own: c-ares puts a search domain
// even behind the dot at its end, and does not find a name with a dot in the hosts file.
class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(event::Engine& engine)
      : relative_(engine, SystemUse::kAll), absolute_(engine, SystemUse::kNoSearch) {}

  bool is_open() const { return relative_.is_open() && absolute_.is_open(); }

  void ask(const std::string& name, RecordType type, OnAnswer on_answer) override {
    if (!name.ends_with('.')) return relative_.ask(name, type, std::move(on_answer));
    absolute_.ask(name.substr(0, name.size() - 1), type, std::move(on_answer));
  }

 private:
  CAresResolver relative_;
  CAresResolver absolute_;
};

}  // namespace

std::unique_ptr<Resolver> make_cares_resolver(event::Engine& engine,
                                              const std::vector<net::Address>& servers) {
  if (servers.empty()) {
    auto system = std::make_unique<SystemResolver>(engine);
    return system->is_open() ? std::move(system) : nullptr;
  }
  auto resolver = std::make_unique<CAresResolver>(engine, SystemUse::kNothing);
  if (!resolver->is_open() || !resolver->set_servers(servers)) return nullptr;
  return resolver;
}

}  // namespace lb::control
