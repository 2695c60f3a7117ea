#include "lb/control/overrides.h"

#include <algorithm>

#include "fmt/format.h"

namespace lb::control {
namespace {

using balance::AdminState;

std::string_view word_of(AdminState state) {
  switch (state) {
    case AdminState::kReady:
      return "ready";
    case AdminState::kDrain:
      return "drain";
    case AdminState::kDown:
      return "down";
    case AdminState::kNone:
      break;
  }
  return "";
}

// What is left to override where the file says this. Being down is more than it can say.
AdminState beyond_file(AdminState state, bool is_ready) {
  if (state == AdminState::kReady && is_ready) return AdminState::kNone;
  if (state == AdminState::kDrain && !is_ready) return AdminState::kNone;
  return state;
}

}  // namespace

std::optional<EndpointAction> parse_endpoint_action(std::string_view word) {
  for (const auto& [known, action] : kEndpointActions) {
    if (known == word) return action;
  }
  return std::nullopt;
}

std::string override_text(AdminState state, std::optional<uint32_t> weight) {
  std::string text(word_of(state));
  if (!weight) return text;
  return fmt::format("{}{}weight={}", text, text.empty() ? "" : ", ", *weight);
}

std::string override_text(const balance::Endpoint& endpoint) {
  return override_text(endpoint.admin_state(), endpoint.weight_override());
}

absl::Status Overrides::change(const ListedEndpoint& endpoint, EndpointAction action,
                               uint32_t weight, util::MonoTimeMs now_ms) {
  if (endpoint.live == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("no route leads to service \"{}\"", endpoint.service));
  }
  const Name name(endpoint.service, endpoint.label);
  if (!entries_.contains(name) && !make_room()) {
    return absl::ResourceExhaustedError(fmt::format(
        "{} endpoints are overridden, which is all there can be: put some into the file", kMax));
  }
  Entry& entry = entries_[name];
  switch (action) {
    case EndpointAction::kDrain:
      entry.state = beyond_file(AdminState::kDrain, endpoint.is_ready);
      break;
    case EndpointAction::kReady:
      entry.state = beyond_file(AdminState::kReady, endpoint.is_ready);
      break;
    case EndpointAction::kDown:
      entry.state = AdminState::kDown;
      break;
    case EndpointAction::kWeight:
      entry.weight = weight == endpoint.weight ? std::nullopt : std::optional(weight);
      break;
  }
  const std::string text = override_text(entry.state, entry.weight);
  log_.info("endpoint override", {{"service", endpoint.service},
                                  {"endpoint", endpoint.label},
                                  {"override", text.empty() ? "none" : text}});
  apply(endpoint, entry, now_ms, "operator");
  if (action == EndpointAction::kReady) {
    board_.set_ejected(endpoint.live, false, now_ms, "operator");
  }
  if (entry.empty()) entries_.erase(name);
  return absl::OkStatus();
}

void Overrides::prepare(const std::vector<ListedEndpoint>& endpoints, util::MonoTimeMs now_ms) {
  for (const ListedEndpoint& endpoint : endpoints) {
    const auto found = entries_.find(Name(endpoint.service, endpoint.label));
    if (found == entries_.end()) continue;
    found->second.is_absent = false;
    apply(endpoint, found->second, now_ms, "operator");
  }
}

void Overrides::follow(const std::vector<ListedEndpoint>& endpoints, util::MonoTimeMs now_ms) {
  for (auto& [name, entry] : entries_) entry.is_absent = true;
  for (const ListedEndpoint& endpoint : endpoints) {
    const auto found = entries_.find(Name(endpoint.service, endpoint.label));
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    entry.is_absent = false;
    const std::string before = override_text(entry.state, entry.weight);
    entry.state = beyond_file(entry.state, endpoint.is_ready);
    if (entry.weight == endpoint.weight) entry.weight.reset();
    const std::string after = override_text(entry.state, entry.weight);
    if (after != before) {
      log_.info("the file has caught up with an override",
                {{"service", endpoint.service},
                 {"endpoint", endpoint.label},
                 {"override", before},
                 {"left", after.empty() ? "none" : after}});
    }
    apply(endpoint, entry, now_ms, "file");
    if (entry.empty()) entries_.erase(found);
  }
}

bool Overrides::make_room() {
  if (entries_.size() < kMax) return true;
  const auto absent = std::find_if(entries_.begin(), entries_.end(),
                                   [](const auto& entry) { return entry.second.is_absent; });
  if (absent == entries_.end()) return false;
  entries_.erase(absent);
  return true;
}

void Overrides::apply(const ListedEndpoint& endpoint, const Entry& entry, util::MonoTimeMs now_ms,
                      std::string_view why) {
  if (endpoint.live == nullptr) return;
  board_.set_weight_override(endpoint.live, entry.weight, now_ms, why);
  board_.set_admin_state(endpoint.live, entry.state, now_ms, why);
}

}  // namespace lb::control
