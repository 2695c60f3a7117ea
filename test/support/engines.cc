#include "test/support/engines.h"

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "lb/event/liburing_version.h"
#include "lb/net/fd.h"
#include "test/support/failure.h"

namespace lb::test {
namespace {

bool have_io_uring() {
#ifndef SLUICE_HAVE_URING
  std::puts("io_uring: skipped, this build has no liburing");
  return false;
#else
  io_uring_params params = {};
  const net::UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 8, &params)));
  if (ring.is_open()) return true;
  std::printf("io_uring: skipped, %s\n", errno_text("io_uring_setup", errno).c_str());
  return false;
#endif
}

}  // namespace

std::vector<std::string> engines() {
  std::vector<std::string> names;
  const char* only = std::getenv("SLUICE_ENGINE");
  for (const std::string name : {"io_uring", "epoll"}) {
    if (only != nullptr && name != only) continue;
    if (name == "io_uring" && !have_io_uring()) continue;
    names.push_back(name);
  }
  return names;
}

}  // namespace lb::test
