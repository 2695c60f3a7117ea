#include "lb/health/first_results.h"

#include "test/support/catch.h"

namespace lb::health {
namespace {

using Wanted = FirstResults::Wanted;

const balance::ServiceState kOne("one");
const balance::ServiceState kTwo("two");

FirstResults expecting(Wanted wanted) {
  FirstResults first(wanted);
  first.expect(&kOne);
  first.expect(&kOne);
  first.expect(&kTwo);
  return first;
}

}  // namespace

TEST_CASE("first results: all, when all are wanted") {
  FirstResults first = expecting(Wanted::kAll);
  first.serves(&kOne);
  first.add(&kOne, true);
  first.add(&kTwo, false);
  CHECK(!first.are_enough());
  first.add(&kOne, false);
  CHECK(first.are_enough());
  CHECK(FirstResults(Wanted::kAll).are_enough());
}

TEST_CASE("first results: one of each service that is up, or all of it") {
  FirstResults first = expecting(Wanted::kOnePerService);
  first.add(&kOne, false);
  first.add(&kTwo, true);
  CHECK(!first.are_enough());
  first.add(&kOne, true);
  CHECK(first.are_enough());
  first.add(&kOne, true);  // one that came late
  CHECK(first.are_enough());

  FirstResults served = expecting(Wanted::kOnePerService);
  served.serves(&kOne);
  CHECK(!served.are_enough());
  served.add(&kTwo, false);
  CHECK(served.are_enough());
}

}  // namespace lb::health
