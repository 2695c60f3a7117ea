// loadBalancer, retry and circuitBreaker: what they take, and where a wrong value is reported.
#include "test/unit/config/service_text.h"

namespace lb::config {
namespace {

TEST_CASE("every type of balancing is known, and LeastConnections is the default") {
  CHECK(load_policy("").load_balancer == LoadBalancerType::kLeastConnections);
  CHECK(load_policy("loadBalancer.type = 'LeastConnections'").load_balancer ==
        LoadBalancerType::kLeastConnections);
  CHECK(load_policy("loadBalancer.type = 'RoundRobin'").load_balancer ==
        LoadBalancerType::kRoundRobin);
  CHECK(load_policy("loadBalancer.type = 'Random'").load_balancer == LoadBalancerType::kRandom);
  const ServicePolicy hash = load_policy(
      "loadBalancer = { type = 'ConsistentHash', consistentHash = { tableSize = 251, seed = "
      "9223372036854775807, prefix4 = 0, prefix6 = 64 } }");
  CHECK(hash.load_balancer == LoadBalancerType::kConsistentHash);
  CHECK(hash.consistent_hash == ConsistentHash{251, 9223372036854775807U, 0, 64});
  CHECK(load_policy("loadBalancer.type = 'ConsistentHash'").consistent_hash == ConsistentHash());
  CHECK(load_policy("loadBalancer.slowStart.window = '30s'").slow_start_ms == 30'000);
}

TEST_CASE("a Maglev table has a prime size") {
  const auto sized = [](std::string_view size) {
    return fmt::format(
        "loadBalancer = {{ type = 'ConsistentHash', consistentHash = {{ tableSize = {} }} }}",
        size);
  };
  for (const std::string_view size : {"101", "65537", "655373", "5000011"}) {
    INFO(size);
    CHECK(load_text(service_text(sized(size)), "f").faults.empty());
  }
  check_policies({
      {sized("2"), {"W0323 7:60"}, "has a tableSize of 2 for 1 endpoints: below 100 their shares"},
      {sized("65536"), {"E0110 7:74"}, "tableSize must be a prime, but is 65536"},
      {sized("65536"), {"E0110 7:74"}, "did you mean \"65537\"?"},
      {sized("9"), {"E0110 7:74"}, "did you mean \"11\"?"},
      {sized("25"), {"E0110 7:74"}, "did you mean \"29\"?"},
      {sized("5000010"), {"E0110 7:74"}, "did you mean \"5000011\"?"},
      {sized("1"), {"E0110 7:74"}, "tableSize must be within 2..5000011, but is 1"},
      {sized("5000012"), {"E0110 7:74"}, "but is 5000012"},
      {sized("'65537'"), {"E0106 7:74"}, "tableSize must be an integer, but is a string"},
  });
}

TEST_CASE("a wrong loadBalancer is refused at its place") {
  const std::string hash = "loadBalancer = { type = 'ConsistentHash', consistentHash = { ";
  check_policies({
      {"loadBalancer.type = 'LeastConnection'",
       {"E0109 7:21"},
       "did you mean \"LeastConnections\"?"},
      {"loadBalancer.type = 'Maglev'",
       {"E0109 7:21"},
       "type must be \"LeastConnections\", \"RoundRobin\", \"Random\" or \"ConsistentHash\", but "
       "is"},
      {hash + "prefix4 = 33 } }", {"E0110 7:72"}, "prefix4 must be within 0..32, but is 33"},
      {hash + "prefix6 = 129 } }", {"E0110 7:72"}, "prefix6 must be within 0..128"},
      {hash + "seed = -1 } }", {"E0110 7:69"}, "seed must be within 0..9223372036854775807"},
      {hash + "size = 5 } }",
       {"E0105 7:62"},
       "unknown key \"size\" in services[].loadBalancer.consistentHash"},
      {"loadBalancer.slowStart = '30s'", {"E0106 7:26"}, "slowStart must be a table"},
      {"loadBalancer.slowStart.window = 'soon'", {"E0111 7:33"}, ""},
  });
}

TEST_CASE("keys of loadBalancer that have no effect are named") {
  check_policies({
      {"loadBalancer = { type = 'Random', consistentHash = { seed = 1 } }",
       {"W0322 7:52"},
       "consistentHash has no effect but with type ConsistentHash"},
      {"loadBalancer = { type = 'ConsistentHash', slowStart.window = '1s' }",
       {"W0322 7:43"},
       "slowStart has no effect with type ConsistentHash"},
      {"[defaults.service.loadBalancer]\nconsistentHash.seed = 1", {}, ""},
  });
}

TEST_CASE("circuitBreaker and retry take their bounds") {
  const ServicePolicy policy = load_policy(
      "circuitBreaker = { maxConnections = 1000, perEndpoint.maxConnections = 100, maxPending = "
      "50, "
      "pendingTimeout = '1s' }\nretry = { maxAttempts = 100, totalTimeout = '1ms' }");
  CHECK(policy.circuit_breaker == CircuitBreaker{1000, 100, 50, 1000});
  CHECK(policy.retry_max_attempts == 100);
  CHECK(policy.retry_total_timeout_ms == 1);
  CHECK(load_policy("").circuit_breaker == CircuitBreaker{0, 0, 0, 5000});
  CHECK(load_policy("circuitBreaker.maxConnections = 1073741824").circuit_breaker.max_connections ==
        1U << 30);
  check_policies({
      {"circuitBreaker.maxConnections = -1",
       {"E0110 7:33"},
       "maxConnections must be within 0..1073741824, but is -1"},
      {"circuitBreaker.maxConnections = 1073741825", {"E0110 7:33"}, ""},
      {"circuitBreaker.perEndpoint.maxConnections = -1", {"E0110 7:45"}, ""},
      {"circuitBreaker.perEndpoint = 5", {"E0106 7:30"}, "perEndpoint must be a table"},
      {"circuitBreaker.maxPendingRequests = 5", {"E0105 7:16"}, "unknown key"},
      {"circuitBreaker = { maxConnections = 1, maxPending = 1, pendingTimeout = '0s' }",
       {"E0110 7:73"},
       "pendingTimeout must be at least 1ms"},
      {"circuitBreaker.maxPending = 5",
       {"W0322 7:29"},
       "maxPending has no effect: without maxConnections nothing is ever full"},
      {"circuitBreaker.pendingTimeout = '5s'",
       {"W0322 7:33"},
       "pendingTimeout has no effect: maxPending is 0"},
      {"retry.maxAttempts = 0", {"E0110 7:21"}, "maxAttempts must be within 1..100"},
      {"retry.maxAttempts = 101", {"E0110 7:21"}, ""},
      {"retry.totalTimeout = '0s'", {"E0110 7:22"}, ""},
  });
  CHECK(
      load_service("circuitBreaker.maxPending = 5", "{ address = '10.0.0.1', maxConnections = 1 }")
          .policy.circuit_breaker.max_pending == 5);
}

TEST_CASE("a service says only what differs from the defaults") {
  const ServicePolicy policy = load_policy(
      "loadBalancer.consistentHash.tableSize = 1009\n"
      "circuitBreaker.maxPending = 7\n"
      "[defaults.service]\nloadBalancer = { type = 'ConsistentHash', consistentHash.seed = 3 }\n"
      "circuitBreaker = { maxConnections = 9, pendingTimeout = '2s' }\n");
  CHECK(policy.load_balancer == LoadBalancerType::kConsistentHash);
  CHECK(policy.consistent_hash == ConsistentHash{1009, 3, 32, 128});
  CHECK(policy.circuit_breaker == CircuitBreaker{9, 0, 7, 2000});
}

}  // namespace
}  // namespace lb::config
