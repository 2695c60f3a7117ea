// Kubernetes quantities: what is taken, and that nothing else is.
#include "lb/util/quantity.h"

#include "test/support/catch.h"

namespace lb::util {
namespace {

TEST_CASE("quantities multiply by their suffix") {
  CHECK(parse_quantity("0") == 0U);
  CHECK(parse_quantity("4096") == 4096U);
  CHECK(parse_quantity("64Ki") == 65536U);
  CHECK(parse_quantity("1M") == 1'000'000U);
  CHECK(parse_quantity("1k") == 1000U);
  CHECK(parse_quantity("2Gi") == 2147483648U);
  CHECK(parse_quantity("18446744073709551615") == 18446744073709551615U);
}

TEST_CASE("what is not a quantity, or does not fit") {
  for (const char* text : {"", "Ki", "-1", "+1", "1.5Mi", "64K", "64ki", "64KiB", "1 k", " 1",
                           "0x10", "18446744073709551616", "18014398509481984Ki", "1kk"}) {
    INFO(text);
    CHECK_FALSE(parse_quantity(text));
  }
}

}  // namespace
}  // namespace lb::util
