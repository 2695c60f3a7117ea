#include "lb/control/binder.h"

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "fmt/format.h"
#include "lb/net/socket.h"
#include "lb/proxy/listener.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

// How long, in all, addresses that are in use may take to become free.
constexpr util::MonoTimeMs kPatienceMs = 1000;

struct Wanted {
  size_t listener;
  net::Address address;
};

net::Address without_ipv6(const net::Address& address) {
  const bool is_any6 = address.family() == AF_INET6 && address.is_wildcard();
  if (!is_any6) return address;
  const int error = net::probe_listen_address(address);
  if (error != -EAFNOSUPPORT && error != -EADDRNOTAVAIL) return address;
  return *net::Address::parse("0.0.0.0", address.port());
}

// The ports that sockets of our own have: a probe would take one for somebody else's.
absl::flat_hash_set<std::string_view> own_ports(const OpenAddresses& open) {
  absl::flat_hash_set<std::string_view> ports;
  for (const auto& [address, listener] : open) {
    ports.insert(std::string_view(address).substr(address.rfind(':') + 1));
  }
  return ports;
}

// A process that was killed a moment ago may still listen: the kernel ends its io_uring, and with
// it the last hold on the socket, after the process is gone.
int probe_patiently(const net::Address& address, util::MonoTimeMs deadline_ms) {
  constexpr useconds_t kProbeAgainUs = 20'000;
  int error = net::probe_listen_address(address);
  while (error == -EADDRINUSE && util::mono_now_ms() < deadline_ms) {
    usleep(kProbeAgainUs);
    error = net::probe_listen_address(address);
  }
  return error;
}

int bind_one(const Wanted& wanted, std::vector<std::vector<proxy::BoundListener>>& by_worker) {
  net::ListenOptions options;
  options.backlog = proxy::Listener::kBacklog;
  std::vector<net::UniqueFd> fds;
  for (size_t i = 0; i < by_worker.size(); ++i) {
    net::UniqueFd fd;
    if (const int error = net::listen_stream(wanted.address, options, &fd); error < 0) {
      return error;
    }
    fds.push_back(std::move(fd));
  }
  for (size_t i = 0; i < by_worker.size(); ++i) {
    by_worker[i].push_back({wanted.address.to_string(), wanted.listener, std::move(fds[i])});
  }
  return 0;
}

}  // namespace

BoundSockets bind_listeners(const proxy::Snapshot& snapshot, uint32_t workers,
                            const OpenAddresses& open) {
  BoundSockets sockets;
  sockets.by_worker.resize(workers);
  const auto fail = [&](const Wanted& wanted, int error) {
    sockets.failures.push_back({wanted.listener, wanted.address.to_string(), -error});
  };
  // All are probed before the first is bound: 0.0.0.0 and :: may stand side by side, and then the
  // one would take the other for somebody else's.
  // Only a start waits: at a reload there are others to be served meanwhile.
  const util::MonoTimeMs deadline_ms = open.empty() ? util::mono_now_ms() + kPatienceMs : 0;
  const absl::flat_hash_set<std::string_view> ports = own_ports(open);
  std::vector<Wanted> wanted_and_free;
  for (size_t i = 0; i < snapshot.listeners.size(); ++i) {
    for (const net::Address& address : snapshot.listeners[i].addresses) {
      const bool is_open = open.contains(address.to_string());
      const Wanted wanted = {i, is_open ? address : without_ipv6(address)};
      const std::string name = wanted.address.to_string();
      if (open.contains(name)) {
        for (auto& listeners : sockets.by_worker) listeners.push_back({name, i, net::UniqueFd()});
        sockets.open[name] = i;
        continue;
      }
      const bool is_own = ports.contains(fmt::format("{}", wanted.address.port()));
      const int error = is_own ? 0 : probe_patiently(wanted.address, deadline_ms);
      if (error < 0) {
        fail(wanted, error);
      } else {
        wanted_and_free.push_back(wanted);
      }
    }
  }
  for (const Wanted& wanted : wanted_and_free) {
    const int error = bind_one(wanted, sockets.by_worker);
    if (error < 0) {
      fail(wanted, error);
    } else {
      sockets.open[wanted.address.to_string()] = wanted.listener;
    }
  }
  return sockets;
}

}  // namespace lb::control
