#include "test/event/contract_world.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "lb/event/engine_factory.h"
#include "test/event/real_world.h"
#include "test/event/sim_world.h"
#include "test/support/scale.h"

namespace lb::test {

std::unique_ptr<World> World::make(const std::string& name, const event::EngineOptions& options) {
  return name == "simulated" ? make_sim_world(options) : make_real_world(name, options);
}

bool World::run_until(const std::function<bool()>& condition) {
  const util::MonoTimeMs patience_ms =
      is_simulated() ? 100'000'000 : patience(std::chrono::seconds(20)).count();
  const util::MonoTimeMs until_ms = clock_ms() + patience_ms;
  while (!condition()) {
    if (clock_ms() >= until_ms) return condition();
    turn();
  }
  return true;
}

void World::run_for(util::MonoTimeMs duration_ms) {
  const util::MonoTimeMs until_ms = clock_ms() + duration_ms;
  while (clock_ms() < until_ms) turn(until_ms - clock_ms());
}

// The simulated network pauses for up to half a second at each step.
void World::settle() { run_for(is_simulated() ? 20'000 : 15); }

void World::turn(util::MonoTimeMs at_most_ms) {
  is_running_ = true;
  engine().run_once(clock_ms() + at_most_ms);
  is_running_ = false;
}

void World::enter_handler() {
  CHECK(is_running_);
  CHECK_FALSE(is_in_handler_);
  is_in_handler_ = true;
}

void World::leave_handler() { is_in_handler_ = false; }

void World::write_all(Peer& peer, std::string_view text) {
  REQUIRE(run_until([&] {
    const ssize_t written = peer.write(text);
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
    return text.empty();
  }));
  REQUIRE(run_until([&] { return peer.unacked() == 0; }));
}

std::string World::read_exactly(Peer& peer, size_t size_bytes) {
  std::string text;
  REQUIRE(run_until([&] {
    std::string part(size_bytes - text.size(), '\0');
    const ssize_t read = peer.read(std::as_writable_bytes(std::span(part)));
    if (read > 0) text.append(part, 0, static_cast<size_t>(read));
    return text.size() == size_bytes || (read <= 0 && read != -EAGAIN);
  }));
  return text;
}

ssize_t World::read_end(Peer& peer) {
  std::string part(65536, '\0');
  ssize_t read = 0;
  REQUIRE(run_until([&] {
    do {
      read = peer.read(std::as_writable_bytes(std::span(part)));
    } while (read > 0);
    return read != -EAGAIN;
  }));
  return read;
}

std::vector<std::string> contract_engines() {
  static const bool have_uring = [] {
    const absl::Status status = event::test_uring();
    if (!status.ok()) std::printf("io_uring: skipped, %s\n", status.ToString().c_str());
    return status.ok();
  }();
  std::vector<std::string> names;
  const char* only = std::getenv("SLUICE_ENGINE");
  for (const std::string name : {"epoll", "io_uring", "simulated"}) {
    if (only != nullptr && name != only) continue;
    if (name == "io_uring" && !have_uring) continue;
    names.push_back(name);
  }
  return names;
}

Receiver::Receiver(World& world, int fd, uint32_t max_bytes)
    : recv(world), world_(world), fd_(fd), max_bytes_(max_bytes) {
  recv.then = [this](event::Completion completion) { on_recv(completion); };
}

void Receiver::start() { world_.engine().recv(recv.op, fd_, max_bytes_); }

void Receiver::on_recv(event::Completion completion) {
  CHECK(recv.op.lease.is_held() == (completion.result > 0));
  if (completion.result <= 0) {
    end = completion.result;
    is_going_ = false;
    return;
  }
  const std::span<const std::byte> got = recv.op.lease.bytes();
  CHECK(got.size() == static_cast<size_t>(completion.result));
  bytes.append(reinterpret_cast<const char*>(got.data()), got.size());
  biggest = std::max(biggest, static_cast<uint32_t>(got.size()));
  if (on_bytes) on_bytes(recv.op.lease);
  recv.op.lease.reset();
  start();
}

}  // namespace lb::test
