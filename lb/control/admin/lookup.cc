#include "lb/control/admin/lookup.h"

#include <algorithm>

#include "fmt/format.h"
#include "lb/balance/consistent_hash.h"
#include "lb/config/object_name.h"
#include "lb/proxy/service_selection.h"

namespace lb::control {
namespace {

// As the snapshot calls it.
std::string name_in_snapshot(std::string_view service) {
  const size_t slash = service.find('/');
  if (slash == std::string_view::npos) return std::string(service);
  return to_string(config::ObjectName{.ns = std::string(service.substr(0, slash)),
                                      .name = std::string(service.substr(slash + 1))});
}

// Of the first priority in which somebody has slots.
std::string home_of(const proxy::ServiceSnapshot& service, const net::Address& client) {
  for (const balance::HashTier& tier : service.hash_tiers) {
    if (tier.endpoints.empty()) continue;
    const uint32_t home =
        balance::ConsistentHash::home_of(tier, proxy::source_prefix(service), client);
    return service.endpoints[home].endpoint->label();
  }
  return "";
}

LookupAnswer look_up(const proxy::ServiceSnapshot& service, const net::Address& client,
                     util::MonoTimeMs now_ms) {
  LookupAnswer result;
  result.home = home_of(service, client);
  proxy::Turns none;
  const uint32_t chosen = proxy::make_selection(service, 0, 0, none)->pick({{}, now_ms, &client});
  if (chosen != balance::kNoEndpoint) result.endpoint = service.endpoints[chosen].endpoint->label();
  return result;
}

}  // namespace

absl::StatusOr<std::vector<LookupAnswer>> lookup(const proxy::Snapshot& snapshot,
                                                 std::string_view service, std::string_view address,
                                                 util::MonoTimeMs now_ms) {
  const absl::StatusOr<net::Address> client = net::Address::parse(address, 0);
  if (!client.ok()) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is no IP address", address));
  }
  const std::string name = name_in_snapshot(service);
  std::vector<LookupAnswer> results;
  for (const proxy::ServiceSnapshot& entry : snapshot.services) {
    if (entry.name != name) continue;
    if (entry.policy.load_balancer != config::LoadBalancerType::kConsistentHash) {
      return absl::InvalidArgumentError(fmt::format(
          "service \"{}\" is not balanced by ConsistentHash: its clients go anywhere", name));
    }
    const LookupAnswer result = look_up(entry, *client, now_ms);
    const bool is_known = std::any_of(results.begin(), results.end(), [&](const auto& other) {
      return other.endpoint == result.endpoint && other.home == result.home;
    });
    if (!is_known) results.push_back(result);
  }
  if (!results.empty()) return results;
  return absl::NotFoundError(fmt::format("no route leads to a service \"{}\"", name));
}

}  // namespace lb::control
