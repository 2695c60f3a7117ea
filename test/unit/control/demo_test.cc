// The demo's configuration and hints: the guide's example, with the ports of the backends in it.
#include "lb/control/demo.h"

#include <array>
#include <cstdlib>

#include "test/support/catch.h"

using lb::control::demo_config;
using lb::control::print_demo_hints;

namespace {

size_t count_of(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("the demo's configuration is the guide's example") {
  const std::array<uint16_t, 3> ports = {40001, 40002, 65535};
  const std::string config = demo_config(ports);
  CHECK(count_of(config, "[[gateways]]") == 1);
  CHECK(count_of(config, "[[tcpRoutes]]") == 1);
  CHECK(count_of(config, "[[services]]") == 1);
  CHECK(count_of(config, "name = \"foo\"\nport = 8000\n") == 1);
  CHECK(count_of(config, "name = \"bar\"\nport = 8001\n") == 1);
  CHECK(count_of(config, "address = \"127.0.0.1\"") == ports.size());
  CHECK(count_of(config, "port = 40001") == 1);
  CHECK(count_of(config, "port = 40002") == 1);
  CHECK(count_of(config, "port = 65535") == 1);
}

TEST_CASE("the demo's hints are the two curl lines") {
  char* text = nullptr;
  size_t size_bytes = 0;
  std::FILE* out = ::open_memstream(&text, &size_bytes);
  REQUIRE(out != nullptr);
  print_demo_hints(out);
  const std::string hints(text, size_bytes);  // Readable before the stream is closed.
  REQUIRE(std::fclose(out) == 0);
  std::free(text);
  CHECK(count_of(hints, "curl -s localhost:8000/headers\n") == 1);
  CHECK(count_of(hints, "curl -s localhost:8001/headers\n") == 1);
}
