#include "lb/balance/class_order.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lb::balance {
namespace {

// How many turns of the classes are skipped at most at the start; members are told apart by more.
constexpr uint64_t kStarts = 16;

}  // namespace

void ClassOrder::assign(std::span<const Candidate> candidates) {
  const bool is_first = classes_.empty();
  const std::vector<Past> before = past();
  classify(candidates);
  if (!is_first) return resume(before);
  for (Class& entry : classes_) entry.next = start_ % entry.members.size();
  if (classes_.empty()) return;
  for (uint64_t skipped = start_ % kStarts; skipped > 0; --skipped) next_class();
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

void ClassOrder::classify(std::span<const Candidate> candidates) {
  std::vector<Candidate> sorted(candidates.begin(), candidates.end());
  std::sort(sorted.begin(), sorted.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.index < b.index;
  });
  classes_.clear();
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
