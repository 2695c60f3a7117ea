// What ConsistentHash knows of the endpoints of one priority, whatever their health: shared by the
// workers, and made with the configuration. Immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lb/balance/maglev.h"
#include "lb/balance/maglev_tables.h"
#include "lb/balance/weighted_endpoint.h"

namespace lb::balance {

struct HashTier {
  uint32_t priority = 0;
  std::shared_ptr<const Maglev> table;  // its entries are the endpoints' labels
  std::vector<uint32_t> endpoints;      // by entry: the index into the service's list
};

// By priority, one for each, if only an empty one. Takes the configuration's weights: those that an
// operator sets at run time are not the same on every machine. Control thread.
std::vector<HashTier> make_hash_tiers(std::span<const WeightedEndpoint> endpoints,
                                      uint32_t table_size, uint64_t seed, MaglevTables& tables);

}  // namespace lb::balance
