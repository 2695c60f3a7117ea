#include "test/support/network_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "test/support/child_process.h"
#include "test/support/failure.h"

namespace lb::test {
namespace {

void bring_loopback_up() {
  const net::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) fail_errno("cannot bring lo up");
}

}  // namespace

std::unique_ptr<NetworkNamespace> NetworkNamespace::enter() {
  net::UniqueFd outside(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!outside.is_open() || ::unshare(CLONE_NEWNET) != 0) {
    std::printf("skipped, no network namespace for the test: %s\n",
                errno_text("unshare", errno).c_str());
    return nullptr;
  }
  std::unique_ptr<NetworkNamespace> space(new NetworkNamespace(std::move(outside)));
  bring_loopback_up();
  return space;
}

NetworkNamespace::~NetworkNamespace() {
  if (::setns(outside_.get(), CLONE_NEWNET) != 0) std::perror("setns");
}

void NetworkNamespace::ip(const std::string& arguments) const {
  SpawnOptions spawn = {.argv = {"ip"}};
  std::istringstream words(arguments);
  for (std::string word; words >> word;) spawn.argv.push_back(word);
  const CommandResult result = run_command(spawn);
  if (result.code != 0) throw Failure("ip " + arguments + ": " + result.err);
}

}  // namespace lb::test
