// The steps of attach(), for its own files. Each fills its part of the Attachment and adds its
// findings; the order is that of attach().
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lb/config/attach/attach.h"
#include "lb/util/suggest.h"

namespace lb::config {

// Addresses, protocols, kinds, conflicts between listeners, and what that makes of each gateway.
void attach_gateways(const Config& config, Attachment& out);

// Parents, and for every listener the route that carries its traffic. Needs attach_gateways().
void attach_routes(const Config& config, Attachment& out);

// Backends, by themselves.
void resolve_backends(const Config& config, Attachment& out);

// What is no fault of an API object but was hardly meant. Needs all of the above.
void add_advice(const Config& config, Attachment& out);

void add_finding(Attachment& out, FaultCode code, Reason reason, SourcePosition where,
                 std::string message, std::string_view suggestion = {});

// Adds a sentence to those that are there.
inline void append_why(std::string& why, std::string_view sentence) {
  if (!why.empty()) why += "; ";
  why += sentence;
}

// Whether the grant lets routes of that kind ("TCPRoute") and namespace use that service of its own
// namespace.
bool permits(const ReferenceGrant& grant, std::string_view route_kind, std::string_view route_ns,
             std::string_view service);

// The name nearest to `wanted` among the objects of its namespace, "" when none is near or when
// there are so many findings already that looking costs more than it helps.
template <typename Object>
std::string suggest_object(const Attachment& out, const ObjectName& wanted,
                           const std::vector<Object>& objects) {
  constexpr size_t kFindingsWithSuggestions = 100;
  if (out.findings.size() > kFindingsWithSuggestions) return {};
  std::vector<std::string_view> names;
  for (const Object& object : objects) {
    if (object.name.ns == wanted.ns) names.push_back(object.name.name);
  }
  return std::string(util::suggest(wanted.name, names));
}

// "listener \"foo\" of gateway \"web\"".
std::string describe(const Config& config, ListenerIndex index);

}  // namespace lb::config
