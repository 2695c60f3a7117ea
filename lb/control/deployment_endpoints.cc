// How a deployment follows the endpoints files of its services.
#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "lb/config/ip_text.h"
#include "lb/control/deployment.h"

namespace lb::control {
namespace {

using Targets = std::set<std::pair<std::string, uint16_t>>;

Targets targets_of(const config::Endpoint* begin, const config::Endpoint* end) {
  Targets targets;
  for (const config::Endpoint* endpoint = begin; endpoint != end; ++endpoint) {
    targets.emplace(
        endpoint->path.empty() ? config::canonical_ip(endpoint->address) : endpoint->path,
        endpoint->port);
  }
  return targets;
}

size_t count_missing(const Targets& from, const Targets& in) {
  return static_cast<size_t>(std::count_if(
      from.begin(), from.end(), [&](const auto& target) { return !in.contains(target); }));
}

}  // namespace

std::vector<std::string> Deployment::refresh_endpoints(const std::vector<std::string>& paths) {
  if (attempt_ != Attempt::kNone) return paths;
  std::vector<std::string> again;
  std::vector<config::EndpointsUpdate> updates = read_updates(paths, again);
  if (!updates.empty()) apply_updates(std::move(updates));
  return again;
}

std::vector<config::EndpointsUpdate> Deployment::read_updates(const std::vector<std::string>& paths,
                                                              std::vector<std::string>& again) {
  const std::set<std::string_view> wanted(paths.begin(), paths.end());
  std::vector<config::EndpointsUpdate> updates;
  std::vector<config::Service>& services = current_.loaded.config->services;
  for (size_t i = 0; i < services.size(); ++i) {
    config::EndpointsFile& file = services[i].endpoints_file;
    if (!wanted.contains(file.path)) continue;
    config::EndpointsUpdate update = config::read_update(current_.loaded, i);
    if (update.is_transient) again.push_back(file.path);
    if (update.is_same) continue;
    if (update.error.empty()) {
      updates.push_back(std::move(update));
      continue;
    }
    file.error = std::move(update.error);
    log_.error("endpoints file not taken, the endpoints stay as they were",
               {{"service", to_string(services[i].name)}, {"why", file.error}});
  }
  return updates;
}

void Deployment::apply_updates(std::vector<config::EndpointsUpdate> updates) {
  config::LoadResult loaded = current_.loaded;
  refreshed_.clear();
  for (config::EndpointsUpdate& update : updates) {
    const config::Service& service = loaded.config->services[update.service];
    const config::Endpoint* const end = service.endpoints.data() + service.endpoints.size();
    const Targets before = targets_of(end - service.endpoints_file.count, end);
    const Targets after =
        targets_of(update.endpoints.data(), update.endpoints.data() + update.endpoints.size());
    refreshed_.push_back({to_string(service.name), count_missing(after, before),
                          count_missing(before, after), update.endpoints.size()});
    config::apply_update(std::move(update), loaded);
  }
  absl::StatusOr<Deployed> next = compile(std::move(loaded));
  if (!next.ok()) {
    log_.error("endpoints not changed", {{"why", std::string(next.status().message())}});
    return;
  }
  std::set<std::string_view> known;
  for (const config::Fault& fault : current_.attachment.findings) known.insert(fault.message);
  for (const config::Fault& fault : next->attachment.findings) {
    if (!known.contains(fault.message)) warn_of(fault);
  }
  // The listeners are the same, so everything that is open stays.
  next->generation = current_.generation;
  next->open = current_.open;
  next->bind_failures = current_.bind_failures;
  std::vector<std::vector<proxy::BoundListener>> listeners(workers_->size());
  for (std::vector<proxy::BoundListener>& of_worker : listeners) {
    for (const auto& [address, listener] : next->open) {
      of_worker.push_back({address, listener, net::UniqueFd()});
    }
  }
  attempt_ = Attempt::kEndpoints;
  adopt(*std::move(next), std::move(listeners));
}

void Deployment::report_endpoints() {
  for (const EndpointsChange& change : refreshed_) {
    log_.info("endpoints changed", {{"service", change.service},
                                    {"added", fmt::format("{}", change.added)},
                                    {"removed", fmt::format("{}", change.removed)},
                                    {"total", fmt::format("{}", change.total)}});
  }
}

}  // namespace lb::control
