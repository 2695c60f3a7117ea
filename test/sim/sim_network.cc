#include "test/sim/sim_network.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fmt/format.h"

namespace lb::sim {

void SimNetwork::fail(const std::string& what) {
  if (failure_handler_) return failure_handler_(what);
  std::fprintf(stderr, "sim: %s (SLUICE_SEED=%llu)\n", what.c_str(),
               static_cast<unsigned long long>(schedule_.options().seed));
  std::abort();
}

void SimNetwork::add_server(const net::Address& address, SimServer server) {
  servers_[address.to_string()] = std::move(server);
}

std::pair<SimSocket*, SimSocket*> SimNetwork::make_sockets() {
  auto [near, far] = SimSocket::make_pair(schedule_);
  sockets_.push_back(std::move(near));
  sockets_.push_back(std::move(far));
  return {sockets_[sockets_.size() - 2].get(), sockets_.back().get()};
}

int SimNetwork::open_fd() {
  if (open_fds_ >= fd_limit_) return -EMFILE;
  // The lowest free number, as the kernel gives it: numbers come back at once.
  auto entry =
      std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return !e.is_open; });
  if (entry == entries_.end()) {
    entries_.emplace_back();
    entry = entries_.end() - 1;
  }
  const uint64_t generation = entry->generation + 1;
  *entry = Entry();
  entry->generation = generation;
  entry->is_open = true;
  ++open_fds_;
  return kFirstFd + static_cast<int>(entry - entries_.begin());
}

SimNetwork::Entry* SimNetwork::entry_of(int fd, const char* what) {
  const auto index = static_cast<size_t>(fd - kFirstFd);
  if (fd >= kFirstFd && index < entries_.size() && entries_[index].is_open) {
    return &entries_[index];
  }
  fail(fmt::format("{} on descriptor {}, which is not open", what, fd));
  return nullptr;
}

std::pair<int, SimSocket*> SimNetwork::make_connection(const net::Address& local,
                                                       const net::Address& client) {
  const int fd = open_fd();
  if (fd < 0) return {fd, nullptr};
  const auto [near, far] = make_sockets();
  near->set_addresses(local, client);
  far->set_addresses(client, local);
  entry_of(fd, "accept")->socket = near;
  return {fd, far};
}

int SimNetwork::listen(const net::Address& address, size_t backlog) {
  const int fd = open_fd();
  if (fd < 0) return fd;
  Entry& entry = *entry_of(fd, "listen");
  entry.is_listener = true;
  entry.address = address;
  entry.backlog = backlog;
  listeners_[address.to_string()] = fd;
  return fd;
}

SimSocket* SimNetwork::dial(int listen_fd, const net::Address& client) {
  Entry* entry = entry_of(listen_fd, "dial");
  if (entry == nullptr || entry->queue.size() > entry->backlog) return nullptr;
  const auto [near, far] = make_sockets();
  near->set_addresses(entry->address, client);
  far->set_addresses(client, entry->address);
  entry->queue.push_back(near);
  notify(listen_fd);
  return far;
}

int SimNetwork::open_stream_socket() {
  if (schedule_.happens(schedule_.options().emfile_one_in)) return -EMFILE;
  return open_fd();
}

int SimNetwork::set_stream_source(int fd) {
  if (socket_of(fd, "set_stream_source") != nullptr) fail("a source after the connect");
  return schedule_.happens(schedule_.options().no_source_one_in) ? -EADDRNOTAVAIL : 0;
}

SimSocket* SimNetwork::socket_of(int fd, const char* what) {
  Entry* entry = entry_of(fd, what);
  return entry == nullptr ? nullptr : entry->socket;
}

void SimNetwork::connect(int fd, const net::Address& address, std::function<void(int32_t)> done) {
  Entry* entry = entry_of(fd, "connect");
  if (entry == nullptr) return;
  SimServer server;
  SimAnswer answer;
  answer.delay_ms = schedule_.random_delay_ms();
  const std::string name = address.to_string();
  if (const auto known = servers_.find(name); known != servers_.end()) {
    server = known->second;
    answer = server.answer();
  } else if (const auto listener = listeners_.find(name); listener != listeners_.end()) {
    const Entry& target = *entry_of(listener->second, "connect");
    answer.is_silent = target.queue.size() > target.backlog;
  } else {
    answer.result = -ECONNREFUSED;
  }
  if (schedule_.happens(schedule_.options().no_source_one_in)) {
    answer = {.result = -EADDRNOTAVAIL, .delay_ms = answer.delay_ms};
  }
  if (answer.is_silent) return;
  schedule_.after(answer.delay_ms, [this, fd, generation = entry->generation, address, server,
                                    answer, done = std::move(done)] {
    const Entry& now = entries_[static_cast<size_t>(fd - kFirstFd)];
    if (!now.is_open || now.generation != generation) return;  // given up and closed
    if (answer.result == 0) establish(fd, address, server);
    done(answer.result);
  });
}

void SimNetwork::establish(int fd, const net::Address& address, const SimServer& server) {
  const auto [near, far] = make_sockets();
  const net::Address local = *net::Address::parse("198.51.100.1", static_cast<uint16_t>(fd));
  near->set_addresses(local, address);
  far->set_addresses(address, local);
  Entry& entry = entries_[static_cast<size_t>(fd - kFirstFd)];
  entry.socket = near;
  if (entry.observer) near->set_observer(entry.observer);
  if (server.accepted) return server.accepted(*far);
  const int listen_fd = listeners_[address.to_string()];
  entry_of(listen_fd, "connect")->queue.push_back(far);
  notify(listen_fd);
}

int32_t SimNetwork::accept(int listen_fd) {
  Entry* entry = entry_of(listen_fd, "accept");
  if (entry == nullptr) return -EBADF;
  if (entry->queue.empty()) return -EAGAIN;
  const int fd = open_fd();
  if (fd < 0) return fd;
  entry = entry_of(listen_fd, "accept");  // opening may have moved it
  entry_of(fd, "accept")->socket = entry->queue.front();
  entry->queue.pop_front();
  return fd;
}

void SimNetwork::close(int fd, event::CloseMode mode) {
  Entry* entry = entry_of(fd, "close");
  if (entry == nullptr) return;
  entry->is_open = false;
  entry->observer = nullptr;
  --open_fds_;
  if (entry->is_listener) {
    listeners_.erase(entry->address.to_string());
    for (SimSocket* queued : entry->queue) queued->close(event::CloseMode::kReset);
    entry->queue.clear();
    return;
  }
  if (entry->socket != nullptr) std::exchange(entry->socket, nullptr)->close(mode);
}

void SimNetwork::observe(int fd, std::function<void()> observer) {
  Entry* entry = entry_of(fd, "an operation");
  if (entry == nullptr) return;
  entry->observer = observer;
  if (entry->socket != nullptr) entry->socket->set_observer(std::move(observer));
}

void SimNetwork::notify(int fd) {
  schedule_.soon([this, fd, generation = entry_of(fd, "notify")->generation] {
    const Entry& entry = entries_[static_cast<size_t>(fd - kFirstFd)];
    if (!entry.is_open || entry.generation != generation) return;
    const auto observer = entry.observer;  // it may be replaced by what it does
    if (observer) observer();
  });
}

}  // namespace lb::sim
