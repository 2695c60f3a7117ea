// `sluice endpoint`: changes at run time, how they are shown, and how long they last.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/admin_client.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr const char* kRoundRobin = "loadBalancer.type = \"RoundRobin\"";

// An endpoint as status shows it.
json shown(const SluiceProcess& process, const net::Address& address) {
  const json status = status_of(process);
  for (const json& endpoint : status.at("services").at(0).at("endpoints")) {
    if (address.is_unix() && endpoint.at("address") == address.to_string()) return endpoint;
    const bool is_it =
        endpoint.at("address") == address.host_string() && endpoint.at("port") == address.port();
    if (is_it) return endpoint;
  }
  return {};
}

json override_of(const SluiceProcess& process, const net::Address& address) {
  const json endpoint = shown(process, address);
  return endpoint.is_null() ? json("absent") : endpoint.at("override");
}

// Runs `sluice endpoint web ADDRESS ACTION...`; what it prints after the address.
std::string change(const SluiceProcess& process, const std::string& address,
                   const std::vector<std::string>& action, const std::string& service = "web") {
  std::vector<std::string> arguments = {"endpoint", service, address};
  arguments.insert(arguments.end(), action.begin(), action.end());
  const CommandResult result = process.command(arguments);
  INFO(result.err);
  CHECK(result.code == 0);
  const std::string prefix = service + " " + address + ": ";
  CHECK(result.out.starts_with(prefix));
  return result.out.substr(prefix.size(), result.out.size() - prefix.size() - 1);
}

std::string error_of(const SluiceProcess& process, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "endpoint");
  const CommandResult result = process.command(arguments);
  CHECK(result.code == 1);
  CHECK(result.out.empty());
  return result.err;
}

// `count` connections, one after the other, each served.
void serve(const net::Address& address, int count) {
  for (int i = 0; i < count; ++i) REQUIRE(served(address));
}

std::string endpoint_line(const net::Address& address, std::string_view more) {
  return fmt::format("{{ address = \"{}\", port = {}{} }},", address.host_string(), address.port(),
                     more);
}

}  // namespace

TEST_CASE("a drained endpoint keeps its connections and gets no new ones") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend drained(echo);
  TcpBackend other(echo);
  Balancer balancer(engine, {drained.address(), other.address()}, {.service = kRoundRobin});
  SluiceProcess& process = balancer.process();
  std::vector<Socket> held;
  for (int i = 0; i < 50; ++i) held.push_back(balancer.connect_echo());
  const int before = drained.accepted();
  CHECK(before > 0);

  CHECK(change(process, drained.address().to_string(), {"drain"}) == "drain");
  CHECK(shown(process, drained.address()).at("active") == before);
  CHECK(override_of(process, drained.address()) == "drain");
  CHECK(override_of(process, other.address()).is_null());
  const std::string text = process.command({"status"}).out;
  CHECK(text.find(" drain\n") != std::string::npos);
  serve(balancer.address(), 20);
  CHECK(drained.accepted() == before);
  for (Socket& socket : held) CHECK_NOTHROW(expect_echo(socket, "still here"));

  // It survives a reload, and ends with `ready`.
  CHECK(process.command({"reload"}).code == 0);
  serve(balancer.address(), 20);
  CHECK(drained.accepted() == before);
  CHECK(change(process, drained.address().to_string(), {"ready"}) == "as the file says");
  CHECK(override_of(process, drained.address()).is_null());
  CHECK(eventually([&] { return served(balancer.address()) && drained.accepted() > before; }));
  held.clear();
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("an endpoint that is put down counts as failed, until it is ready again") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend a(echo);
  TcpBackend b(echo);
  Balancer balancer(engine, {a.address(), b.address()}, {.service = kRoundRobin});
  SluiceProcess& process = balancer.process();
  const std::string address = a.address().to_string();
  CHECK(change(process, address, {"down"}) == "down");
  CHECK(process.log().wait_for_line(
      fmt::format("msg=\"endpoint down\" service=web endpoint={} why=operator", address),
      seconds(5)));
  const int before = a.accepted();
  serve(balancer.address(), 10);
  CHECK(a.accepted() == before);
  CHECK(change(process, b.address().to_string(), {"down"}, "default/web") == "down");
  CHECK_NOTHROW(expect_refused(balancer.address()));
  CHECK(change(process, address, {"ready"}) == "as the file says");
  CHECK(process.log().wait_for_line("msg=\"endpoint up\"", seconds(5)));
  serve(balancer.address(), 10);
  CHECK(a.accepted() == before + 10);
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("a weight at run time goes before the file's, and is shown beside a drain") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend a(echo);
  TcpBackend b(echo);
  Balancer balancer(engine, {a.address(), b.address()}, {.service = kRoundRobin});
  SluiceProcess& process = balancer.process();
  const std::string address = a.address().to_string();
  CHECK(change(process, address, {"weight", "0"}) == "weight=0");
  const int before = a.accepted();
  serve(balancer.address(), 10);
  CHECK(a.accepted() == before);
  CHECK(change(process, address, {"weight", "5"}) == "weight=5");
  CHECK(change(process, address, {"drain"}) == "drain, weight=5");
  CHECK(override_of(process, a.address()) == "drain, weight=5");
  CHECK(change(process, address, {"ready"}) == "weight=5");
  CHECK(change(process, address, {"weight", "1"}) == "as the file says");
  CHECK(override_of(process, a.address()).is_null());
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("overrides last until the file says the same, also while an endpoint is gone from it") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend a(echo);
  TcpBackend b(echo);
  Balancer balancer(engine, {a.address(), b.address()}, {.service = kRoundRobin});
  SluiceProcess& process = balancer.process();
  const auto reload = [&](const std::string& of_a, const std::string& of_b) {
    const std::string endpoints =
        (of_a == "-" ? "" : endpoint_line(a.address(), of_a)) + endpoint_line(b.address(), of_b);
    std::string config = one_service(balancer.address().port(), {}, "", kRoundRobin).str();
    const std::string none = "endpoints = [\n]\n";
    config.replace(config.find(none), none.size(), "endpoints = [" + endpoints + "]\n");
    process.write_config(config);
    const CommandResult result = process.command({"reload"});
    INFO(result.err);
    REQUIRE(result.code == 0);
  };
  CHECK(change(process, a.address().to_string(), {"drain"}) == "drain");
  CHECK(change(process, a.address().to_string(), {"weight", "7"}) == "drain, weight=7");
  CHECK(change(process, b.address().to_string(), {"weight", "3"}) == "weight=3");
  reload("", "");
  CHECK(override_of(process, a.address()) == "drain, weight=7");
  reload("-", "");
  CHECK(override_of(process, a.address()) == "absent");
  reload("", "");
  CHECK(override_of(process, a.address()) == "drain, weight=7");
  CHECK(process.log().count("caught up") == 0);

  reload(", weight = 7", ", weight = 3");
  CHECK(override_of(process, a.address()) == "drain");
  CHECK(override_of(process, b.address()).is_null());
  CHECK(process.log().wait_count("msg=\"the file has caught up with an override\"", 2) == 2);
  reload(", weight = 7, ready = false", "");
  CHECK(override_of(process, a.address()).is_null());
  CHECK(override_of(process, b.address()).is_null());
  CHECK(process.log().wait_count("msg=\"the file has caught up with an override\"", 3) == 3);
  const int before = a.accepted();
  serve(balancer.address(), 10);
  CHECK(a.accepted() == before);
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("an endpoint is found by its address in any spelling, and by its path") {
  const auto engine = SLUICE_EACH_ENGINE();
  const TempDir dir;
  TcpBackend six(echo, ip_address("::1", allocate_port()));
  TcpBackend path(echo, unix_address(dir.path("backend.sock")));
  Balancer balancer(engine, {six.address(), path.address()}, {.service = kRoundRobin});
  SluiceProcess& process = balancer.process();
  const std::string port = std::to_string(six.address().port());
  CHECK(change(process, "[::1]:" + port, {"drain"}) == "drain");
  CHECK(change(process, "[0:0::1]:" + port, {"ready"}) == "as the file says");
  CHECK(change(process, dir.path("backend.sock"), {"drain"}) == "drain");
  CHECK(override_of(process, path.address()) == "drain");
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("what cannot be changed is said with what was probably meant") {
  TcpBackend backend(echo);
  Balancer balancer("epoll", {backend.address()});
  SluiceProcess& process = balancer.process();
  const std::string address = backend.address().to_string();
  CHECK(error_of(process, {"wbe", address, "drain"}) ==
        "sluice: there is no service \"wbe\" with endpoints, did you mean \"web\"?\n");
  CHECK(error_of(process, {"other/web", address, "drain"}).find("no service \"other/web\"") !=
        std::string::npos);
  CHECK(error_of(process, {"web", "127.0.0.1:1", "drain"}).find("has no endpoint") !=
        std::string::npos);
  CHECK(error_of(process, {"web", "127.0.0.11:" + std::to_string(backend.port()), "down"}) ==
        fmt::format("sluice: service \"web\" has no endpoint \"127.0.0.11:{}\", did you mean "
                    "\"{}\"?\n",
                    backend.port(), address));
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {"weight"}, {"drain", "5"}, {"weight", "1000001"}, {"weight", "-1"}, {"drian"}}) {
    std::vector<std::string> arguments = {"endpoint", "web", address};
    arguments.insert(arguments.end(), bad.begin(), bad.end());
    CHECK(process.command(arguments).code == 2);
  }
  const auto post = [&](const std::string& body) {
    return ask(process, "/endpoint", {"-d", body}).status;
  };
  for (const char* body : {"", "[]", "{}", R"({"service":"web","address":"x","action":"fly"})",
                           R"({"service":"web","address":"x","action":"weight"})",
                           R"({"service":"web","address":"x","action":"weight","weight":-1})",
                           R"({"service":"web","address":"x","action":"weight","weight":1000001})",
                           R"({"service":1,"address":"x","action":"drain"})"}) {
    CHECK(post(body) == 400);
  }
  CHECK(post(R"({"service":"web","address":"x","action":"drain"})") == 404);
  CHECK(ask(process, "/endpoint").status == 405);
  CHECK_NOTHROW(process.stop());
}

TEST_CASE("a service with nobody ready in the file refuses until an operator makes one ready") {
  const auto engine = SLUICE_EACH_ENGINE();
  const std::string keys = GENERATE(", ready = false", ", weight = 0");
  INFO(engine << keys);
  TcpBackend backend(echo);
  const uint16_t port = allocate_port();
  const auto config = [&] {
    ConfigText text;
    text.listener("main", port).route("main", {{.service = "green"}});
    text.append(
        fmt::format("\n[[services]]\nname = \"green\"\nports = [{{ port = 80 }}]\n"
                    "endpoints = [{}]\n",
                    endpoint_line(backend.address(), keys)));
    return text.str();
  };
  SluiceProcess process(config(), engine);
  const net::Address address = ip_address("127.0.0.1", port);
  CHECK_NOTHROW(expect_refused(address));
  const AccessRecord record = process.wait_records(1).front();
  INFO(record.line());
  CHECK(record.text("close") == "no_backend@accept");
  const std::string label = backend.address().to_string();
  if (keys == ", weight = 0") {
    CHECK(change(process, label, {"weight", "1"}, "green") == "weight=1");
  } else {
    CHECK(change(process, label, {"ready"}, "green") == "ready");
  }
  serve(address, 5);
  CHECK(backend.accepted() == 5);
  // What the file leads to has not changed.
  REQUIRE(process.command({"reload", "--wait"}).code == 0);
  serve(address, 5);
  change(process, label, {"drain"}, "green");
  CHECK_NOTHROW(expect_refused(address));
  process.stop();
}

TEST_CASE("who was made ready serves on when a reload takes the only one that the file had ready") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend leaves(echo);
  TcpBackend stays(echo);
  const uint16_t port = allocate_port();
  const auto config = [&](const std::string& others) {
    ConfigText text;
    text.listener("main", port).route("main", {{.service = "web"}});
    text.append(
        fmt::format("\n[[services]]\nname = \"web\"\nports = [{{ port = 80 }}]\n"
                    "endpoints = [{}{}]\n",
                    endpoint_line(stays.address(), ", ready = false"), others));
    return text.str();
  };
  SluiceProcess process(config(endpoint_line(leaves.address(), "")), engine);
  const net::Address address = ip_address("127.0.0.1", port);
  CHECK(change(process, stays.address().to_string(), {"ready"}) == "ready");
  process.write_config(config(""));
  REQUIRE(process.command({"reload", "--wait"}).code == 0);
  serve(address, 10);
  CHECK(override_of(process, stays.address()) == "ready");
  process.stop();
}

}  // namespace lb::test
