#include "lb/balance/endpoint_registry.h"

#include "test/support/catch.h"

namespace lb::balance {
namespace {

TEST_CASE("an endpoint is the same while somebody refers to it, and new after that") {
  EndpointRegistry registry;
  const net::Address address = *net::Address::parse("10.0.0.1", 80);
  std::shared_ptr<Endpoint> held_by_connection = registry.find_or_make("s", address);
  held_by_connection->add_active();
  CHECK(registry.find_or_make("s", address) == held_by_connection);
  CHECK(registry.find_or_make("t", address) != held_by_connection);
  CHECK(registry.find_or_make("s", *net::Address::parse("10.0.0.1", 81)) != held_by_connection);

  registry.forget_gone();
  CHECK(registry.size() == 1);
  CHECK(registry.find_or_make("s", address)->active() == 1);

  held_by_connection.reset();
  CHECK(registry.find_or_make("s", address)->active() == 0);
  registry.forget_gone();
  CHECK(registry.size() == 0);
}

}  // namespace
}  // namespace lb::balance
