#include "test/support/network_namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
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

void NetworkNamespace::set(const std::string& variable, const std::string& value) const {
  std::ofstream file("/proc/sys/net/" + variable);
  if (!(file << value << std::flush)) throw Failure("cannot set " + variable);
}

uint64_t NetworkNamespace::tcp_counter(const std::string& name) const {
  // A line of names, then a line of numbers, each after "TcpExt:".
  std::ifstream file("/proc/thread-self/net/netstat");
  std::string names;
  std::string values;
  while (std::getline(file, names) && std::getline(file, values)) {
    if (!names.starts_with("TcpExt:")) continue;
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    for (std::string word, value; name_words >> word && value_words >> value;) {
      if (word == name) return std::stoull(value);
    }
  }
  throw Failure("no TcpExt counter " + name);
}

}  // namespace lb::test
