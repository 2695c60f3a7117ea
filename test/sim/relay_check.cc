// What must hold for one relayed connection, whatever its two ends did.
#include <algorithm>
#include <set>
#include <string>

#include "fmt/format.h"
#include "test/sim/relay_run.h"

namespace lb::sim {
namespace {

const std::set<std::string> kTimeouts = {"idle_timeout", "half_close_timeout"};
const std::set<std::string> kConnectFailures = {"connect_refused",  "connect_timeout",
                                                "connect_failed",   "no_backend",
                                                "out_of_resources", "limit_endpoint"};
const std::set<std::string> kResets = {"client_reset", "server_reset"};
const std::set<std::string> kFins = {"client_fin", "server_fin"};

// How long anything may take to come through: the network's and the engine's pauses, one after the
// other, and the time after which somebody looks.
util::MonoTimeMs slack_ms(const RunPlan& plan) {
  return 1'000 + 6 * std::max(plan.sim.pause_ms, plan.sim.max_delay_ms);
}

}  // namespace

void RelayRun::check_modes() {
  using config::SpliceMode;
  const SimEngine::ModeCounts& modes = engine_.modes();
  if (plan_.splice == SpliceMode::kOff && modes.splices > 0) fail("spliced, which is off");
  if (plan_.splice == SpliceMode::kAlways && modes.recvs > 0) fail("not always spliced");
  uint64_t relayed_bytes = 0;
  bool is_told = false;
  for (const Party& party : parties_) {
    if (!party.record) continue;
    relayed_bytes +=
        static_cast<uint64_t>(party.record->number("bytes_in") + party.record->number("bytes_out"));
    is_told |= party.record->text("relay") == "splice";
  }
  if (spliced_bytes() > relayed_bytes) fail("more bytes are spliced than relayed");
  if (spliced_bytes() > 0 && !is_told) fail("no record tells of spliced bytes");
  if (is_told && plan_.engine.max_pipes == 0) fail("spliced without a pipe");
  const bool has_pipes = plan_.engine.max_pipes >= 2 * plan_.connections.size();
  if (plan_.splice == SpliceMode::kAlways && has_pipes && spliced_bytes() != relayed_bytes) {
    fail(fmt::format("{} bytes are spliced, {} relayed", spliced_bytes(), relayed_bytes));
  }
}

void RelayRun::check(Party& party) {
  const size_t failures_before = failures_.size();
  if (!party.record) {
    fail(fmt::format("no access record of connection {}", party.index));
    return;
  }
  // A server that was reached too late, or for a client that had gone, has not seen a byte.
  for (size_t i = 0; i + 1 < party.servers.size(); ++i) {
    const bool expects_preamble = !preambles_of(party).front().empty();
    const bool has_got_some = party.servers[i].received_bytes() > 0 ||
                              (expects_preamble && party.servers[i].has_preamble());
    if (has_got_some) fail("a server that was given up got bytes");
    if (party.servers[i].end() != Script::End::kRST && !party.servers[i].has_left()) {
      fail("a server that was given up got no RST");
    }
  }
  if (party.server() != nullptr) {
    check_stream(party, *party.client, *party.server(), "upload");
    check_stream(party, *party.server(), *party.client, "download");
  } else if (party.client->received_bytes() > 0) {
    fail("bytes from nowhere");
  }
  check_reason(party);
  check_notice(party, *party.client);
  if (party.server() != nullptr) check_notice(party, *party.server());
  if (plan_.is_benign) check_benign(party);
  if (failures_.size() == failures_before) return;
  fail(fmt::format("connection {}: {}", party.index, party.record->line()));
  fail(fmt::format("  idle {} ms, half-close {} ms, client: {}",
                   party.plan->listener.idle_timeout_ms, party.plan->listener.half_close_timeout_ms,
                   party.plan->client.describe()));
  fail("  which " + party.client->describe());
  if (party.server() == nullptr) return;
  fail("  server: " + party.plan->server.describe());
  fail("  which " + party.server()->describe());
}

void RelayRun::check_stream(Party& party, Script& from, Script& to, const char* name) {
  const std::string reason = party.record->close_word();
  if (to.has_wrong_bytes()) fail(fmt::format("{}: wrong bytes", name));
  if (to.received_bytes() > from.sent_bytes()) fail(fmt::format("{}: too many bytes", name));
  if (to.end() == Script::End::kFIN) {
    // A FIN says that this was all. Only a timeout, or a half-close that may not last, cuts so.
    const bool is_whole =
        from.has_finished() && to.has_preamble() && to.received_bytes() == from.sent_bytes();
    const bool may_be_cut = kTimeouts.contains(reason) ||
                            (party.plan->listener.half_close_timeout_ms == 0 && to.has_finished());
    if (!is_whole && !may_be_cut) fail(fmt::format("{}: FIN after a part of it", name));
  }
  if (may_expect_flush(party, from, to) && to.received_bytes() < from.arrived_bytes()) {
    fail(fmt::format("{}: {} bytes had arrived before the reset, {} were passed on", name,
                     from.arrived_bytes(), to.received_bytes()));
  }
}

// After a reset, what had arrived is still offered to the other end for halfCloseTimeout: to one
// that reads it, and where nothing else ends the connection first.
bool RelayRun::may_expect_flush(Party& party, const Script& from, const Script& to) const {
  const config::ListenerPolicy& policy = party.plan->listener;
  const ScriptPlan& reader = &to == party.client.get() ? party.plan->client : party.plan->server;
  const bool is_patient = policy.half_close_timeout_ms >= 60'000 &&
                          (policy.idle_timeout_ms == 0 || policy.idle_timeout_ms >= 60'000) &&
                          plan_.engine.max_buffers >= 64 && !was_killed_;
  return is_patient && from.has_reset() && kResets.contains(party.record->close_word()) &&
         party.record->close_place() == "data" && reader.stall_ms < 1000 && !to.has_left();
}

void RelayRun::check_reason(Party& party) {
  const std::string reason = party.record->close_word();
  Script& client = *party.client;
  Script* const server = party.server();
  const auto bytes_in = static_cast<uint64_t>(party.record->number("bytes_in"));
  const auto bytes_out = static_cast<uint64_t>(party.record->number("bytes_out"));
  // Counted is what a destination's kernel took: no less than what its end got, and no more than
  // what came from the source.
  if (bytes_in > client.arrived_bytes()) fail("bytes_in counts too much");
  if (bytes_out < client.received_bytes()) fail("bytes_out counts too little");
  if (server != nullptr) {
    if (bytes_out > server->arrived_bytes()) fail("bytes_out counts too much");
    if (bytes_in < server->received_bytes()) fail("bytes_in counts too little");
  }
  if (party.record->number("attempts") > party.plan->service.retry_max_attempts) {
    fail("too many attempts");
  }
  if (reason == "killed") {
    if (!was_killed_) fail("killed by nobody");
    const bool may_live = party.plan->listener.idle_timeout_ms == 0;
    if (plan_.kill_ms == util::kNever && !may_live) fail("it does not end by itself");
    return;
  }
  if (reason == "endpoint_down") return check_put_down(party);
  const bool client_left = client.has_reset() || client.has_finished();
  const bool server_left = server != nullptr && (server->has_reset() || server->has_finished());
  if (kResets.contains(reason)) {
    const bool is_client = reason == "client_reset";
    // A close(2) is a RST too, for bytes that come after it.
    if (is_client ? !client_left : !server_left) fail("nobody has reset anything");
    Script* const told = is_client ? server : &client;
    const bool has_to_know = told != nullptr && !told->has_left() &&
                             party.record->close_place() == "data" &&
                             told->end() == Script::End::kNone;
    if (has_to_know) fail("the other end was not told of a reset");
  } else if (kFins.contains(reason)) {
    const bool has_first = reason == "client_fin" ? client.has_finished()
                                                  : server != nullptr && server->has_finished();
    if (!has_first) fail("nobody has sent the first FIN");
  } else if (kConnectFailures.contains(reason)) {
    if (client.end() != Script::End::kRST && !client.has_left()) {
      fail("a refused client got no RST");
    }
    if (reason == "out_of_resources" && plan_.sim.emfile_one_in == 0) fail("nothing was short");
    if (reason == "limit_endpoint" && plan_.service_bound == 0) fail("there is no limit");
    const config::ServicePolicy& policy = party.plan->service;
    int64_t limit_ms =
        std::min(policy.retry_total_timeout_ms,
                 policy.connect_timeout_ms * static_cast<int64_t>(policy.retry_max_attempts));
    if (plan_.service_bound > 0 && policy.circuit_breaker.max_pending > 0) {
      limit_ms += policy.circuit_breaker.pending_timeout_ms;
    }
    const bool may_wait = plan_.sim.emfile_one_in != 0;
    if (!may_wait && party.record->number("duration_ms") > limit_ms + slack_ms(plan_)) {
      fail("connecting took longer than it may");
    }
  } else if (kTimeouts.contains(reason)) {
    const config::ListenerPolicy& policy = party.plan->listener;
    const int64_t limit_ms =
        reason == "idle_timeout" ? policy.idle_timeout_ms : policy.half_close_timeout_ms;
    if (limit_ms == 0) fail("a timeout that is off");
    if (party.record->number("duration_ms") < limit_ms) fail("a timeout that came too early");
  } else {
    fail("an unexpected reason");
  }
}

void RelayRun::check_put_down(Party& party) {
  if (!was_put_down_) fail("no endpoint went down");
  for (const Script* end : {static_cast<const Script*>(party.client.get()),
                            static_cast<const Script*>(party.server())}) {
    if (end != nullptr && end->end() == Script::End::kNone && !end->has_left()) {
      fail("an end was not told that its endpoint went down");
    }
  }
}

// No timeout comes where a RST came before: it is noticed soon, even if nobody reads from that
// side. What was sent before it is read first, a buffer at a time.
void RelayRun::check_notice(Party& party, const Script& from) {
  const bool is_client = &from == party.client.get();
  const ScriptPlan& plan = is_client ? party.plan->client : party.plan->server;
  const bool has_reset = from.has_reset() && plan.leave == ScriptPlan::Leave::kReset;
  if (!has_reset || from.has_finished() || plan_.engine.max_buffers < 64) return;
  if (!kTimeouts.contains(party.record->close_word())) return;
  const util::MonoTimeMs ended_ms = party.accepted_ms + party.record->number("duration_ms");
  const auto buffers = static_cast<int64_t>(from.sent_bytes() / plan_.engine.buffer_size_bytes);
  const int64_t reading_ms = buffers * std::max(plan_.sim.pause_ms, plan_.sim.max_delay_ms);
  if (ended_ms > from.left_ms() + slack_ms(plan_) + reading_ms) {
    fail(fmt::format("a RST was not noticed in {} ms", ended_ms - from.left_ms()));
  }
}

void RelayRun::check_benign(Party& party) {
  const std::string reason = party.record->close_word();
  if (!kFins.contains(reason)) fail("a connection of two well-behaved ends ends otherwise");
  if (party.servers.size() != 1) return fail("there should be one server");
  Script& client = *party.client;
  Script& server = *party.server();
  for (const Script* end : {&client, &server}) {
    if (end->end() != Script::End::kFIN) fail("an end got no FIN");
    if (!end->has_preamble()) fail("the header is not whole");
    if (!end->has_finished()) fail("an end could not finish");
  }
  if (server.received_bytes() != party.plan->client.size_bytes) fail("the upload is not whole");
  if (client.received_bytes() != party.plan->server.size_bytes) fail("the download is not whole");
  const auto number = [&](const char* key) {
    return static_cast<uint64_t>(party.record->number(key));
  };
  if (number("bytes_in") != server.received_bytes()) fail("bytes_in is wrong");
  if (number("bytes_out") != client.received_bytes()) fail("bytes_out is wrong");
  if (number("attempts") != 1) fail("one attempt was enough");
}

}  // namespace lb::sim
