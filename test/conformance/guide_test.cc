// The guide's example as its reader tries it: its manifests and an EndpointSlice, convert, run, and
// curl on both listeners. The Host that the backend sees tells which listener it was: at layer 4
// nobody touches it.
#include <fmt/format.h>

#include <array>

#include "test/conformance/world.h"
#include "test/support/catch.h"
#include "test/support/child_process.h"
#include "test/support/engines.h"

namespace lb::test {
namespace {

// Answers one request with its own headers.
void tell_headers(Socket& socket) {
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos) {
    const std::string more = socket.recv_some();
    if (more.empty()) return;
    request += more;
  }
  socket.send(fmt::format("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                          request.size(), request));
  socket.finish();
}

}  // namespace

TEST_CASE("the guide's manifests are served, and both listeners pass the Host on") {
  World world(SLUICE_EACH_ENGINE());
  TcpBackend httpbin(tell_headers, world.at(80));
  world.apply(read_manifests("tcp-routing.yaml"));
  CHECK(world.status().route("tcp-route", "Accepted") == "True/Accepted");
  for (const std::string listener : {"foo", "bar"}) {
    CHECK(world.status().attached_routes("simple-fsm-gateway", listener) == 1);
  }
  for (const uint16_t port : std::array<uint16_t, 2>{8000, 8001}) {
    const std::string host = world.at(port).to_string();
    const CommandResult result = run_command(
        {.argv = {"curl", "-sS", "--fail", "--max-time", "20", "http://" + host + "/headers"}});
    INFO(result.err << result.out);
    CHECK(result.code == 0);
    CHECK(result.out.find("GET /headers HTTP/1.1\r\nHost: " + host + "\r\n") == 0);
  }
  world.stop();
}

}  // namespace lb::test
