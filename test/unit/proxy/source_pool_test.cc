// Whose turn it is: the addresses of a pool, by family, and the client's own.
#include "lb/proxy/source_pool.h"

#include <string>
#include <utility>
#include <vector>

#include "test/support/catch.h"
#include "test/support/socket.h"

namespace lb::proxy {
namespace {

using test::ip_address;

const net::Address kEndpoint4 = ip_address("192.0.2.1", 80);
const net::Address kEndpoint6 = ip_address("2001:db8::1", 80);
const net::Address kClient4 = ip_address("198.51.100.7", 4711);
const net::Address kClient6 = ip_address("2001:db8:7::1", 4711);

// All sources of one attempt, in order; "-" where the kernel chooses.
std::vector<std::string> attempt(SourcePool& pool, const net::Address& endpoint,
                                 const net::Address& client = kClient4) {
  std::vector<std::string> sources;
  SourcePool::Turn turn;
  while (const auto choice = pool.next(turn, endpoint, client)) {
    const net::Address& address = choice->source.address;
    sources.push_back(address.is_ip() ? address.to_string() : "-");
    const bool is_of_pool = choice->index != SourcePool::kNoAddress;
    CHECK(is_of_pool == (address.is_ip() && !choice->source.is_transparent));
    if (is_of_pool) CHECK(pool.addresses()[choice->index] == address);
    REQUIRE(sources.size() < 10);
  }
  // It stays so.
  CHECK_FALSE(pool.next(turn, endpoint, client));
  return sources;
}

using Sources = std::vector<std::string>;

config::UpstreamSource policy(Sources addresses, std::string interface = "") {
  config::UpstreamSource source;
  source.addresses = std::move(addresses);
  source.interface = std::move(interface);
  return source;
}

config::UpstreamSource transparent(Sources addresses) {
  config::UpstreamSource source = policy(std::move(addresses));
  source.transparent = true;
  return source;
}

}  // namespace

TEST_CASE("source pool: without a policy nothing is set") {
  SourcePool pool(config::UpstreamSource{});
  CHECK_FALSE(pool.is_used());
}

TEST_CASE("source pool: each address is the first in its turn, and all are tried once") {
  SourcePool pool(policy({"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  CHECK(pool.is_used());
  CHECK(attempt(pool, kEndpoint4) == Sources{"10.0.0.1:0", "10.0.0.2:0", "10.0.0.3:0"});
  CHECK(attempt(pool, kEndpoint4) == Sources{"10.0.0.2:0", "10.0.0.3:0", "10.0.0.1:0"});
  CHECK(attempt(pool, kEndpoint4) == Sources{"10.0.0.3:0", "10.0.0.1:0", "10.0.0.2:0"});
  CHECK(attempt(pool, kEndpoint4) == Sources{"10.0.0.1:0", "10.0.0.2:0", "10.0.0.3:0"});
}

TEST_CASE("source pool: attempts that overlap each get everything once") {
  SourcePool pool(policy({"10.0.0.1", "10.0.0.2"}));
  SourcePool::Turn one;
  SourcePool::Turn two;
  const auto next = [&](SourcePool::Turn& turn) {
    return pool.next(turn, kEndpoint4, kClient4)->source.address.host_string();
  };
  CHECK(next(one) == "10.0.0.1");
  CHECK(next(two) == "10.0.0.2");
  CHECK(next(one) == "10.0.0.2");
  CHECK(next(two) == "10.0.0.1");
}

TEST_CASE("source pool: an endpoint gets addresses of its own family, a unix socket none") {
  SourcePool pool(policy({"10.0.0.1", "2001:db8::a", "10.0.0.2"}, "eth7"));
  CHECK(attempt(pool, kEndpoint4) == Sources{"10.0.0.1:0", "10.0.0.2:0"});
  CHECK(attempt(pool, kEndpoint6) == Sources{"[2001:db8::a]:0"});
  SourcePool::Turn turn;
  const auto choice = pool.next(turn, test::unix_address("/run/a.sock"), kClient4);
  REQUIRE(choice);
  CHECK(choice->source.interface.empty());
  CHECK_FALSE(choice->source.address.is_ip());
  CHECK_FALSE(pool.next(turn, test::unix_address("/run/a.sock"), kClient4));
}

TEST_CASE("source pool: the kernel chooses where the pool has no address of the family") {
  SourcePool pool(policy({"10.0.0.1"}, "eth7"));
  CHECK(attempt(pool, kEndpoint6) == Sources{"-"});
  SourcePool::Turn turn;
  CHECK(pool.next(turn, kEndpoint6, kClient4)->source.interface == "eth7");
}

TEST_CASE("source pool: an interface alone is something to set") {
  SourcePool pool(policy({}, "eth7"));
  CHECK(pool.is_used());
  CHECK(attempt(pool, kEndpoint4) == Sources{"-"});
}

TEST_CASE("source pool: a transparent one takes the client's address, with its port if it can") {
  SourcePool pool(transparent({"10.0.0.1"}));
  CHECK(attempt(pool, kEndpoint4) == Sources{"198.51.100.7:4711", "198.51.100.7:0"});
  CHECK(attempt(pool, kEndpoint6, kClient6) ==
        Sources{"[2001:db8:7::1]:4711", "[2001:db8:7::1]:0"});
  // An address of the other family is of no use there.
  CHECK(attempt(pool, kEndpoint4, kClient6) == Sources{"10.0.0.1:0"});
  CHECK(attempt(pool, kEndpoint6, kClient4) == Sources{"-"});
  CHECK(attempt(pool, kEndpoint4, net::Address()) == Sources{"10.0.0.1:0"});
}

}  // namespace lb::proxy
