// What the service manager may be sent, and the sentences for people.
#include "lb/control/service_manager.h"

#include <memory>

#include "lb/config/load.h"
#include "lb/control/status_sentence.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

// 2026-05-01 17:55:02 UTC.
constexpr int64_t kLoadedUs = 1'777'658'102'000'000;

Deployed two_listeners() {
  config::LoadResult loaded = config::load_text(R"(
[[gateways]]
name = "gw"
listeners = [{ name = "a", port = 1, protocol = "TCP" }, { name = "b", port = 2, protocol = "TCP" }]
[[services]]
name = "web"
ports = [{ port = 80 }, { port = 81 }]
endpoints = [{ address = "10.0.0.1" }, { address = "10.0.0.2" }, { address = "10.0.0.3" }]
)",
                                                "test");
  REQUIRE(loaded.config);
  balance::EndpointRegistry registry;
  absl::StatusOr<Deployed> deployed = compile_deployed(std::move(loaded), registry);
  REQUIRE(deployed.ok());
  deployed->generation = 4;
  return *std::move(deployed);
}

}  // namespace

TEST_CASE("service manager: a sentence is one line, whatever is in it") {
  CHECK(status_assignment("all well") == "STATUS=all well");
  CHECK(status_assignment("a\nMAINPID=1\r\t\x7f.") == "STATUS=a MAINPID=1   .");
  CHECK(status_assignment(std::string("nul\0byte", 8)) == "STATUS=nul byte");
  CHECK(status_assignment("gr\xc3\xbc\xc3\x9f dich") == "STATUS=gr\xc3\xbc\xc3\x9f dich");
}

TEST_CASE("service manager: a long sentence is cut between two characters") {
  const std::string exact(512, 'x');
  CHECK(status_assignment(exact) == "STATUS=" + exact);
  CHECK(status_assignment(exact + "y") == "STATUS=" + exact);
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "\xc3\xa4";
  CHECK(status_assignment(umlauts) == "STATUS=" + umlauts.substr(0, 512));
  CHECK(status_assignment("x" + umlauts) == "STATUS=x" + umlauts.substr(0, 510));
}

TEST_CASE("status sentence: what is served, since when, and what was refused") {
  Deployed deployed = two_listeners();
  ReloadState reload;
  reload.success_wall_us = kLoadedUs;
  const std::string sentence = serving_sentence(deployed, reload);
  // The time is local: neither the hour nor the day is known here.
  CHECK(sentence.substr(0, 52) == "2 listeners, 3 endpoints, generation 4, loaded 2026-");
  CHECK(sentence.substr(sentence.size() - 3) == ":02");

  reload.was_successful = false;
  reload.error = "f.toml:1:2: no (and 1 more)";
  CHECK(serving_sentence(deployed, reload) ==
        sentence + "; the last reload was refused: f.toml:1:2: no (and 1 more)");
  deployed.bind_failures = {{}, {}};
  CHECK(serving_sentence(deployed, reload).substr(0, 34) == "2 listeners (2 addresses not bound");
}

TEST_CASE("status sentence: what is left to drain") {
  CHECK(draining_sentence(1, 30'000) == "draining: 1 connection left, for 30 s at most");
  CHECK(draining_sentence(0, 1) == "draining: 0 connections left, for 1 s at most");
}

}  // namespace lb::control
