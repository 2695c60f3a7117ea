// "Did you mean": near words are found, far ones are left alone.
#include "lb/util/suggest.h"

#include <string>

#include "test/support/catch.h"

namespace lb::util {
namespace {

TEST_CASE("the nearest word is suggested") {
  const std::vector<std::string_view> keys = {"listeners", "parentRefs", "port", "protocol",
                                              "name"};
  CHECK(suggest("listener", keys) == "listeners");
  CHECK(suggest("lisetners", keys) == "listeners");
  CHECK(suggest("parent_refs", keys) == "parentRefs");
  CHECK(suggest("PARENTREFS", keys) == "parentRefs");
  CHECK(suggest("prot", keys) == "port");
  CHECK(suggest("protocl", keys) == "protocol");
  CHECK(suggest("nmae", keys) == "name");
}

TEST_CASE("what is near to nothing gets no suggestion") {
  CHECK(suggest("weight", {"listeners", "port"}).empty());
  CHECK(suggest("", {"port"}).empty());
  CHECK(suggest("a", {"b"}).empty());
  CHECK(suggest("port", {}).empty());
  CHECK(suggest(std::string(1'000'000, 'x'), {"port"}).empty());
  CHECK(suggest("UDP", {"TCP"}).empty());
}

TEST_CASE("of equally near words the first is taken, a nearer one beats it") {
  CHECK(suggest("bat", {"cat", "rat"}) == "cat");
  CHECK(suggest("ports", {"parts", "port", "ports"}) == "ports");
}

}  // namespace
}  // namespace lb::util
