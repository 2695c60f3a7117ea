// By the client's address: from wherever it connects, and to whichever of several machines with the
// same configuration, a client gets the same endpoint. An endpoint that may not be chosen keeps its
// slots, and who finds it there goes on to another slot of his own: so when an endpoint goes or
// comes back, only its own clients move.
#pragma once

#include <memory>
#include <vector>

#include "lb/balance/hash_tier.h"
#include "lb/balance/load_balancer.h"
#include "lb/balance/source_hash.h"

namespace lb::balance {

class ConsistentHash final : public LoadBalancer {
 public:
  // `tier` must outlive it.
  ConsistentHash(const HashTier& tier, const SourcePrefix& prefix) : tier_(tier), prefix_(prefix) {}

  void set_candidates(std::span<const Candidate> candidates) override;
  // `client` must be there.
  uint32_t pick(const Exclusion& excluded, const net::Address* client) override;

  // Whose slot it is that the client finds first, whether it may be chosen or not.
  static uint32_t home_of(const HashTier& tier, const SourcePrefix& prefix,
                          const net::Address& client);

 private:
  uint32_t pick_rare(const Exclusion& excluded, uint64_t hash) const;

  const HashTier& tier_;
  const SourcePrefix prefix_;
  std::vector<Candidate> candidates_;
  std::vector<bool> is_candidate_;  // by index into the service's list
};

}  // namespace lb::balance
