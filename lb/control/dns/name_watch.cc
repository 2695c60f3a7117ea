#include "lb/control/dns/name_watch.h"

#include <algorithm>
#include <cctype>

namespace lb::control {
namespace {

void add_policy(const config::DNSPolicy& policy, std::vector<config::DNSPolicy>& policies) {
  if (std::find(policies.begin(), policies.end(), policy) == policies.end()) {
    policies.push_back(policy);
  }
}

}  // namespace

NameWatch::NameWatch(event::Engine& engine, util::Log& log, uint64_t seed, Hooks hooks)
    : engine_(engine), log_(log), random_(seed), hooks_(std::move(hooks)) {
  tell_timer_.bind<&NameWatch::tell>(this);
  wait_timer_.bind<&NameWatch::on_wait_over>(this);
}

NameWatch::~NameWatch() {
  stop();
  engine_.timers().stop(wait_timer_);
}

void NameWatch::stop() {
  resolver_.reset();
  engine_.timers().stop(tell_timer_);
  for (auto& [key, watched] : names_) engine_.timers().stop(watched->timer);
}

// A name is the same in any case.
NameWatch::Key NameWatch::key_of(std::string name, bool is_srv) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return {std::move(name), is_srv};
}

NameWatch::Key NameWatch::target_key(const ServiceRecord& record) {
  Key key = key_of(record.target, false);
  key.is_target = true;
  return key;
}

NameWatch::Wanted NameWatch::wanted_by(const config::Config& config) {
  Wanted wanted;
  for (const config::Service& service : config.services) {
    for (const config::Endpoint* named : names_of(service)) {
      add_policy(service.policy.dns, wanted[key_of(named->hostname, named->srv)]);
    }
  }
  return wanted;
}

void NameWatch::look_up(const config::Config& config, int64_t max_wait_ms,
                        std::function<void()> on_done) {
  const Wanted coming = wanted_by(config);
  for (const auto& [key, policies] : coming) {
    if (!wanted_.contains(key)) awaited_.push_back(key);
    for (const config::DNSPolicy& policy : policies) add_policy(policy, wanted_[key]);
  }
  if (!coming.empty()) use_servers(config.dns, true);
  sync();
  if (awaited_.empty()) return on_done();
  on_wait_over_ = std::move(on_done);
  engine_.timers().start(wait_timer_, util::mono_now_ms() + max_wait_ms);
}

void NameWatch::follow(const config::Config& config) {
  wanted_ = wanted_by(config);
  by_service_.clear();
  for (const config::Service& service : config.services) {
    for (const config::Endpoint* named : names_of(service)) {
      by_service_[to_string(service.name)].insert(key_of(named->hostname, named->srv));
    }
  }
  if (!wanted_.empty()) use_servers(config.dns, false);
  sync();
  if (names_.empty()) resolver_.reset();
}

void NameWatch::use_servers(const config::DNS& dns, bool may_have_changed) {
  // The system's servers are read when a resolver is made.
  const bool is_same = dns == dns_ && !(dns.servers.empty() && may_have_changed);
  if (resolver_ != nullptr && is_same) return;
  resolver_.reset();
  dns_ = dns;
  resolver_ = hooks_.make_resolver(dns.servers);
  if (resolver_ == nullptr) log_.error("names cannot be resolved: no resolver could be made");
  lookups_ = 0;
  queue_.clear();
  for (auto& [key, watched] : names_) {
    watched->is_queued = false;
    // What was under way is asked for again.
    if (watched->round == 0 && watched->timer.is_running()) continue;
    watched->round = 0;
    engine_.timers().start(watched->timer, engine_.now_ms());
  }
}

void NameWatch::sync() {
  Wanted needed = wanted_;
  for (const auto& [key, policies] : wanted_) {
    const auto found = names_.find(key);
    if (found == names_.end()) continue;
    for (const auto* records : {&found->second->records, &found->second->coming_records}) {
      for (const ServiceRecord& record : *records) {
        for (const config::DNSPolicy& policy : policies) {
          add_policy(policy, needed[target_key(record)]);
        }
      }
    }
  }
  for (auto entry = names_.begin(); entry != names_.end();) {
    if (needed.contains(entry->first)) {
      ++entry;
      continue;
    }
    engine_.timers().stop(entry->second->timer);
    entry = names_.erase(entry);
  }
  for (auto& [key, policies] : needed) {
    std::unique_ptr<Watched>& watched = names_[key];
    const bool is_new = watched == nullptr;
    if (is_new) watched = std::make_unique<Watched>(*this, key);
    watched->policies = std::move(policies);
    if (is_new) begin_round(*watched);
  }
  check_wait();
}

void NameWatch::resolve(config::Config& config) const {
  resolve_names(config, [this](const config::Endpoint& named) { return targets_of(named); });
}

std::vector<NamedTarget> NameWatch::targets_of(const config::Endpoint& named) const {
  std::vector<NamedTarget> targets;
  if (named.srv) {
    const auto found = names_.find(key_of(named.hostname, true));
    if (found != names_.end()) targets = targets_of_records(found->second->records);
  } else {
    for (std::string& address : addresses_of(key_of(named.hostname, false))) {
      targets.push_back({.address = std::move(address)});
    }
  }
  if (targets.size() > kMaxEndpointsPerName) targets.resize(kMaxEndpointsPerName);
  return targets;
}

// Their priorities are ranked, so that they are as few as there are tiers. A weight of 0 is the
// least of chances (RFC 2782), which ours is 1 for.
std::vector<NamedTarget> NameWatch::targets_of_records(
    const std::vector<ServiceRecord>& records) const {
  std::vector<NamedTarget> targets;
  std::set<uint16_t> priorities;
  for (const ServiceRecord& record : records) {  // sorted, by priority first
    priorities.insert(record.priority);
    for (std::string& address : addresses_of(target_key(record))) {
      targets.push_back({.address = std::move(address),
                         .port = record.port,
                         .weight = std::max<uint32_t>(record.weight, 1),
                         .priority = static_cast<uint32_t>(priorities.size() - 1)});
    }
  }
  return targets;
}

std::vector<std::string> NameWatch::addresses_of(const Key& key) const {
  std::vector<std::string> addresses;
  const auto found = names_.find(key);
  if (found == names_.end()) return addresses;
  for (const std::vector<std::string>& part : found->second->addresses) {
    addresses.insert(addresses.end(), part.begin(), part.end());
  }
  return addresses;
}

void NameWatch::note_failure(const std::string& service) {
  const auto found = by_service_.find(service);
  if (found == by_service_.end() || resolver_ == nullptr) return;
  const auto hurry = [this](const Key& key) {
    const auto name = names_.find(key);
    if (name == names_.end() || name->second->round != 0 || name->second->is_queued) return;
    name->second->schedule.hurry(engine_.now_ms());
    engine_.timers().start(name->second->timer, name->second->schedule.next_ms());
  };
  for (const Key& key : found->second) {
    hurry(key);
    const auto name = names_.find(key);
    if (name == names_.end()) continue;
    for (const ServiceRecord& record : name->second->records) hurry(target_key(record));
  }
}

DNSFigures NameWatch::figures() const {
  DNSFigures figures;
  figures.lookups = results_;
  for (const auto& [key, watched] : names_) {
    const bool is_known = has_answer(*watched);
    if (!is_known) {
      ++figures.unresolved;
    } else if (watched->is_failing) {
      ++figures.stale;
    } else {
      ++figures.resolved;
    }
  }
  return figures;
}

void NameWatch::check_wait() {
  if (!on_wait_over_) return;
  const bool is_over = std::all_of(awaited_.begin(), awaited_.end(),
                                   [this](const Key& key) { return is_settled(key); });
  if (is_over) engine_.timers().start(wait_timer_, engine_.now_ms());
}

bool NameWatch::is_settled(const Key& key) const {
  const auto found = names_.find(key);
  if (found == names_.end()) return true;
  return found->second->was_asked && are_targets_asked(*found->second);
}

void NameWatch::on_wait_over() {
  awaited_.clear();
  std::exchange(on_wait_over_, nullptr)();
}

void NameWatch::tell_soon() {
  if (!tell_timer_.is_running()) engine_.timers().start(tell_timer_, engine_.now_ms());
}

void NameWatch::tell() { hooks_.on_change(); }

}  // namespace lb::control
