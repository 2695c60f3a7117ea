// [admin]: what it takes, its defaults, and where a wrong value is reported.
#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

LoadResult load_admin(const std::string& lines) {
  return load_text(kSound + "[admin]\n" + lines + "\n", "f");
}

TEST_CASE("without [admin] there is the control socket and nothing else") {
  const LoadResult result = load_text(kSound, "f");
  REQUIRE(result.config);
  CHECK(result.config->admin.socket == "/run/sluice/control.sock");
  CHECK(result.config->admin.http == net::Address());
}

TEST_CASE("[admin] takes a path, an address with a port, or nothing") {
  const LoadResult none = load_admin("socket = ''\nhttp = ''");
  REQUIRE(none.config);
  CHECK(none.config->admin.socket.empty());
  CHECK(none.config->admin.http.to_string().empty());
  for (const std::string http : {"127.0.0.1:9180", "[::1]:9180", "0.0.0.0:1", "[::]:65535"}) {
    INFO(http);
    const LoadResult result = load_admin("socket = '/tmp/x.sock'\nhttp = '" + http + "'");
    REQUIRE(result.config);
    CHECK(result.config->admin.socket == "/tmp/x.sock");
    CHECK(result.config->admin.http.to_string() == http);
  }
}

TEST_CASE("[admin] refuses what is no path and no address") {
  for (const std::string& socket :
       {std::string("control.sock"), std::string("@abstract"), "/" + std::string(107, 'a')}) {
    INFO(socket);
    CHECK(places(load_admin("socket = '" + socket + "'").faults) ==
          std::vector<std::string>{"E0117 5:10"});
  }
  for (const std::string http :
       {"9180", ":9180", "localhost:9180", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
        "127.0.0.1:65536", "127.0.0.1:9180 ", "127.0.0.1:+1", "::1:9180", "[127.0.0.1]:9180",
        "[::1]", "[]:9180", "[::1:9180"}) {
    INFO(http);
    const LoadResult result = load_admin("http = '" + http + "'");
    CHECK(places(result.faults) == std::vector<std::string>{"E0116 5:8"});
    CHECK(printed(result.faults).find("http must be an IP address and a port") !=
          std::string::npos);
  }
}

}  // namespace
}  // namespace lb::config
