// How a deployment follows the endpoints files of its services, and the names of endpoints.
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

Targets targets_of(const config::Service& service) {
  Targets targets;
  for (const config::Endpoint& endpoint : service.endpoints) {
    const bool has_path = !endpoint.path.empty();
    if (!has_path && endpoint.address.empty()) continue;  // a name without one
    targets.emplace(has_path ? endpoint.path : config::canonical_ip(endpoint.address),
                    endpoint.port);
  }
  return targets;
}

size_t count_missing(const Targets& from, const Targets& in) {
  return static_cast<size_t>(std::count_if(
      from.begin(), from.end(), [&](const auto& target) { return !in.contains(target); }));
}

bool is_same(const config::Service& a, const config::Service& b) {
  const auto is_same_endpoint = [](const config::Endpoint& one, const config::Endpoint& other) {
    return one.is_same_as(other);
  };
  return std::equal(a.endpoints.begin(), a.endpoints.end(), b.endpoints.begin(), b.endpoints.end(),
                    is_same_endpoint);
}

}  // namespace

std::vector<std::string> Deployment::refresh_endpoints(const std::vector<std::string>& paths) {
  if (attempt_ != Attempt::kNone || is_frozen_) return paths;
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
  for (config::EndpointsUpdate& update : updates) {
    config::apply_update(std::move(update), loaded);
  }
  change_endpoints(std::move(loaded));
}

void Deployment::refresh_names() {
  have_names_changed_ = true;
  begin_next();
}

void Deployment::apply_names() {
  have_names_changed_ = false;
  config::LoadResult loaded = current_.loaded;
  names_.resolve(*loaded.config);
  const std::vector<config::Service>& before = current_.loaded.config->services;
  const std::vector<config::Service>& after = loaded.config->services;
  if (std::equal(before.begin(), before.end(), after.begin(), after.end(), is_same)) return;
  change_endpoints(std::move(loaded));
}

// To a configuration that differs in endpoints at most.
void Deployment::change_endpoints(config::LoadResult loaded) {
  have_names_changed_ = false;
  absl::StatusOr<Deployed> next = compile(std::move(loaded));
  if (!next.ok()) {
    log_.error("endpoints not changed", {{"why", std::string(next.status().message())}});
    return;
  }
  refreshed_.clear();
  const std::vector<config::Service>& before = current_.loaded.config->services;
  const std::vector<config::Service>& after = next->loaded.config->services;
  for (size_t i = 0; i < after.size(); ++i) {
    if (is_same(before[i], after[i])) continue;
    const Targets from = targets_of(before[i]);
    const Targets to = targets_of(after[i]);
    refreshed_.push_back(
        {to_string(after[i].name), count_missing(to, from), count_missing(from, to), to.size()});
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
