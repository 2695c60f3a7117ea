#include "lb/balance/class_order.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/container/flat_hash_map.h"
#include "lb/balance/smooth_start.h"

namespace lb::balance {

void ClassOrder::assign(std::span<const Candidate> candidates) {
  ++revision_;
  const bool is_first = classes_.empty();
  const std::vector<Past> before = past_of(candidates);
  classify(candidates);
  is_first ? begin() : resume(before);
}

void ClassOrder::begin() {
  std::vector<int64_t> weights;
  for (const Class& entry : classes_) weights.push_back(entry.weight);
  const std::vector<int64_t> credits = credits_after(start_, weights);
  for (size_t i = 0; i < classes_.size(); ++i) {
    classes_[i].credit = credits[i];
    classes_[i].next = start_ % classes_[i].members.size();
  }
}

uint32_t ClassOrder::pick() {
  Class& picked = next_class();
  const uint32_t index = picked.members[picked.next];
  if (++picked.next == picked.members.size()) picked.next = 0;
  return index;
}

ClassOrder::Class& ClassOrder::next_class() {
  Class* best = nullptr;
  int64_t most = std::numeric_limits<int64_t>::min();
  for (Class& entry : classes_) {
    const int64_t credit = entry.credit += entry.weight;
    if (credit <= most) continue;
    best = &entry;
    most = credit;
  }
  best->credit -= total_weight_;
  return *best;
}

std::vector<ClassOrder::Past> ClassOrder::past() const {
  std::vector<Past> past;
  for (const Class& entry : classes_) {
    if (past.size() <= entry.members.back()) past.resize(entry.members.back() + 1);
    const size_t last = (entry.next + entry.members.size() - 1) % entry.members.size();
    const double lag_picks = static_cast<double>(entry.credit) / static_cast<double>(total_weight_);
    for (const uint32_t member : entry.members) {
      past[member] = {lag_picks / static_cast<double>(entry.members.size()), entry.members[last]};
    }
  }
  return past;
}

std::vector<ClassOrder::Past> ClassOrder::past_of(std::span<const Candidate> candidates) const {
  const std::vector<Past> by_old = past();
  const auto is_in_place = [&](const Candidate& candidate) {
    return candidate.index >= endpoints_.size() || endpoints_[candidate.index] == nullptr ||
           endpoints_[candidate.index] == candidate.endpoint;
  };
  if (std::all_of(candidates.begin(), candidates.end(), is_in_place)) return by_old;
  // Another list, in which they are known by what they are.
  absl::flat_hash_map<const Endpoint*, uint32_t> new_index;
  for (const Candidate& candidate : candidates) {
    new_index.emplace(candidate.endpoint, candidate.index);
  }
  // Who has gone had his turn before the next one; so did the one before him who has not.
  std::vector<uint32_t> translated(endpoints_.size(), kNobody);
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const auto found = new_index.find(endpoints_[i]);
    if (endpoints_[i] != nullptr && found != new_index.end()) {
      translated[i] = found->second;
    } else if (i > 0) {
      translated[i] = translated[i - 1];
    }
  }
  std::vector<Past> by_new;
  for (size_t i = 0; i < by_old.size(); ++i) {
    const auto found = new_index.find(endpoints_[i]);
    if (endpoints_[i] == nullptr || found == new_index.end()) continue;
    if (by_new.size() <= found->second) by_new.resize(found->second + 1);
    by_new[found->second] = by_old[i];
    if (by_old[i].last != kNobody) by_new[found->second].last = translated[by_old[i].last];
  }
  return by_new;
}

void ClassOrder::classify(std::span<const Candidate> candidates) {
  std::vector<Candidate> sorted(candidates.begin(), candidates.end());
  std::sort(sorted.begin(), sorted.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.index < b.index;
  });
  classes_.clear();
  endpoints_.clear();
  for (const Candidate& candidate : candidates) {
    if (endpoints_.size() <= candidate.index) endpoints_.resize(candidate.index + 1);
    endpoints_[candidate.index] = candidate.endpoint;
  }
  total_weight_ = 0;
  for (const Candidate& candidate : sorted) {
    if (classes_.empty() || classes_.back().member_weight != candidate.weight) {
      classes_.push_back({.member_weight = candidate.weight, .weight = 0, .members = {}});
    }
    classes_.back().members.push_back(candidate.index);
    classes_.back().weight += candidate.weight;
    total_weight_ += candidate.weight;
  }
}

void ClassOrder::resume(const std::vector<Past>& past) {
  int64_t sum = 0;
  for (Class& entry : classes_) {
    double lag_picks = 0;
    uint32_t last = kNobody;
    for (const uint32_t member : entry.members) {
      if (member >= past.size()) continue;
      lag_picks += past[member].lag_picks;
      if (last == kNobody) last = past[member].last;
    }
    entry.credit = std::llround(lag_picks * static_cast<double>(total_weight_));
    sum += entry.credit;
    const auto found = std::upper_bound(entry.members.begin(), entry.members.end(), last);
    entry.next =
        found == entry.members.end() ? 0 : static_cast<size_t>(found - entry.members.begin());
  }
  // Credits are what some owe to others; what those owe who have gone is nobody's.
  if (!classes_.empty()) classes_.front().credit -= sum;
}

}  // namespace lb::balance
