// How a watched name is asked for, and what is made of the answers.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "fmt/format.h"
#include "lb/control/dns/name_watch.h"

namespace lb::control {
namespace {

constexpr std::array kAddressTypes = {RecordType::kA, RecordType::kAAAA};

// The result is the answer, and nobody is in the way of it.
bool is_authoritative(const Answer& answer) {
  return answer.result == LookupResult::kFound || answer.result == LookupResult::kNotFound;
}

template <typename Value>
void sort_and_bound(std::vector<Value>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() > kMaxEndpointsPerName) values.resize(kMaxEndpointsPerName);
}

}  // namespace

void NameWatch::begin_round(Watched& watched) {
  if (resolver_ == nullptr || watched.round != 0 || watched.is_queued) return;
  if (lookups_ >= kMaxLookups) {
    watched.is_queued = true;
    queue_.push_back(watched.key);
    return;
  }
  watched.round = ++last_round_;
  watched.parts_left = parts_of(watched.key);
  watched.parts = {};
  watched.schedule.on_asked(engine_.now_ms());
  lookups_ += watched.parts_left;
  for (size_t part = 0; part < watched.parts_left; ++part) {
    const RecordType type = watched.key.is_srv ? RecordType::kSRV : kAddressTypes[part];
    resolver_->ask(watched.key.is_target ? watched.key.name + '.' : watched.key.name, type,
                   [this, key = watched.key, round = watched.round, part](const Answer& answer) {
                     on_answer(key, round, part, answer);
                   });
  }
}

void NameWatch::begin_queued() {
  while (lookups_ < kMaxLookups && !queue_.empty()) {
    const auto found = names_.find(queue_.front());
    queue_.pop_front();
    if (found == names_.end()) continue;
    found->second->is_queued = false;
    begin_round(*found->second);
  }
}

void NameWatch::on_answer(const Key& key, uint64_t round, size_t part, const Answer& answer) {
  --lookups_;
  ++results_[static_cast<size_t>(answer.result)];
  begin_queued();
  const auto found = names_.find(key);
  if (found == names_.end() || found->second->round != round) return;
  Watched& watched = *found->second;
  watched.parts[part] = answer;
  // One that has something to say does not wait for one that has not.
  if (!key.is_srv && answer.result == LookupResult::kFound) {
    std::vector<std::string> addresses = answer.addresses;
    sort_and_bound(addresses);
    if (std::exchange(watched.addresses[part], addresses) != addresses) tell_soon();
  }
  if (--watched.parts_left > 0) return;
  watched.round = 0;
  end_round(watched);
}

void NameWatch::end_round(Watched& watched) {
  const bool is_good = watched.key.is_srv ? watched.parts[0].result == LookupResult::kFound
                                          : take_addresses(watched);
  watched.was_asked = true;
  if (is_good) {
    int64_t ttl_ms = INT64_MAX;
    for (const Answer& answer : watched.parts) {
      if (answer.result == LookupResult::kFound) ttl_ms = std::min(ttl_ms, answer.ttl_ms);
    }
    watched.schedule.on_answer(engine_.now_ms(), ttl_ms, watched.policies, random_);
    if (std::exchange(watched.is_failing, false)) {
      log_.info("name resolved again", {{"name", watched.key.name}});
    }
  } else {
    end_failed_round(watched);
  }
  engine_.timers().start(watched.timer, watched.schedule.next_ms());
  if (is_good && watched.key.is_srv) take_records(watched);
  adopt_records();
  check_wait();
}

void NameWatch::end_failed_round(Watched& watched) {
  watched.schedule.on_failure(engine_.now_ms(), random_);
  if (std::exchange(watched.is_failing, true)) return;
  std::string why = watched.parts[0].why;
  if (parts_of(watched.key) > 1 && watched.parts[1].why != why) {
    why = fmt::format("A: {}; AAAA: {}", why.empty() ? "found" : why,
                      watched.parts[1].why.empty() ? "found" : watched.parts[1].why);
  }
  log_.warn(has_answer(watched) ? "name not resolved, the last answer is kept"
                                : "name not resolved, it has no endpoint yet",
            {{"name", watched.key.name}, {"why", why}});
}

// True when the round is as good as an answer: something was found, and what was not had no address
// to lose.
bool NameWatch::take_addresses(Watched& watched) {
  const std::array<Answer, 2>& parts = watched.parts;
  const bool is_found = std::any_of(parts.begin(), parts.end(), [](const Answer& answer) {
    return answer.result == LookupResult::kFound;
  });
  if (!is_found) return false;
  bool is_good = true;
  for (size_t part = 0; part < parts.size(); ++part) {
    if (parts[part].result == LookupResult::kFound || watched.addresses[part].empty()) continue;
    if (is_authoritative(parts[part])) {
      watched.addresses[part].clear();
      tell_soon();
    } else {
      is_good = false;
    }
  }
  return is_good;
}

void NameWatch::take_records(Watched& watched) {
  std::vector<ServiceRecord> records = watched.parts[0].services;
  sort_and_bound(records);
  if (records == watched.records) {
    watched.coming_records.clear();
  } else {
    watched.coming_records = std::move(records);
  }
  sync();
}

bool NameWatch::are_targets_asked(const Watched& watched) const {
  return std::all_of(watched.coming_records.begin(), watched.coming_records.end(),
                     [this](const ServiceRecord& record) {
                       const auto found = names_.find(target_key(record));
                       return found == names_.end() || found->second->was_asked;
                     });
}

void NameWatch::adopt_records() {
  bool is_changed = false;
  for (const auto& [key, watched] : names_) {
    if (watched->coming_records.empty() || !are_targets_asked(*watched)) continue;
    // Records without an address are no better than no answer.
    const bool has_addresses = !targets_of_records(watched->coming_records).empty();
    if (!has_addresses && !targets_of_records(watched->records).empty()) continue;
    watched->records = std::exchange(watched->coming_records, {});
    is_changed = true;
  }
  if (!is_changed) return;
  sync();
  tell_soon();
}

bool NameWatch::has_answer(const Watched& watched) const {
  if (watched.key.is_srv) return !watched.records.empty();
  return std::any_of(watched.addresses.begin(), watched.addresses.end(),
                     [](const auto& addresses) { return !addresses.empty(); });
}

}  // namespace lb::control
