// What a test script throws when the world is not as the script says. Catch2's assertions belong
// to one thread; a Failure may start in a backend's thread and is rethrown where the test waits.
#pragma once

#include <stdexcept>
#include <string>

namespace lb::test {

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// "what: Connection refused".
std::string errno_text(const std::string& what, int error);

// Throws a Failure with errno's text.
[[noreturn]] void fail_errno(const std::string& what);

}  // namespace lb::test
