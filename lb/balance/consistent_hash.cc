#include "lb/balance/consistent_hash.h"

#include "lb/util/siphash.h"

namespace lb::balance {
namespace {

// Further slots and the last resort are independent of the table and of each other.
constexpr uint64_t kNextSlotKey = 5;
constexpr uint64_t kRareKey = 6;

// With a tenth of the slots left, one client in a thousand still has not found one.
constexpr int kSlots = 64;

}  // namespace

void ConsistentHash::set_candidates(std::span<const Candidate> candidates) {
  candidates_.assign(candidates.begin(), candidates.end());
  is_candidate_.clear();
  for (const Candidate& candidate : candidates) {
    if (is_candidate_.size() <= candidate.index) is_candidate_.resize(candidate.index + 1);
    is_candidate_[candidate.index] = true;
  }
}

uint32_t ConsistentHash::pick(const Exclusion& excluded, const net::Address* client) {
  const uint64_t seed = tier_.table->seed();
  uint64_t hash = source_hash(*client, prefix_, seed);
  const util::SipHash next(seed, kNextSlotKey);
  for (int i = 0; i < kSlots && !tier_.endpoints.empty(); ++i) {
    const uint32_t index = tier_.endpoints[tier_.table->at(hash)];
    const bool may_take = index < is_candidate_.size() && is_candidate_[index];
    if (may_take && !excluded.contains(index)) return index;
    hash = next.hash(hash);
  }
  return pick_rare(excluded, hash);
}

// The candidate that this client likes best, by a hash of both (Thaler and Ravishankar, 1998),
// which moves no other clients either. It looks at all of them, but they are few, or most are
// excluded.
uint32_t ConsistentHash::pick_rare(const Exclusion& excluded, uint64_t hash) const {
  const util::SipHash liking(hash, kRareKey);
  uint32_t best = kNoEndpoint;
  uint64_t most = 0;
  for (const Candidate& candidate : candidates_) {
    if (excluded.contains(candidate.index)) continue;
    const uint64_t liked = liking.hash(candidate.endpoint->label());
    if (best != kNoEndpoint && liked <= most) continue;
    best = candidate.index;
    most = liked;
  }
  return best;
}

uint32_t ConsistentHash::home_of(const HashTier& tier, const SourcePrefix& prefix,
                                 const net::Address& client) {
  return tier.endpoints[tier.table->at(source_hash(client, prefix, tier.table->seed()))];
}

}  // namespace lb::balance
