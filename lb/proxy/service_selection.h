// From what a service's policy says to how its endpoints are chosen.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "lb/balance/class_order.h"
#include "lb/balance/selection.h"
#include "lb/balance/source_hash.h"
#include "lb/proxy/snapshot.h"
#include "lb/util/clock.h"

namespace lb::proxy {

// Where RoundRobin stands, by priority.
using Turns = std::map<uint32_t, std::shared_ptr<balance::ClassOrder>>;

// `service` must outlive it. `start` tells apart those who should begin at different places; they
// go on at `turns`, which become those of this service.
std::unique_ptr<balance::Selection> make_selection(const ServiceSnapshot& service, uint64_t start,
                                                   uint64_t seed, Turns& turns);

// The weight that choices give this endpoint of the service at this time, whatever its health.
double current_weight(const ServiceSnapshot& service, const balance::WeightedEndpoint& entry,
                      util::MonoTimeMs now_ms);

// Of ConsistentHash.
balance::SourcePrefix source_prefix(const ServiceSnapshot& service);

}  // namespace lb::proxy
