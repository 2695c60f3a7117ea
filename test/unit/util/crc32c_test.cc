// The checksum against the published examples.
#include "lb/util/crc32c.h"

#include <string>

#include "test/support/catch.h"

namespace lb::util {

TEST_CASE("crc32c: the examples of RFC 3720, appendix B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a91'36aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8'ab43);
  std::string up;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i);
  CHECK(crc32c(up) == 0x46dd'794e);
  CHECK(crc32c(std::string(up.rbegin(), up.rend())) == 0x113f'db5c);
}

TEST_CASE("crc32c: the check value of the catalogues, and nothing at all") {
  CHECK(crc32c("123456789") == 0xe306'9283);
  CHECK(crc32c("") == 0);
}

}  // namespace lb::util
