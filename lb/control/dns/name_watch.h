// The names of a configuration's endpoints: what the DNS says of them, for as long as it may be
// believed, and what it said last where it does not answer.
//
// A and AAAA records of a name are asked for together and kept apart: one that cannot be had does
// not take the other away. A name of SRV records is replaced by what its targets come to, which are
// names like any other; new records take effect once their targets have been asked for.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lb/config/model.h"
#include "lb/control/dns/dns_schedule.h"
#include "lb/control/dns/named_endpoints.h"
#include "lb/control/dns/resolver.h"
#include "lb/event/engine.h"
#include "lb/util/log.h"

namespace lb::control {

// What there is to count.
struct DNSFigures {
  std::array<uint64_t, kLookupResults> lookups = {};  // by LookupResult
  uint64_t resolved = 0;                              // names of which the last answer is good
  uint64_t stale = 0;                                 // an older one is kept
  uint64_t unresolved = 0;                            // none
};

// Control thread.
class NameWatch {
 public:
  using MakeResolver =
      std::function<std::unique_ptr<Resolver>(const std::vector<net::Address>& servers)>;

  // Told, from the loop, when resolve() gives something else than before.
  struct Hooks {
    MakeResolver make_resolver;
    std::function<void()> on_change;
    bool has_ipv6 = true;  // false: AAAA records are not asked for, nothing could come of them
  };

  // Lookups at once; other names wait for their turn.
  static constexpr size_t kMaxLookups = 64;

  // `engine` and `log` must outlive the watch.
  NameWatch(event::Engine& engine, util::Log& log, uint64_t seed, Hooks hooks);
  NameWatch(const NameWatch&) = delete;
  NameWatch& operator=(const NameWatch&) = delete;
  ~NameWatch();

  // Asks for the names of a configuration that may come, beside those that are followed. Calls
  // `on_done` when each that is new has been asked for once, or after `max_wait_ms`: at once when
  // none is new, else from the loop. One at a time.
  void look_up(const config::Config& config, int64_t max_wait_ms, std::function<void()> on_done);
  // From now on these names in place of those before. What is known of those that stay is kept.
  void follow(const config::Config& config);
  // Asks for nothing any more.
  void stop();

  bool is_watching() const { return !names_.empty(); }
  // Puts what is known in place of the names.
  void resolve(config::Config& config) const;
  // Connections to the service fail: its names are asked for again, each at most once a second.
  void note_failure(const std::string& service);

  DNSFigures figures() const;

 private:
  struct Key {
    std::string name;
    bool is_srv = false;
    bool is_target = false;  // of an SRV record, where names are absolute (RFC 2782)

    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // One name that is asked for.
  struct Watched {
    Watched(NameWatch& watch, Key of) : owner(watch), key(std::move(of)) {
      timer.bind<&Watched::on_due>(this);
    }
    void on_due() { owner.begin_round(*this); }

    NameWatch& owner;
    const Key key;
    event::Timer timer;
    DNSSchedule schedule;
    std::vector<config::DNSPolicy> policies;             // of those who name it
    std::array<std::vector<std::string>, 2> addresses;   // of kA and of kAAAA, sorted
    std::vector<ServiceRecord> records, coming_records;  // of SRV; those wait for their targets
    // A round asks for all of its records once.
    uint64_t round = 0;  // its number; 0 = none is under way
    size_t parts_left = 0;
    std::array<Answer, 2> parts;
    bool is_queued = false;  // for a round
    bool was_asked = false;  // a round has ended
    bool is_failing = false;
  };

  // What is wanted of each name, and who wants it.
  using Wanted = std::map<Key, std::vector<config::DNSPolicy>>;

  static Key key_of(std::string name, bool is_srv);
  static Key target_key(const ServiceRecord& record);
  // How many types of records are asked for.
  size_t parts_of(const Key& key) const { return key.is_srv || !hooks_.has_ipv6 ? 1 : 2; }
  static Wanted wanted_by(const config::Config& config);
  void use_servers(const config::DNS& dns, bool may_have_changed);
  // Makes `names_` those that are wanted and the targets of their SRV records.
  void sync();
  void begin_round(Watched& watched);
  void begin_queued();
  void on_answer(const Key& key, uint64_t round, size_t part, const Answer& answer);
  void end_round(Watched& watched);
  void end_failed_round(Watched& watched);
  bool take_addresses(Watched& watched);
  void take_records(Watched& watched);
  // Whether every target of the records that are to come has been asked for.
  bool are_targets_asked(const Watched& watched) const;
  void adopt_records();
  bool is_settled(const Key& key) const;
  std::vector<NamedTarget> targets_of(const config::Endpoint& named) const;
  std::vector<NamedTarget> targets_of_records(const std::vector<ServiceRecord>& records) const;
  std::vector<std::string> addresses_of(const Key& key) const;
  bool has_answer(const Watched& watched) const;
  void check_wait();
  void tell_soon();
  void tell();
  void on_wait_over();

  event::Engine& engine_;
  util::Log& log_;
  util::Random random_;
  const Hooks hooks_;
  std::unique_ptr<Resolver> resolver_;  // null before a name is wanted
  config::DNS dns_;                     // that it was made for
  Wanted wanted_;
  std::map<std::string, std::set<Key>> by_service_;
  std::map<Key, std::unique_ptr<Watched>> names_;
  std::deque<Key> queue_;
  uint64_t last_round_ = 0;
  size_t lookups_ = 0;  // under way
  std::array<uint64_t, kLookupResults> results_ = {};
  event::Timer tell_timer_;
  event::Timer wait_timer_;
  std::vector<Key> awaited_;
  std::function<void()> on_wait_over_;
};

}  // namespace lb::control
