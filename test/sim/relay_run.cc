#include "test/sim/relay_run.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fmt/format.h"
#include "lb/proxy/preamble.h"
#include "test/support/socket.h"

namespace lb::sim {
namespace {

constexpr util::MonoTimeMs kStartMs = 5'000'000'000;
// Whoever lives so long will not end by itself.
constexpr util::MonoTimeMs kEndOfTimeMs = 10 * 3'600'000;
constexpr int64_t kRoom = 1'000'000;
constexpr int kMaxTurns = 3'000'000;
constexpr uint64_t kFirstId = 1;

net::Address client_address(size_t party) {
  return test::ip_address("198.51.100.7", static_cast<uint16_t>(party));
}

net::Address listener_address() { return test::ip_address("192.0.2.100", 80); }

}  // namespace

RelayRun::RelayRun(const RunPlan& plan)
    : plan_(plan),
      network_(plan_.sim, kStartMs + static_cast<int64_t>(plan_.sim.seed % 100'000)),
      engine_(network_, plan_.engine),
      log_fd_(memfd_create("access log", MFD_CLOEXEC)),
      sink_(std::make_unique<util::LogSink>(log_fd_, util::RecordFormat::kLogfmt)),
      log_(sink_.get(), util::RecordFormat::kLogfmt),
      state_(std::make_shared<balance::ServiceState>("s")),
      snapshot_(make_snapshot(plan_)),
      router_(std::make_shared<proxy::Router>(snapshot_, plan_.sim.seed, stats_)),
      budget_(kRoom, kRoom, loads_),
      hand_over_(loads_, 0, engine_, 1),
      table_(engine_, budget_, hand_over_, log_, plan_.splice, kFirstId) {
  state_->slots().set_bound(plan_.service_bound);
  network_.set_failure_handler([this](const std::string& what) { fail(what); });
  engine_.set_stuck_handler([this] { is_stuck_ = true; });
}

RelayRun::~RelayRun() { ::close(log_fd_); }

net::Address RelayRun::address_of(size_t party, size_t endpoint) {
  return test::ip_address(fmt::format("192.0.2.{}", party + 1),
                          static_cast<uint16_t>(8000 + endpoint));
}

std::shared_ptr<const proxy::Snapshot> RelayRun::make_snapshot(const RunPlan& plan) {
  auto snapshot = std::make_shared<proxy::Snapshot>();
  for (size_t i = 0; i < plan.connections.size(); ++i) {
    const ConnectionPlan& connection = plan.connections[i];
    proxy::ServiceSnapshot service;
    service.name = fmt::format("s{}", i);
    service.policy = connection.service;
    for (size_t e = 0; e < connection.endpoints.size(); ++e) {
      service.endpoints.push_back(
          {std::make_shared<balance::Endpoint>(address_of(i, e), state_), 1});
    }
    snapshot->services.push_back(std::move(service));
    proxy::RouteSnapshot route;
    route.name = fmt::format("r{}", i);
    route.backends.push_back({1, i});
    route.has_weight = true;
    snapshot->routes.push_back(std::move(route));
    proxy::ListenerSnapshot listener;
    listener.gateway = "g";
    listener.name = fmt::format("l{}", i);
    listener.route = i;
    listener.policy = connection.listener;
    snapshot->listeners.push_back(std::move(listener));
  }
  return snapshot;
}

std::vector<std::string> RelayRun::preambles_of(const Party& party) {
  const auto preamble = [&](const proxy::TLSFacts& tls) {
    return proxy::preamble_for(party.plan->service.proxy_header,
                               {false, client_address(party.index), listener_address()}, party.id,
                               tls);
  };
  std::vector<std::string> choices = {preamble(party.plan->tls)};
  if (party.plan->may_miss_tls) choices.push_back(preamble({}));
  return choices;
}

void RelayRun::add_server(Party& party, size_t endpoint, EndpointKind kind) {
  SimServer server;
  server.answer = [this, kind] {
    SimSchedule& schedule = network_.schedule();
    SimAnswer answer;
    answer.delay_ms = static_cast<int64_t>(schedule.random().below(10));
    switch (kind) {
      case EndpointKind::kAccepting:
        break;
      case EndpointKind::kRefusing:
        answer.result = -ECONNREFUSED;
        break;
      case EndpointKind::kUnreachable:
        answer.result = schedule.random().one_in(2) ? -EHOSTUNREACH : -ETIMEDOUT;
        answer.delay_ms = 0;
        break;
      case EndpointKind::kSlow:
        // Around the connect timeout: a race.
        answer.delay_ms = static_cast<int64_t>(schedule.random().below(1000));
        break;
      case EndpointKind::kSilent:
        answer.is_silent = true;
        break;
    }
    return answer;
  };
  server.accepted = [this, &party](SimSocket& socket) {
    party.servers.emplace_back(network_.schedule(), socket, party.plan->server,
                               seed_of(party, true), seed_of(party, false));
    party.servers.back().expect_preamble(preambles_of(party));
    party.servers.back().expect_opening(party.plan->client.opening);
    party.servers.back().start();
  };
  network_.add_server(address_of(party.index, endpoint), std::move(server));
}

void RelayRun::arrive(Party& party) {
  const auto [fd, socket] =
      network_.make_connection(listener_address(), client_address(party.index));
  party.client = std::make_unique<Script>(network_.schedule(), *socket, party.plan->client,
                                          seed_of(party, false), seed_of(party, true));
  party.client->start();
  party.accepted_ms = engine_.now_ms();
  party.id = kFirstId + arrived_++;
  table_.accept(fd, router_, party.index);
}

void RelayRun::kill_at(util::MonoTimeMs at_ms) {
  network_.schedule().after(at_ms, [this] {
    engine_.post([this] {
      was_killed_ |= !table_.is_empty();
      table_.close_all(proxy::CloseReason::kKilled);
    });
  });
}

void RelayRun::put_down_at(util::MonoTimeMs at_ms) {
  network_.schedule().after(at_ms, [this] {
    engine_.post([this] {
      was_put_down_ = true;
      for (const proxy::ServiceSnapshot& service : snapshot_->services) {
        table_.closer().begin(service.endpoints.front().endpoint, proxy::CloseReason::kEndpointDown,
                              plan_.spread_ms);
      }
    });
  });
}

void RelayRun::bring_back_at(util::MonoTimeMs at_ms) {
  network_.schedule().after(at_ms, [this] {
    engine_.post([this] {
      for (const proxy::ServiceSnapshot& service : snapshot_->services) {
        table_.closer().call_off(*service.endpoints.front().endpoint);
      }
    });
  });
}

std::vector<std::string> RelayRun::run() {
  for (const ConnectionPlan& plan : plan_.connections) {
    Party& party = parties_.emplace_back();
    party.plan = &plan;
    party.index = parties_.size() - 1;
    for (size_t e = 0; e < plan.endpoints.size(); ++e) add_server(party, e, plan.endpoints[e]);
    network_.schedule().after(plan.arrives_ms, [this, &party] { arrive(party); });
  }
  if (plan_.kill_ms != util::kNever) kill_at(plan_.kill_ms);
  if (plan_.down_ms != util::kNever) put_down_at(plan_.down_ms);
  if (plan_.back_ms != util::kNever) bring_back_at(plan_.back_ms);
  kill_at(kEndOfTimeMs);
  turn_until_empty();
  drain_scripts();
  read_log();
  check_left_overs();
  check_modes();
  for (Party& party : parties_) check(party);
  return failures_;
}

void RelayRun::turn_until_empty() {
  for (int turn = 0; arrived_ < parties_.size() || !table_.is_empty(); ++turn) {
    if (turn > kMaxTurns || is_stuck_) give_up();
    engine_.run_once(util::kNever);
    log_.flush();
    if (plan_.service_bound > 0 && state_->slots().taken() > plan_.service_bound) {
      fail("more connections than the service may have");
    }
  }
}

// The product's objects must not be destroyed with operations in flight, so this is the end.
void RelayRun::give_up() {
  fmt::print(stderr, "the connections never end: {} of them, with these operations:\n{}",
             table_.size(), engine_.describe());
  for (const Party& party : parties_) {
    if (party.client == nullptr) continue;
    fmt::print(stderr, "client {}: {}\n  which {}\n", party.index, party.plan->client.describe(),
               party.client->describe());
    if (party.servers.empty()) continue;
    fmt::print(stderr, "  server: {}\n  which {}\n", party.plan->server.describe(),
               party.servers.back().describe());
  }
  for (const std::string& failure : failures_) fmt::print(stderr, "{}\n", failure);
  std::abort();
}

void RelayRun::drain_scripts() {
  const auto drain = [](Script& script) { script.drain(); };
  for (Party& party : parties_) {
    drain(*party.client);
    for (Script& server : party.servers) drain(server);
  }
  const auto is_over = [&] {
    for (Party& party : parties_) {
      if (!party.client->is_over()) return false;
      for (Script& server : party.servers) {
        if (!server.is_over()) return false;
      }
    }
    return true;
  };
  const util::MonoTimeMs until_ms = engine_.now_ms() + 600'000;
  while (!is_over() && engine_.now_ms() < until_ms) engine_.run_once(until_ms);
  if (!is_over()) fail("an end is never told that its connection is over");
  // A timer of the table may be left; it must come to an end as well.
  for (int turn = 0; turn < 100 && engine_.timers().next_wakeup_ms() != util::kNever; ++turn) {
    engine_.run_once(engine_.timers().next_wakeup_ms());
  }
}

void RelayRun::read_log() {
  log_.flush();
  sink_.reset();
  std::string text(static_cast<size_t>(lseek(log_fd_, 0, SEEK_END)), '\0');
  if (pread(log_fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    fail("the access log cannot be read");
  }
  size_t begin = 0;
  for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const auto record = test::AccessRecord::parse(text.substr(begin, end - begin));
    if (!record) {
      fail("a line of the access log is no record: " + text.substr(begin, end - begin));
      continue;
    }
    const auto index = static_cast<size_t>(std::stoi(record->text("service").substr(1)));
    if (parties_[index].record) fail("two records of one connection: " + record->line());
    parties_[index].record = record;
  }
}

std::vector<std::string> RelayRun::close_words() const {
  std::vector<std::string> words;
  for (const Party& party : parties_) {
    if (party.record) words.push_back(party.record->close_word());
  }
  return words;
}

std::string RelayRun::summary() const {
  std::string text =
      fmt::format("{} turns, until {}\n", engine_.counters().turns, engine_.now_ms());
  for (const Party& party : parties_) {
    text += party.client->describe() + "\n";
    for (const Script& server : party.servers) text += server.describe() + "\n";
    // But for its wall clock.
    if (party.record) text += party.record->line().substr(party.record->line().find(" id=")) + "\n";
  }
  return text;
}

void RelayRun::check_left_overs() {
  if (network_.open_fds() != 0) fail(fmt::format("{} descriptors left", network_.open_fds()));
  if (engine_.in_flight() != 0) fail(fmt::format("{} operations left", engine_.in_flight()));
  if (engine_.buffers().lent() != 0) fail(fmt::format("{} buffers left", engine_.buffers().lent()));
  if (engine_.pipes().lent() != 0) fail(fmt::format("{} pipes left", engine_.pipes().lent()));
  if (engine_.timers().next_wakeup_ms() != util::kNever) fail("a timer is left running");
  if (budget_.taken() != 0) fail(fmt::format("a budget of {} is left", budget_.taken()));
  if (budget_.room() != kRoom) fail("a connection still waits for a descriptor");
  if (state_->slots().taken() != 0) fail("a slot of the service is left");
  if (!state_->pending().is_empty()) fail("a connection still waits for room");
  for (const auto& service : snapshot_->services) {
    for (const auto& weighted : service.endpoints) {
      if (weighted.endpoint->active() != 0) fail("an endpoint is left with active connections");
    }
  }
}

}  // namespace lb::sim
