#include "lb/health/quoted.h"

#include "test/support/catch.h"

namespace lb::health {

TEST_CASE("quoted: what a server says is printable, and not endless") {
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("+PONG\r\n") == R"("+PONG\r\n")");
  CHECK(quoted("a\"b\\\t\x7f\xff") == R"("a\"b\\\x09\x7f\xff")");
  CHECK(quoted(std::string(kMaxQuotedBytes, 'x')) == '"' + std::string(kMaxQuotedBytes, 'x') + '"');
  CHECK(quoted(std::string(kMaxQuotedBytes + 1, 'x')) ==
        '"' + std::string(kMaxQuotedBytes, 'x') + "\"...");
}

}  // namespace lb::health
