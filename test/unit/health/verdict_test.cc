#include "lb/health/verdict.h"

#include <string>

#include "test/support/catch.h"

namespace lb::health {
namespace {

// The verdicts after each of the results, 'y' and 'n': 'U'p or 'D'own, small while changing.
std::string verdicts(Verdict verdict, const std::string& results) {
  std::string out;
  for (const char result : results) {
    verdict.add(result == 'y');
    const char letter = verdict.is_healthy() ? 'U' : 'D';
    out += verdict.is_changing() ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return out;
}

}  // namespace

TEST_CASE("verdict: down after so many failures in a row, up after so many successes") {
  CHECK(verdicts(Verdict(3, 2, true), "ynnynnn") == "UuuUuuD");
  CHECK(verdicts(Verdict(3, 2, true), "nnnnyny") == "uuDDdDd");
  CHECK(verdicts(Verdict(3, 2, true), "nnnyyn") == "uuDdUu");
  CHECK(verdicts(Verdict(1, 1, true), "nynny") == "DUDDU");
}

TEST_CASE("verdict: the very first success is enough, any later one is not") {
  CHECK(verdicts(Verdict(3, 3, false), "yn") == "Uu");
  CHECK(verdicts(Verdict(3, 3, false), "nyyy") == "dddU");
}

TEST_CASE("verdict: a server that never was up is looked at quickly for a while, then it is down") {
  CHECK(verdicts(Verdict(3, 2, false), "nnnn") == "ddDD");
  CHECK(verdicts(Verdict(3, 2, false), "nnnyyn") == "ddDdUu");
  CHECK(!Verdict(3, 1, false).is_known());
}

}  // namespace lb::health
