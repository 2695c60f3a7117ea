#include "test/support/dns_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "test/support/failure.h"
#include "test/support/port_allocator.h"
#include "test/support/socket.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeAAAA = 28;
constexpr uint16_t kTypeSRV = 33;

uint16_t read16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>((static_cast<unsigned char>(bytes[at]) << 8) |
                               static_cast<unsigned char>(bytes[at + 1]));
}

void put16(std::string& out, size_t value) {
  out += static_cast<char>((value >> 8) & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

void put_name(std::string& out, std::string_view name) {
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  out += '\0';
}

// A record about the name of the question.
void put_record(std::string& out, uint16_t type, uint32_t ttl_s, std::string_view data) {
  put16(out, 0xC000 | kHeaderBytes);
  put16(out, type);
  put16(out, 1);
  put16(out, ttl_s >> 16);
  put16(out, ttl_s & 0xFFFF);
  put16(out, data.size());
  out += data;
}

std::string address_data(const std::string& ip, int family) {
  std::array<char, 16> data = {};
  inet_pton(family, ip.c_str(), data.data());
  return {data.data(), family == AF_INET ? size_t{4} : size_t{16}};
}

net::UniqueFd udp_on(const net::Address& address) {
  net::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) fail_errno("socket");
  if (::bind(fd.get(), address.data(), address.size_bytes()) != 0) {
    fail_errno("bind " + address.to_string());
  }
  return fd;
}

}  // namespace

DNSServer::DNSServer() : DNSServer(allocate_port()) {}

DNSServer::DNSServer(uint16_t port)
    : port_(port),
      udp_(udp_on(ip_address("127.0.0.1", port_))),
      tcp_(listen_on(ip_address("127.0.0.1", port_))),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { loop(); }) {}

DNSServer::~DNSServer() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::string DNSServer::config() const {
  return fmt::format("\n[dns]\nservers = [\"127.0.0.1:{}\"]\n", port_);
}

void DNSServer::set_addresses(const std::string& name, const std::vector<std::string>& ips,
                              uint32_t ttl_s) {
  const std::lock_guard lock(mutex_);
  entries_[name].ips = ips;
  entries_[name].ttl_s = ttl_s;
}

void DNSServer::set_services(const std::string& name,
                             const std::vector<control::ServiceRecord>& services, uint32_t ttl_s) {
  const std::lock_guard lock(mutex_);
  entries_[name].services = services;
  entries_[name].ttl_s = ttl_s;
}

void DNSServer::forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  entries_.erase(name);
}

void DNSServer::set_mode(Mode mode) {
  const std::lock_guard lock(mutex_);
  mode_ = mode;
  mode_of_type_.clear();
}

void DNSServer::set_mode_of_type(uint16_t type, Mode mode) {
  const std::lock_guard lock(mutex_);
  mode_of_type_[type] = mode;
}

void DNSServer::set_truncating(bool is_truncating) {
  const std::lock_guard lock(mutex_);
  is_truncating_ = is_truncating;
}

void DNSServer::set_delay(std::chrono::milliseconds delay) {
  const std::lock_guard lock(mutex_);
  delay_ = delay;
}

int DNSServer::asked() const {
  const std::lock_guard lock(mutex_);
  int sum = 0;
  for (const auto& [name, count] : asked_) sum += count;
  return sum;
}

int DNSServer::asked(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(name);
  return found == asked_.end() ? 0 : found->second;
}

int DNSServer::asked_by_tcp() const {
  const std::lock_guard lock(mutex_);
  return asked_by_tcp_;
}

void DNSServer::loop() {
  for (;;) {
    std::vector<pollfd> fds = {
        {stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    for (const Stream& stream : streams_) fds.push_back({stream.fd.get(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), -1);
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) serve_datagram();
    size_t next = 3;
    for (Stream& stream : streams_) {
      if (fds[next++].revents != 0) serve_stream(stream);
    }
    streams_.remove_if([](const Stream& stream) { return stream.is_over; });
    if (fds[2].revents == 0) continue;
    net::UniqueFd fd(::accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.is_open()) streams_.push_back({std::move(fd), {}});
  }
}

void DNSServer::serve_datagram() {
  std::array<char, 4096> buffer;
  sockaddr_storage from = {};
  socklen_t from_bytes = sizeof(from);
  const ssize_t size = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &from_bytes);
  if (size <= 0) return;
  const std::string reply = answer({buffer.data(), static_cast<size_t>(size)}, false);
  if (reply.empty()) return;
  std::unique_lock lock(mutex_);
  const std::chrono::milliseconds delay = delay_;
  lock.unlock();
  std::this_thread::sleep_for(delay);
  ::sendto(udp_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from),
           from_bytes);
}

void DNSServer::serve_stream(Stream& stream) {
  std::array<char, 4096> buffer;
  const ssize_t size = ::recv(stream.fd.get(), buffer.data(), buffer.size(), 0);
  stream.is_over = size == 0 || (size < 0 && errno != EAGAIN);
  if (size <= 0) return;
  std::string& received = stream.received;
  received.append(buffer.data(), static_cast<size_t>(size));
  while (received.size() >= 2) {
    const size_t length = read16(received, 0);
    if (received.size() < 2 + length) return;
    const std::string reply = answer(std::string_view(received).substr(2, length), true);
    received.erase(0, 2 + length);
    if (reply.empty()) continue;
    std::string framed;
    put16(framed, reply.size());
    framed += reply;
    // A few KiB into an empty socket.
    ::send(stream.fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
  }
}

std::string DNSServer::answer(std::string_view question, bool is_tcp) {
  if (question.size() < kHeaderBytes + 5) return "";
  std::string name;
  size_t at = kHeaderBytes;
  while (at < question.size() && question[at] != 0) {
    if (!name.empty()) name += '.';
    name += question.substr(at + 1, static_cast<unsigned char>(question[at]));
    at += 1 + static_cast<unsigned char>(question[at]);
  }
  if (at + 5 > question.size()) return "";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const uint16_t type = read16(question, at + 1);

  const std::lock_guard lock(mutex_);
  ++asked_[name];
  if (is_tcp) ++asked_by_tcp_;
  const auto of_type = mode_of_type_.find(type);
  Mode mode = of_type == mode_of_type_.end() ? mode_ : of_type->second;
  if (mode == Mode::kSilent) return "";
  const auto entry = entries_.find(name);
  if (mode == Mode::kAnswer && entry == entries_.end()) mode = Mode::kNXDomain;

  std::string records;
  size_t count = 0;
  const auto add = [&](std::string_view data) {
    put_record(records, type, entry->second.ttl_s, data);
    ++count;
  };
  const bool is_cut = is_truncating_ && !is_tcp;
  if (mode == Mode::kAnswer && !is_cut) {
    for (const std::string& ip : entry->second.ips) {
      const bool is_v6 = ip.find(':') != std::string::npos;
      if (type == (is_v6 ? kTypeAAAA : kTypeA)) add(address_data(ip, is_v6 ? AF_INET6 : AF_INET));
    }
    for (const control::ServiceRecord& service : entry->second.services) {
      if (type != kTypeSRV) break;
      std::string data;
      put16(data, service.priority);
      put16(data, service.weight);
      put16(data, service.port);
      put_name(data, service.target);
      add(data);
    }
  }
  const std::map<Mode, uint16_t> codes = {
      {Mode::kAnswer, 0}, {Mode::kServfail, 2}, {Mode::kNXDomain, 3}, {Mode::kRefuse, 5}};
  std::string reply(question.substr(0, 2));
  put16(reply, 0x8580U | (is_cut ? 0x0200U : 0U) | codes.at(mode));
  put16(reply, 1);
  put16(reply, count);
  put16(reply, 0);
  put16(reply, 0);
  reply += question.substr(kHeaderBytes, at + 5 - kHeaderBytes);
  return reply + records;
}

}  // namespace lb::test
