// What a seed stands for.
#include <algorithm>
#include <array>
#include <string>

#include "test/sim/relay_run.h"
#include "test/support/client_hello.h"

namespace lb::sim {
namespace {

using util::Random;

template <typename T, size_t kSize>
T one_of(Random& random, const std::array<T, kSize>& choices) {
  return choices[random.below(kSize)];
}

ScriptPlan make_script(Random& random, bool is_benign) {
  ScriptPlan script;
  script.size_bytes = random.one_in(5) ? 0 : random.below(uint64_t{1} << (2 + random.below(14)));
  const uint64_t piece = std::max<uint64_t>(script.size_bytes / 50, 1);
  script.max_write_bytes = piece + random.below(uint64_t{1} << random.below(14));
  script.max_read_bytes = 200 + random.below(uint64_t{1} << random.below(15));
  script.max_pause_ms = one_of<uint32_t>(random, std::array<uint32_t, 4>{0, 1, 5, 20});
  using Leave = ScriptPlan::Leave;
  script.leave =
      one_of(random, std::array{Leave::kFinish, Leave::kFinish, Leave::kFinishAfterPeer});
  if (is_benign) return script;
  if (random.one_in(2)) {
    script.leave =
        one_of(random, std::array{Leave::kReset, Leave::kReset, Leave::kClose, Leave::kNever});
  }
  script.leave_ms = static_cast<int64_t>(random.below(uint64_t{1} << random.below(14)));
  if (random.one_in(3)) {
    script.stall_after_bytes = random.below(script.size_bytes + 1);
    script.stall_ms =
        one_of<int64_t>(random, std::array<int64_t, 4>{100, 900, 20'000, util::kNever});
  }
  return script;
}

// Streams and chats in turn, for as long as it has bytes: nothing but the pace of the sender makes
// a relay change its mode.
void make_bursty(Random& random, ScriptPlan& script) {
  script.burst_bytes = 8'000 + random.below(30'000);
  script.talk_bytes = 100 + random.below(400);
  script.talk_pause_ms = static_cast<uint32_t>(10 + random.below(40));
  script.size_bytes = (1 + random.below(3)) * (script.burst_bytes + script.talk_bytes);
  script.max_write_bytes = 5'000 + random.below(20'000);
  script.max_read_bytes = 5'000 + random.below(20'000);
  script.max_pause_ms = static_cast<uint32_t>(random.below(3));
}

EndpointKind make_endpoint(Random& random) {
  using enum EndpointKind;
  return one_of(random, std::array{kAccepting, kAccepting, kAccepting, kAccepting, kRefusing,
                                   kUnreachable, kSlow, kSilent});
}

ConnectionPlan make_connection(Random& random, bool is_benign) {
  ConnectionPlan plan;
  plan.arrives_ms = static_cast<int64_t>(random.below(100));
  plan.client = make_script(random, is_benign);
  plan.server = make_script(random, is_benign);
  // Both waiting for the other's FIN is no way to end.
  if (is_benign && plan.client.leave == ScriptPlan::Leave::kFinishAfterPeer) {
    plan.server.leave = ScriptPlan::Leave::kFinish;
  }
  const size_t endpoints = 1 + random.below(3);
  for (size_t i = 0; i < endpoints; ++i) {
    plan.endpoints.push_back(is_benign ? EndpointKind::kAccepting : make_endpoint(random));
  }
  plan.listener.buffer_limit_bytes = 4096;
  if (is_benign) return plan;
  plan.listener.idle_timeout_ms =
      one_of<int64_t>(random, std::array<int64_t, 5>{0, 300, 5'000, 60'000, 3'600'000});
  plan.listener.half_close_timeout_ms =
      one_of<int64_t>(random, std::array<int64_t, 5>{0, 200, 3'000, 60'000, 300'000});
  plan.service.connect_timeout_ms = one_of<int64_t>(random, std::array<int64_t, 3>{20, 500, 5'000});
  plan.service.retry_max_attempts = 1 + static_cast<uint32_t>(random.below(4));
  plan.service.retry_total_timeout_ms =
      one_of<int64_t>(random, std::array<int64_t, 3>{30, 1'000, 10'000});
  return plan;
}

config::ProxyHeader make_proxy_header(Random& random) {
  using config::ProxyVersion;
  config::ProxyHeader header;
  header.version = one_of(random, std::array{ProxyVersion::kNone, ProxyVersion::kNone,
                                             ProxyVersion::kV1, ProxyVersion::kV2});
  header.tlvs.unique_id = random.one_in(2);
  header.tlvs.crc32c = random.one_in(2);
  header.tlvs.authority = random.one_in(3);
  header.tlvs.alpn = random.one_in(3);
  return header;
}

// A client that speaks TLS, whose hello may be cut short, or not come in time.
void make_hello(Random& random, ConnectionPlan& plan) {
  if (random.one_in(2)) return;
  static const std::string hello =
      test::make_client_hello({.server_name = "sim.example", .protocols = {"h2", "http/1.1"}});
  plan.client.opening = hello;
  plan.tls = {"sim.example", "h2"};
  plan.may_miss_tls = true;
}

// A pool of addresses for some services, and ports that run out.
void make_sources(Random& random, RunPlan& plan) {
  plan.sim.no_source_one_in = one_of<uint32_t>(random, std::array<uint32_t, 4>{0, 1, 3, 10});
  for (ConnectionPlan& connection : plan.connections) {
    const size_t count = random.below(4);
    for (size_t i = 0; i < count; ++i) {
      connection.service.source.addresses.push_back("198.51.100." + std::to_string(i + 1));
    }
  }
}

SimOptions make_sim(Random& random, uint64_t seed, bool is_benign) {
  SimOptions sim;
  sim.seed = seed;
  sim.max_delay_ms = one_of<uint32_t>(random, std::array<uint32_t, 4>{0, 1, 5, 30});
  sim.pause_one_in = one_of<uint32_t>(random, std::array<uint32_t, 3>{0, 50, 300});
  sim.pause_ms = one_of<uint32_t>(random, std::array<uint32_t, 3>{20, 300, 2'000});
  sim.prompt_one_in = one_of<uint32_t>(random, std::array<uint32_t, 3>{1, 2, 10});
  sim.short_one_in = one_of<uint32_t>(random, std::array<uint32_t, 3>{2, 3, 10});
  sim.min_socket_bytes = one_of<uint32_t>(random, std::array<uint32_t, 3>{100, 1'000, 10'000});
  sim.max_socket_bytes =
      sim.min_socket_bytes * one_of<uint32_t>(random, std::array<uint32_t, 3>{1, 3, 20});
  sim.starve_one_in = one_of<uint32_t>(random, std::array<uint32_t, 3>{0, 0, 20});
  sim.late_turn_one_in = one_of<uint32_t>(random, std::array<uint32_t, 3>{0, 10, 2});
  if (!is_benign && random.one_in(10)) sim.emfile_one_in = random.one_in(2) ? 1 : 3;
  return sim;
}

// All connections are those of one service, which may have fewer than there are.
void make_bounded(Random& random, RunPlan& plan) {
  plan.service_bound = 1 + static_cast<uint32_t>(random.below(2));
  for (ConnectionPlan& connection : plan.connections) {
    config::CircuitBreaker& breaker = connection.service.circuit_breaker;
    breaker.max_pending = one_of<uint32_t>(random, std::array<uint32_t, 4>{0, 1, 8, 8});
    breaker.pending_timeout_ms =
        one_of<int64_t>(random, std::array<int64_t, 4>{20, 500, 5'000, 60'000});
    if (!plan.is_benign) continue;
    breaker.max_pending = 8;
    breaker.pending_timeout_ms = 3'600'000;
  }
}

}  // namespace

RunPlan RunPlan::make(uint64_t seed) {
  Random random(seed);
  RunPlan plan;
  plan.is_benign = random.one_in(4);
  plan.sim = make_sim(random, seed, plan.is_benign);
  const size_t connections = 1 + random.below(4);
  for (size_t i = 0; i < connections; ++i) {
    plan.connections.push_back(make_connection(random, plan.is_benign));
  }
  plan.engine.buffer_size_bytes =
      one_of<uint32_t>(random, std::array<uint32_t, 3>{128, 1'024, 4'096});
  plan.engine.max_buffers = 2 * static_cast<uint32_t>(connections);
  if (random.one_in(3)) {
    for (ConnectionPlan& connection : plan.connections) {
      make_bursty(random, random.one_in(2) ? connection.client : connection.server);
    }
    plan.sim.min_socket_bytes = 10'000;
    plan.sim.max_socket_bytes = 60'000;
    plan.sim.short_one_in = 10;
  }
  using config::SpliceMode;
  plan.splice =
      one_of(random, std::array{SpliceMode::kAuto, SpliceMode::kAlways, SpliceMode::kOff});
  // Fewer than flows, or enough: a flow without a pipe takes a buffer.
  plan.engine.max_pipes = one_of<uint32_t>(random, std::array<uint32_t, 3>{0, 1, 8});
  if (!plan.is_benign) {
    plan.engine.max_buffers = one_of<uint32_t>(random, std::array<uint32_t, 4>{1, 2, 4, 64});
    if (random.one_in(8)) plan.kill_ms = static_cast<int64_t>(random.below(3000));
    if (random.one_in(4)) make_sources(random, plan);
    if (random.one_in(6)) {
      plan.down_ms = static_cast<int64_t>(random.below(uint64_t{1} << (4 + random.below(8))));
      plan.spread_ms = one_of<int64_t>(random, std::array<int64_t, 3>{0, 50, 2'000});
      if (random.one_in(2)) plan.back_ms = plan.down_ms + static_cast<int64_t>(random.below(1'000));
    }
  }
  for (ConnectionPlan& connection : plan.connections) {
    connection.service.proxy_header = make_proxy_header(random);
    make_hello(random, connection);
  }
  if (random.one_in(4)) make_bounded(random, plan);
  return plan;
}

}  // namespace lb::sim
