#include "test/support/failure.h"

#include <cerrno>
#include <system_error>

namespace lb::test {

std::string errno_text(const std::string& what, int error) {
  return what + ": " + std::generic_category().message(error);
}

void fail_errno(const std::string& what) { throw Failure(errno_text(what, errno)); }

}  // namespace lb::test
