// The metrics' text: held to the exposition format, and its numbers to what was counted.
#include "lb/control/admin/metrics.h"

#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "lb/control/admin/diff.h"
#include "lb/control/admin/metrics_text.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

// Reads Prometheus text (exposition formats, 0.0.4): samples by their name with labels. What the
// format forbids goes to `objections`.
struct ParsedMetrics {
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;
  std::vector<std::string> objections;
};

ParsedMetrics parse(const std::string& text) {
  static const std::regex kHelp("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)");
  static const std::regex kType("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)");
  static const std::string kName = "[a-zA-Z_:][a-zA-Z0-9_:]*";
  static const std::string kLabel = R"re([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\[\\"n])*")re";
  static const std::regex kSample("(" + kName + ")(\\{" + kLabel + "(," + kLabel +
                                  ")*\\})? (\\S+)");
  ParsedMetrics parsed;
  std::set<std::string> helped;
  std::string family;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    std::smatch match;
    if (std::regex_match(line, match, kHelp)) {
      if (!helped.insert(match[1]).second) parsed.objections.push_back("twice: " + line);
      continue;
    }
    if (std::regex_match(line, match, kType)) {
      family = match[1];
      const bool is_counter = match[2] == "counter";
      if (!helped.contains(family)) parsed.objections.push_back("without HELP: " + line);
      if (!parsed.types.emplace(family, match[2]).second) {
        parsed.objections.push_back("twice: " + line);
      }
      if (is_counter != family.ends_with("_total")) {
        parsed.objections.push_back("a counter is a _total: " + line);
      }
      continue;
    }
    if (!std::regex_match(line, match, kSample)) {
      parsed.objections.push_back("no sample: " + line);
      continue;
    }
    if (match[1] != family) parsed.objections.push_back("outside its family: " + line);
    size_t used = 0;
    const std::string number = match[match.size() - 1];
    const double value = std::stod(number, &used);
    if (used != number.size()) parsed.objections.push_back("no number: " + line);
    if (!parsed.samples.emplace(match[1].str() + match[2].str(), value).second) {
      parsed.objections.push_back("twice: " + line);
    }
  }
  if (!text.ends_with('\n')) parsed.objections.push_back("no newline at the end");
  return parsed;
}

constexpr std::string_view kConfig =
    "[[gateways]]\nname = 'g'\naddresses = [{ value = '127.0.0.1' }]\n"
    "listeners = [{ name = 'l', port = 80, protocol = 'TCP' }]\n"
    "[[tcpRoutes]]\nname = 'r'\nparentRefs = [{ name = 'g' }]\n"
    "rules = [{ backendRefs = [{ name = 's', port = 1 }, { name = 's', port = 2 }] }]\n"
    "[[services]]\nname = 's'\n"
    "ports = [{ name = 'a', port = 1, targetPort = 9 }, { name = 'b', port = 2, targetPort = 9 }]\n"
    "endpoints = [{ address = '10.0.0.1', weight = 3 }, { path = '/run/\"odd\\name' }]\n";

Deployed deployed(std::string_view config) {
  config::LoadResult loaded = config::load_text(config, "f");
  REQUIRE(loaded.config);
  balance::EndpointRegistry registry;
  absl::StatusOr<Deployed> compiled = compile_deployed(std::move(loaded), registry);
  REQUIRE(compiled.ok());
  return *std::move(compiled);
}

std::string text_of(const Deployed& deployed, const ReloadState& reload,
                    const std::vector<const proxy::WorkerStats*>& workers) {
  return metrics_text({.deployed = deployed,
                       .reload = reload,
                       .workers = workers,
                       .figures = {{.busy_ratio = 0.25, .handed_over = 3}, {.busy_ratio = 1}},
                       .checks = {{deployed.snapshot->services[0].endpoints[0].endpoint.get(),
                                   health::CheckResults{5, 2, 1, 0}}},
                       .engine = event::EngineKind::kEpoll,
                       .version = "1.2.3",
                       .usage = process_usage(),
                       .dns = {.lookups = {5, 1, 2, 3}, .resolved = 7, .unresolved = 1}});
}

constexpr size_t kRefusedPlace = static_cast<size_t>(proxy::CloseReason::kNoRoute);
constexpr size_t kFinPlace = static_cast<size_t>(proxy::CloseReason::kClientFin);

TEST_CASE("weights are those that are used, and tables have a checksum") {
  const std::string weight = "sluice_endpoint_weight{service=\"s\",endpoint=\"10.0.0.1:9\"}";
  const std::string checksum = "sluice_maglev_table_checksum{service=\"s\"}";
  Deployed served = deployed(kConfig);
  auto snapshot = std::make_shared<proxy::Snapshot>(*served.snapshot);
  served.snapshot = snapshot;
  const auto samples = [&] { return parse(text_of(served, {}, {})).samples; };
  balance::Endpoint& endpoint = *snapshot->services[0].endpoints[0].endpoint;
  CHECK(samples().at(weight) == 3);
  CHECK(!samples().contains(checksum));
  endpoint.set_weight_override(8);
  CHECK(samples().at(weight) == 8);

  // Both of the service's lists have tables, of the same checksum; an operator's weight is in none.
  balance::MaglevTables tables;
  for (proxy::ServiceSnapshot& service : snapshot->services) {
    service.policy.load_balancer = config::LoadBalancerType::kConsistentHash;
    service.hash_tiers = balance::make_hash_tiers(service.endpoints, 101, 0, tables);
  }
  const uint32_t of_one = snapshot->services[0].hash_tiers[0].table->checksum();
  CHECK(samples().at(checksum) == of_one + of_one);
  CHECK(samples().at(weight) == 3);
  endpoint.set_weight_override(0);
  CHECK(samples().at(weight) == 0);
}

TEST_CASE("an endpoint is healthy when the file or an operator says that it is ready") {
  const std::string healthy = "sluice_endpoint_healthy{service=\"s\",endpoint=\"10.0.0.1:9\"}";
  std::string config(kConfig);
  const std::string_view of_first = "weight = 3";
  config.replace(config.find(of_first), of_first.size(), "ready = false");
  const Deployed served = deployed(config);
  const auto value = [&] { return parse(text_of(served, {}, {})).samples.at(healthy); };
  balance::Endpoint& endpoint = *served.snapshot->services[0].endpoints[0].endpoint;
  CHECK(value() == 0);
  endpoint.set_admin_state(balance::AdminState::kReady);
  CHECK(value() == 1);
  endpoint.set_ejected(true);
  CHECK(value() == 0);
}

TEST_CASE("the metrics keep to the format and sum up over the workers") {
  Deployed served = deployed(kConfig);
  served.generation = 7;
  ReloadState reload;
  reload.was_successful = false;
  reload.success_wall_us = 1'700'000'000'500'000;
  proxy::WorkerStats one;
  proxy::WorkerStats two;
  for (proxy::WorkerStats* worker : {&one, &two}) {
    worker->listener("g", "l")->accepted.add(10);
    worker->listener("g", "l")->ended.add(4);
    worker->listener("g", "l")->refused[kRefusedPlace].add(1);
    worker->service("s")->bytes[0].add(5'000'000'000);
    worker->service("s")->bytes[1].add(7);
    worker->service("s")->closes[kFinPlace].add(4);
    worker->service("s")->retries.add(2);
    worker->endpoint("s", "10.0.0.1:9")->connections.add(9);
    worker->endpoint("s", "10.0.0.1:9")->failure(proxy::CloseReason::kConnectRefused).add(3);
  }
  two.listener("old", "l")->accepted.add(1);
  served.snapshot->services[0].endpoints[0].endpoint->add_active();
  served.snapshot->services[0].endpoints[1].endpoint->set_healthy(false);
  const std::string text = text_of(served, reload, {&one, &two});
  INFO(text);
  ParsedMetrics parsed = parse(text);
  CHECK(parsed.objections.empty());
  const auto value = [&](const std::string& sample) -> std::optional<double> {
    const auto found = parsed.samples.find(sample);
    if (found == parsed.samples.end()) return std::nullopt;
    return found->second;
  };
  CHECK(value("sluice_connections_total{gateway=\"g\",listener=\"l\"}") == 20);
  CHECK(value("sluice_connections_total{gateway=\"old\",listener=\"l\"}") == 1);
  CHECK(value("sluice_connections_active{gateway=\"g\",listener=\"l\"}") == 10);
  CHECK(
      value("sluice_connections_refused_total{gateway=\"g\",listener=\"l\",reason=\"no_route\"}") ==
      2);
  CHECK(value("sluice_service_connections_total{service=\"s\",endpoint=\"10.0.0.1:9\"}") == 18);
  CHECK(value("sluice_service_connections_active{service=\"s\",endpoint=\"10.0.0.1:9\"}") == 1);
  CHECK(value("sluice_connection_closes_total{service=\"s\",reason=\"client_fin\"}") == 8);
  CHECK(value("sluice_bytes_total{service=\"s\",direction=\"in\"}") == 1e10);
  CHECK(value("sluice_bytes_total{service=\"s\",direction=\"out\"}") == 14);
  CHECK(
      value("sluice_connect_failures_total{service=\"s\",endpoint=\"10.0.0.1:9\",reason=\"connect_"
            "refused\"}") == 6);
  CHECK(value("sluice_connect_retries_total{service=\"s\"}") == 4);
  CHECK(value("sluice_endpoint_weight{service=\"s\",endpoint=\"10.0.0.1:9\"}") == 3);
  CHECK(value("sluice_endpoint_weight{service=\"s\",endpoint=\"/run/\\\"odd\\\\name\"}") == 1);
  CHECK(value("sluice_endpoint_healthy{service=\"s\",endpoint=\"10.0.0.1:9\"}") == 1);
  CHECK(value("sluice_endpoint_healthy{service=\"s\",endpoint=\"/run/\\\"odd\\\\name\"}") == 0);
  const auto checks = [&](const std::string& result) {
    return value("sluice_health_checks_total{service=\"s\",endpoint=\"10.0.0.1:9\",result=\"" +
                 result + "\"}");
  };
  CHECK(checks("success") == 5);
  CHECK(checks("failure") == 2);
  CHECK(checks("timeout") == 1);
  CHECK(checks("none") == 0);
  CHECK(value("sluice_config_last_reload_successful") == 0);
  CHECK(value("sluice_config_generation") == 7);
  CHECK(value("sluice_config_last_reload_success_timestamp_seconds") == 1'700'000'000.5);
  CHECK(value("sluice_worker_connections{worker=\"0\"}") == 5);
  CHECK(value("sluice_worker_connections{worker=\"1\"}") == 6);
  CHECK(value("sluice_worker_busy_ratio{worker=\"0\"}") == 0.25);
  CHECK(value("sluice_worker_busy_ratio{worker=\"1\"}") == 1);
  CHECK(value("sluice_worker_handovers_total{worker=\"0\"}") == 3);
  CHECK(value("sluice_worker_handovers_total{worker=\"1\"}") == 0);
  CHECK(value("sluice_dns_lookups_total{result=\"timeout\"}") == 2);
  CHECK(value("sluice_dns_names{state=\"resolved\"}") == 7);
  CHECK(value("sluice_dns_names{state=\"stale\"}") == 0);
  CHECK(value("sluice_engine_info{engine=\"epoll\",features=\"edge_triggered,eventfd\"}") == 1);
  CHECK(value("sluice_build_info{version=\"1.2.3\"}") == 1);
}

TEST_CASE("what the process uses is plausible") {
  const Deployed served = deployed(kConfig);
  const ParsedMetrics parsed = parse(text_of(served, {}, {}));
  CHECK(parsed.objections.empty());
  CHECK(parsed.samples.at("sluice_config_last_reload_successful") == 1);
  CHECK(parsed.samples.at("process_cpu_seconds_total") > 0);
  CHECK(parsed.samples.at("process_resident_memory_bytes") > 1e6);
  CHECK(parsed.samples.at("process_virtual_memory_bytes") >
        parsed.samples.at("process_resident_memory_bytes"));
  CHECK(parsed.samples.at("process_open_fds") >= 3);
  CHECK(parsed.samples.at("process_open_fds") < 200);
  CHECK(parsed.samples.at("process_max_fds") >= parsed.samples.at("process_open_fds"));
  const double now = static_cast<double>(time(nullptr));
  CHECK(parsed.samples.at("process_start_time_seconds") <= now + 1);
  CHECK(parsed.samples.at("process_start_time_seconds") > now - 3600);
}

TEST_CASE("a number read in the midst of a connection's end is no underflow") {
  proxy::ListenerStats stats;
  stats.accepted.add(1);
  stats.ended.add(2);
  CHECK(live_connections(stats) == 0);
}

TEST_CASE("label values are escaped") {
  MetricsText text;
  text.family("a_total", MetricsText::Type::kCounter, "Help.");
  text.sample({{"x", "a\"b\\c\nd"}, {"y", "\xc3\xa4"}}, uint64_t{1});
  text.sample({}, 0.5);
  CHECK(text.take() ==
        "# HELP a_total Help.\n# TYPE a_total counter\n"
        "a_total{x=\"a\\\"b\\\\c\\nd\",y=\"\xc3\xa4\"} 1\na_total 0.5\n");
}

TEST_CASE("the checker objects to what the format forbids") {
  CHECK(parse("a 1\n").objections.size() == 1);
  CHECK(parse("# TYPE a gauge\na 1\n").objections.size() == 1);
  CHECK(parse("# HELP a x\n# TYPE a gauge\na 1\na 1\n").objections.size() == 1);
  CHECK(parse("# HELP a x\n# TYPE a counter\na 1\n").objections.size() == 1);
  CHECK(parse("# HELP a x\n# TYPE a gauge\na{b=\"\"\"} 1\n").objections.size() == 1);
  CHECK(parse("# HELP a x\n# TYPE a gauge\na{b=\"c\"} 1").objections.size() == 1);
}

}  // namespace
}  // namespace lb::control
