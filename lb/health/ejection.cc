#include "lb/health/ejection.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace lb::health {
namespace {

int64_t base_ms_of(const config::PassiveCheck& policy) {
  return std::max<int64_t>(policy.base_ejection_ms, 1);
}

// Beyond this a row changes nothing any more, and would take longer to be forgotten.
uint32_t max_length(const config::PassiveCheck& policy) {
  const int64_t base_ms = base_ms_of(policy);
  const int64_t length = (policy.max_ejection_ms + base_ms - 1) / base_ms;
  return static_cast<uint32_t>(std::clamp<int64_t>(length, 1, UINT32_MAX));
}

struct Bounds {
  size_t able = 0;     // wanted and healthy
  size_t ejected = 0;  // of these
  size_t limit = 0;    // how many of these may be

  bool has_room() const { return ejected < limit; }
};

Bounds bounds_of(const Ejections::Group& group) {
  Bounds bounds;
  size_t wanted = 0;
  for (const balance::WeightedEndpoint& entry : group.endpoints) {
    if (!entry.takes_part()) continue;
    ++wanted;
    if (!entry.endpoint->is_healthy()) continue;
    ++bounds.able;
    if (entry.endpoint->is_ejected()) ++bounds.ejected;
  }
  const size_t percent = group.policy.max_ejection_percent;
  const size_t share = percent == 0 ? 0 : std::max<size_t>(wanted * percent / 100, 1);
  if (group.policy.consecutive_connect_failures > 0 && bounds.able > 0) {
    bounds.limit = std::min(share, bounds.able - 1);
  }
  return bounds;
}

}  // namespace

int64_t ejection_ms(const config::PassiveCheck& policy, uint32_t in_row) {
  if (policy.base_ejection_ms > policy.max_ejection_ms / in_row) return policy.max_ejection_ms;
  return policy.base_ejection_ms * in_row;
}

Ejections::Ejections(HealthBoard& board) : board_(board) {
  board_.follow([this](const HealthChange& change) { on_change(change); });
}

void Ejections::follow(std::vector<Group> groups, util::MonoTimeMs now_ms) {
  groups_ = std::move(groups);
  groups_of_.clear();
  for (uint32_t i = 0; i < groups_.size(); ++i) {
    for (const balance::WeightedEndpoint& entry : groups_[i].endpoints) {
      groups_of_[entry.endpoint.get()].push_back(i);
    }
  }
  forget_outdated(now_ms);
  if (rows_.empty()) return;
  for (auto& [key, row] : rows_) follow_policy(row);
  for (const Group& group : groups_) keep_bounds(group, now_ms);
}

// An ejection under way lasts no longer than it would under the new policy.
void Ejections::follow_policy(Row& row) const {
  const config::PassiveCheck* const policy = policy_of(*row.endpoint);
  if (policy == nullptr || !row.is_ejected) return;
  row.until_ms = std::min(row.until_ms, row.since_ms + ejection_ms(*policy, row.length));
}

Ejections::Outcome Ejections::note_failing(const EndpointPtr& endpoint, util::MonoTimeMs now_ms) {
  const config::PassiveCheck* const policy = policy_of(*endpoint);
  if (policy == nullptr || policy->consecutive_connect_failures == 0) return Outcome::kNotAsked;
  if (!endpoint->is_up()) return Outcome::kNotAsked;
  if (!has_room_for(*endpoint)) return Outcome::kTooMany;
  Row& row = rows_[endpoint.get()];
  row.endpoint = endpoint;
  row.length = std::min(shortened(row, base_ms_of(*policy), now_ms) + 1, max_length(*policy));
  row.is_ejected = true;
  row.since_ms = now_ms;
  const int64_t duration_ms = ejection_ms(*policy, row.length);
  row.until_ms = now_ms + duration_ms;
  board_.set_ejected(endpoint, true, now_ms,
                     fmt::format("{} connects failed in a row; ejected for {} ms",
                                 policy->consecutive_connect_failures, duration_ms));
  return Outcome::kEjected;
}

void Ejections::readmit_due(util::MonoTimeMs now_ms) {
  std::vector<EndpointPtr> due;
  for (const auto& [key, row] : rows_) {
    if (row.is_ejected && row.until_ms <= now_ms) due.push_back(row.endpoint);
  }
  for (const EndpointPtr& endpoint : due) {
    board_.set_ejected(endpoint, false, now_ms, "its ejection is over");
  }
  forget_outdated(now_ms);
}

util::MonoTimeMs Ejections::next_ms() const {
  util::MonoTimeMs next_ms = util::kNever;
  for (const auto& [key, row] : rows_) {
    if (row.is_ejected) next_ms = std::min(next_ms, row.until_ms);
  }
  return next_ms;
}

uint32_t Ejections::shortened(const Row& row, int64_t base_ms, util::MonoTimeMs now_ms) {
  const int64_t steps = std::max<int64_t>(now_ms - row.since_ms, 0) / base_ms;
  return steps >= row.length ? 0 : row.length - static_cast<uint32_t>(steps);
}

const config::PassiveCheck* Ejections::policy_of(const balance::Endpoint& endpoint) const {
  const auto found = groups_of_.find(&endpoint);
  // The groups of an endpoint are of one service, and so of one policy.
  return found == groups_of_.end() ? nullptr : &groups_[found->second.front()].policy;
}

bool Ejections::has_room_for(const balance::Endpoint& endpoint) const {
  const auto& groups = groups_of_.at(&endpoint);
  return std::all_of(groups.begin(), groups.end(),
                     [&](uint32_t i) { return bounds_of(groups_[i]).has_room(); });
}

void Ejections::on_change(const HealthChange& change) {
  if (rows_.empty()) return;
  const balance::Endpoint* const endpoint = change.endpoint.get();
  const auto row = rows_.find(endpoint);
  if (row != rows_.end() && row->second.is_ejected && !endpoint->is_ejected()) {
    row->second.is_ejected = false;
    row->second.since_ms = change.now_ms;
    // What failed before says nothing of what comes now.
    change.endpoint->forget_connect_failures();
  }
  const auto groups = groups_of_.find(endpoint);
  if (groups == groups_of_.end()) return;
  // A copy of the numbers: changes that follow from this one come back here.
  const auto numbers = groups->second;
  for (const uint32_t i : numbers) keep_bounds(groups_[i], change.now_ms);
}

void Ejections::keep_bounds(const Group& group, util::MonoTimeMs now_ms) {
  for (;;) {
    const Bounds bounds = bounds_of(group);
    if (bounds.ejected <= bounds.limit) return;
    const EndpointPtr endpoint = first_ejected(group);
    if (endpoint == nullptr) return;
    const bool is_off = group.policy.consecutive_connect_failures == 0;
    board_.set_ejected(endpoint, false, now_ms,
                       is_off ? "ejection is off" : "too few others are left");
  }
}

Ejections::EndpointPtr Ejections::first_ejected(const Group& group) const {
  const Row* first = nullptr;
  for (const balance::WeightedEndpoint& entry : group.endpoints) {
    const auto found = rows_.find(entry.endpoint.get());
    if (found == rows_.end() || !found->second.is_ejected) continue;
    if (!entry.takes_part() || !entry.endpoint->is_healthy()) continue;
    if (first == nullptr || found->second.since_ms < first->since_ms) first = &found->second;
  }
  return first == nullptr ? nullptr : first->endpoint;
}

void Ejections::forget_outdated(util::MonoTimeMs now_ms) {
  absl::erase_if(rows_, [&](const auto& entry) {
    const Row& row = entry.second;
    if (row.is_ejected) return false;
    const config::PassiveCheck* const policy = policy_of(*row.endpoint);
    const config::PassiveCheck none;
    return shortened(row, base_ms_of(policy == nullptr ? none : *policy), now_ms) == 0;
  });
}

}  // namespace lb::health
