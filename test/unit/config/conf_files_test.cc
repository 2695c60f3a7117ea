// The files in conf/ are read as shipped, and the reference names every key that the reader knows.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

const std::string kConfDir = SLUICE_CONF_DIR;

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Config load_sound(const std::string& name) {
  LoadResult result = load_file(kConfDir + "/" + name);
  INFO(printed(result.faults));
  REQUIRE(result.config);
  CHECK(result.faults.empty());
  Attachment attachment = attach(*result.config);
  locate(attachment.findings, result.sources);
  CHECK(printed(attachment.findings).empty());
  return *result.config;
}

TEST_CASE("the guide's example is two listeners, one route and one service") {
  const Config config = load_sound("tcp-routing.toml");
  REQUIRE(config.gateways.size() == 1);
  CHECK(to_string(config.gateways[0].name) == "simple-fsm-gateway");
  REQUIRE(config.gateways[0].listeners.size() == 2);
  CHECK(config.gateways[0].listeners[1].name == "bar");
  CHECK(config.gateways[0].listeners[1].port == 8001);
  const Attachment attachment = attach(config);
  for (const AttachedListener& listener : attachment.gateways[0].listeners) {
    CHECK(listener.active_route == 0U);
  }
  CHECK(config.services.at(0).ports.at(0).target_port == 80);
}

TEST_CASE("the minimal file serves") {
  CHECK(load_sound("minimal.toml").services.at(0).endpoints.size() == 2);
}

TEST_CASE("the reference file names every key, and its defaults are the defaults") {
  const std::string text = read(kConfDir + "/sluice.toml");
  const std::vector<std::string> keys = known_keys();
  CHECK(keys.size() > 80);
  for (const std::string& path : keys) {
    const std::string key = path.substr(path.find_last_of('.') + 1);
    INFO(path);
    CHECK(std::regex_search(text, std::regex("\\b" + key + "\\b")));
  }
  const Config config = load_sound("sluice.toml");
  const Runtime silent;
  CHECK(config.runtime.workers == silent.workers);
  CHECK(config.runtime.engine == silent.engine);
  CHECK(config.runtime.max_connections == silent.max_connections);
  CHECK(config.runtime.splice == silent.splice);
  CHECK(config.runtime.shutdown_timeout_ms == silent.shutdown_timeout_ms);
  CHECK(config.runtime.announce_grace_ms == silent.announce_grace_ms);
  CHECK(config.runtime.drain_spread_ms == silent.drain_spread_ms);
  CHECK(config.access_log.path == AccessLog().path);
  CHECK(config.log.level == Log().level);
  const ListenerPolicy& listener = config.gateways.at(0).listeners.at(0).policy;
  CHECK(listener.idle_timeout_ms == ListenerPolicy().idle_timeout_ms);
  CHECK(listener.half_close_timeout_ms == ListenerPolicy().half_close_timeout_ms);
  CHECK(listener.buffer_limit_bytes == ListenerPolicy().buffer_limit_bytes);
  const ServicePolicy& service = config.services.at(0).policy;
  CHECK(service == ServicePolicy());
}

// A key that is shown commented out must be a key all the same.
TEST_CASE("the reference file still loads with its commented keys taken in") {
  std::string text = read(kConfDir + "/sluice.toml");
  const std::regex commented(
      "\n( *)# ((timeout|connection|retry|loadBalancer|healthCheck|circuitBreaker|"
      "proxyProtocol|source|onEndpointDown|onEndpointRemoved|dns|creationTimestamp|namespace|name)["
      "A-Za-z0-9.]* = )");
  const auto begin = std::sregex_iterator(text.begin(), text.end(), commented);
  CHECK(std::distance(begin, std::sregex_iterator()) >= 40);
  text = std::regex_replace(text, commented, "\n$1$2");
  const LoadResult result = load_text(text, "sluice.toml");
  INFO(printed(result.faults));
  CHECK(result.config);
}

}  // namespace
}  // namespace lb::config
