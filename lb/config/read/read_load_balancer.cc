#include <fmt/format.h>

#include <limits>
#include <optional>

#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

// As Envoy Gateway's.
constexpr uint32_t kMinTableSize = 2;
constexpr uint32_t kMaxTableSize = 5'000'011;
constexpr int64_t kBits4 = 32;
constexpr int64_t kBits6 = 128;
// The shares of a Maglev table are about 1 % even with this many places for each endpoint.
constexpr size_t kPlacesPerEndpoint = 100;

constexpr std::array<Choice<LoadBalancerType>, 4> kLoadBalancers = {
    {{"LeastConnections", LoadBalancerType::kLeastConnections},
     {"RoundRobin", LoadBalancerType::kRoundRobin},
     {"Random", LoadBalancerType::kRandom},
     {"ConsistentHash", LoadBalancerType::kConsistentHash}}};

bool is_prime(uint32_t number) {
  if (number < 4) return number >= 2;
  if (number % 2 == 0) return false;
  for (uint32_t divisor = 3; divisor * divisor <= number; divisor += 2) {
    if (number % divisor == 0) return false;
  }
  return true;
}

// The least prime that is not below it; kMaxTableSize is one.
uint32_t next_prime(uint32_t number) {
  while (!is_prime(number)) ++number;
  return number;
}

void read_table_size(Reader& reader, uint32_t& out) {
  uint32_t size = out;
  reader.integer("tableSize", kMinTableSize, kMaxTableSize, size);
  if (is_prime(size)) {
    out = size;
  } else {
    reader.fault_at("tableSize", FaultCode::kOutOfRange,
                    fmt::format("must be a prime, but is {}", size),
                    std::to_string(next_prime(size)));
  }
}

void read_consistent_hash(Reader& reader, ConsistentHash& hash) {
  read_table_size(reader, hash.table_size);
  reader.integer("seed", 0, std::numeric_limits<int64_t>::max(), hash.seed);
  reader.integer("prefix4", 0, kBits4, hash.prefix4);
  reader.integer("prefix6", 0, kBits6, hash.prefix6);
}

void advise(Reader& reader, const Service& service, const ServicePolicy& policy) {
  const bool is_hash = policy.load_balancer == LoadBalancerType::kConsistentHash;
  if (!is_hash) {
    reader.warn_at("consistentHash", FaultCode::kNoEffect,
                   "has no effect but with type ConsistentHash");
    return;
  }
  reader.warn_at("slowStart", FaultCode::kNoEffect, "has no effect with type ConsistentHash");
  const size_t wanted = service.endpoints.size() * kPlacesPerEndpoint;
  if (policy.consistent_hash.table_size >= wanted) return;
  reader.warn_at(reader.has("consistentHash") ? "consistentHash" : "type", FaultCode::kDoubtful,
                 fmt::format("has a tableSize of {} for {} endpoints: below {} their shares are "
                             "uneven",
                             policy.consistent_hash.table_size, service.endpoints.size(), wanted));
}

}  // namespace

void read_load_balancer(Reader& reader, const Service* service, ServicePolicy& policy) {
  reader.table("loadBalancer", [&](Reader& balancer) {
    balancer.choice("type", kLoadBalancers, policy.load_balancer);
    balancer.table("consistentHash",
                   [&](Reader& hash) { read_consistent_hash(hash, policy.consistent_hash); });
    balancer.table("slowStart",
                   [&](Reader& slow) { slow.duration("window", policy.slow_start_ms); });
    if (service != nullptr) advise(balancer, *service, policy);
  });
}

}  // namespace lb::config
