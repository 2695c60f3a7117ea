#include <algorithm>

#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr int64_t kMaxAttempts = 100;
constexpr int64_t kMinTimeoutMs = 1;
constexpr int64_t kMaxConnections = int64_t{1} << 30;  // as [runtime] maxConnections

bool has_bound(const CircuitBreaker& breaker, const Service& service) {
  return breaker.max_connections > 0 || breaker.per_endpoint_max_connections > 0 ||
         std::any_of(service.endpoints.begin(), service.endpoints.end(),
                     [](const Endpoint& endpoint) { return endpoint.max_connections > 0; });
}

void read_circuit_breaker(Reader& reader, const Service* service, CircuitBreaker& breaker) {
  reader.integer("maxConnections", 0, kMaxConnections, breaker.max_connections);
  reader.table("perEndpoint", [&](Reader& endpoint) {
    endpoint.integer("maxConnections", 0, kMaxConnections, breaker.per_endpoint_max_connections);
  });
  reader.integer("maxPending", 0, kMaxConnections, breaker.max_pending);
  reader.duration("pendingTimeout", breaker.pending_timeout_ms, kMinTimeoutMs);
  if (service == nullptr) return;
  if (breaker.max_pending == 0) {
    reader.warn_at("pendingTimeout", FaultCode::kNoEffect, "has no effect: maxPending is 0");
  } else if (!has_bound(breaker, *service)) {
    reader.warn_at("maxPending", FaultCode::kNoEffect,
                   "has no effect: without maxConnections nothing is ever full");
  }
}

}  // namespace

void read_service_policy(Reader& reader, const Service* service, ServicePolicy& policy) {
  read_load_balancer(reader, service, policy);
  read_health_check(reader, service, policy);
  reader.table("timeout", [&](Reader& timeout) {
    timeout.table("tcp", [&](Reader& tcp) {
      tcp.duration("connectTimeout", policy.connect_timeout_ms, kMinTimeoutMs);
    });
  });
  reader.table("retry", [&](Reader& retry) {
    retry.integer("maxAttempts", 1, kMaxAttempts, policy.retry_max_attempts);
    retry.duration("totalTimeout", policy.retry_total_timeout_ms, kMinTimeoutMs);
  });
  reader.table("circuitBreaker", [&](Reader& breaker) {
    read_circuit_breaker(breaker, service, policy.circuit_breaker);
  });
  read_proxy_header(reader, policy.proxy_header);
  read_source(reader, policy.source);
  read_closing(reader, "onEndpointDown", policy.on_endpoint_down);
  read_closing(reader, "onEndpointRemoved", policy.on_endpoint_removed);
  read_dns_policy(reader, service, policy.dns);
}

}  // namespace lb::config
