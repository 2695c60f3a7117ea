// What pipes may cost: how many there are, who holds one, and what happens where there are none.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "test/blackbox/stream_backend.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

std::string splice(const std::string& mode) { return "workers = 1\nsplice = \"" + mode + "\""; }

SluiceOptions with_open_files(rlim_t count) {
  return {.before_exec = [=] {
    const rlimit limit = {count, count};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }};
}

std::vector<Socket> ask_for(const Balancer& balancer, uint64_t count, std::string_view wish) {
  std::vector<Socket> clients;
  for (uint64_t i = 0; i < count; ++i) {
    clients.push_back(balancer.connect({.receive_buffer_bytes = 16 * 1024}));
    clients.back().send(wish);
  }
  return clients;
}

void expect_stream(Socket& client, uint64_t size_bytes) {
  ByteStream stream(StreamBackend::kSeed);
  client.recv_stream(stream, size_bytes);
}

void exchange_burst(Socket& client, uint64_t size_bytes) {
  ByteStream out(2);
  ByteStream back(2);
  std::thread sender([&] { client.send_stream(out, size_bytes); });
  try {
    client.recv_stream(back, size_bytes);
  } catch (...) {
    sender.join();
    throw;
  }
  sender.join();
}

// A user that nobody else is, so that its pipes are nobody else's.
uid_t own_user() { return 60'000 + static_cast<uid_t>(::getpid() % 5000); }

void become(uid_t user) {
  if (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0) ::_exit(126);
}

// A process of that user that holds pipes until new ones are too small to be of use.
class PipeHog {
 public:
  explicit PipeHog(uid_t user) {
    std::array<int, 2> ready = {};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0) fail_errno("pipe");
    const net::UniqueFd mine(ready[0]);
    net::UniqueFd its(ready[1]);
    pid_ = ::fork();
    if (pid_ < 0) fail_errno("fork");
    if (pid_ == 0) {
      become(user);
      const char done = exhaust() ? 'y' : 'n';
      if (::write(its.get(), &done, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    its.reset();
    char done = 'n';
    has_exhausted_ = ::read(mine.get(), &done, 1) == 1 && done == 'y';
  }
  ~PipeHog() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  PipeHog(const PipeHog&) = delete;
  PipeHog& operator=(const PipeHog&) = delete;

  bool has_exhausted() const { return has_exhausted_; }

 private:
  static bool exhaust() {
    for (;;) {
      std::array<int, 2> fds = {};
      if (::pipe2(fds.data(), O_CLOEXEC) != 0) return false;
      ::fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
      if (::fcntl(fds[1], F_GETPIPE_SZ) < 65536) return true;
    }
  }

  pid_t pid_ = -1;
  bool has_exhausted_ = false;
};

// Half of what the kernel lets one user have, in pipes of the smallest useful size.
int most_pipe_ends() {
  std::ifstream file("/proc/sys/fs/pipe-user-pages-soft");
  uint64_t pages = 0;
  if (!(file >> pages) || pages == 0) return INT32_MAX;
  return static_cast<int>(2 * (pages / 2) * static_cast<uint64_t>(::getpagesize()) / 65536);
}

}  // namespace

TEST_CASE("readers that do not read hold no more than pipes and buffers allow") {
  const auto engine = SLUICE_EACH_ENGINE();
  raise_open_file_limit();
  StreamBackend backend;
  // 600 descriptors carry 200 connections, and 18 pipes.
  constexpr rlim_t kOpenFiles = 600;
  SluiceOptions process = with_open_files(kOpenFiles);
  process.environment = {{"MALLOC_PERTURB_", "0"}};
  Balancer balancer(engine, {backend.address()},
                    {.listener = "connection.bufferLimit = \"16Ki\"",
                     .runtime = splice("always"),
                     .process = process});
  const pid_t pid = balancer.process().pid();
  const int ends_at_start = pipe_end_count(pid);
  auto first = ask_for(balancer, 20, "n");
  REQUIRE_NOTHROW(backend.wait_stuck());
  const uint64_t base_bytes = private_dirty_bytes(pid);
  const uint64_t count = scaled(180, 50);
  auto clients = ask_for(balancer, count, "n");
  // The backend's sends come to a halt, with more to send.
  REQUIRE_NOTHROW(backend.wait_stuck());
  const uint64_t full_bytes = private_dirty_bytes(pid);
  const uint64_t each_bytes = full_bytes > base_bytes ? (full_bytes - base_bytes) / count : 0;
  INFO(engine << ": " << each_bytes << " bytes for each connection");
  if (!is_sanitized()) CHECK(each_bytes <= 2 * 16 * 1024 + 8 * 1024);
  const int ends = pipe_end_count(pid) - ends_at_start;
  CHECK(ends > 0);
  CHECK(ends <= static_cast<int>(kOpenFiles / 16));
  CHECK(open_fd_count(pid) <= static_cast<int>(kOpenFiles));
  // Nobody else is slowed down, pipe or not.
  Socket other = balancer.connect();
  other.send("e");
  CHECK_NOTHROW(exchange_burst(other, scaled(16 << 20, 2 << 20)));
  // And those who read again get what they asked for.
  for (size_t i = 0; i < clients.size(); i += 10) {
    REQUIRE_NOTHROW(expect_stream(clients[i], 3'000'000));
  }
  for (Socket& client : clients) client.reset();
  first.clear();
  other.close();
  CHECK_NOTHROW(balancer.process().wait_quiet());
  CHECK(pipe_end_count(pid) - ends_at_start <= static_cast<int>(kOpenFiles / 16));
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("an idle connection holds no pipe") {
  const auto engine = SLUICE_EACH_ENGINE();
  const auto mode = GENERATE(as<std::string>(), "always", "auto");
  raise_open_file_limit();
  StreamBackend backend;
  Balancer balancer(engine, {backend.address()}, {.runtime = splice(mode)});
  const pid_t pid = balancer.process().pid();
  const int ends_at_start = pipe_end_count(pid);
  Socket streaming = balancer.connect();
  streaming.send("e");
  REQUIRE_NOTHROW(exchange_burst(streaming, 8 << 20));
  const int ends = pipe_end_count(pid) - ends_at_start;
  CHECK(ends >= 2);
  // One for each direction, and the one that a receive has for a moment.
  CHECK(ends <= 6);
  std::vector<Socket> idle;
  for (uint64_t i = 0; i < scaled(1000, 200); ++i) {
    idle.push_back(balancer.connect());
    idle.back().send("e");
    REQUIRE_NOTHROW(expect_echo(idle.back(), "x"));
  }
  CHECK(pipe_end_count(pid) - ends_at_start <= 6);
  for (Socket& client : idle) REQUIRE_NOTHROW(expect_echo(client, "y"));
  CHECK(pipe_end_count(pid) - ends_at_start <= 6);
}

TEST_CASE("many streams at once never have more pipes than half of a user's pages") {
  const auto engine = SLUICE_EACH_ENGINE();
  raise_open_file_limit();
  StreamBackend backend;
  // A user without any privilege, and with no pipes elsewhere.
  SluiceOptions process;
  if (::getuid() == 0) process.before_exec = [user = own_user()] { become(user); };
  Balancer balancer(engine, {backend.address()}, {.runtime = splice("always"), .process = process});
  const pid_t pid = balancer.process().pid();
  const int ends_at_start = pipe_end_count(pid);
  auto clients = ask_for(balancer, scaled(400, 150), "n");
  int most = 0;
  CHECK_FALSE(eventually(
      [&] {
        most = std::max(most, pipe_end_count(pid) - ends_at_start);
        return most > most_pipe_ends();
      },
      std::chrono::milliseconds(is_sanitized() ? 200 : 700)));
  CHECK(most >= 2 * 50);  // the streams do take them
  for (size_t i = 0; i < clients.size(); i += 20) {
    REQUIRE_NOTHROW(expect_stream(clients[i], 2'000'000));
  }
}

TEST_CASE("a user without any pages left for pipes has its streams copied, byte by byte") {
  const auto engine = SLUICE_EACH_ENGINE();
  if (::getuid() != 0) {
    std::printf("pipes of a user that has too many: skipped, not root\n");
    return;
  }
  raise_open_file_limit();
  const uid_t user = own_user();
  const PipeHog hog(user);
  if (!hog.has_exhausted()) {
    std::printf("pipes of a user that has too many: skipped, there is no such limit here\n");
    return;
  }
  const auto mode = GENERATE(as<std::string>(), "always", "auto");
  INFO(engine << ", " << mode);
  const uint64_t size_bytes = scaled(6'000'000, 1'000'000);
  StreamBackend backend(size_bytes);
  Balancer balancer(
      engine, {backend.address()},
      {.runtime = splice(mode), .process = {.before_exec = [user] { become(user); }}});
  const pid_t pid = balancer.process().pid();
  const int ends_at_start = pipe_end_count(pid);
  auto clients = ask_for(balancer, 20, "s");
  int most_fds = 0;
  for (Socket& client : clients) {
    REQUIRE_NOTHROW(expect_stream(client, size_bytes));
    CHECK_NOTHROW(client.expect_fin());
    most_fds = std::max(most_fds, open_fd_count(pid));
  }
  CHECK(most_fds <= balancer.process().fds_at_ready() + 2 * 20 + 2);
  CHECK(pipe_end_count(pid) == ends_at_start);
  Socket chat = balancer.connect();
  chat.send("e");
  CHECK_NOTHROW(exchange_burst(chat, 4 << 20));
  CHECK_NOTHROW(expect_echo(chat, "x"));
  chat.close();
  clients.clear();
  for (const AccessRecord& record : balancer.process().wait_records(21)) {
    INFO(record.line());
    CHECK(record.text("relay") == "copy");
  }
  CHECK(balancer.process().log().wait_count("no pipe to be had", 1) == 1);
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("with few descriptors bursts still pass, and pipes are counted among them") {
  const auto engine = SLUICE_EACH_ENGINE();
  StreamBackend backend;
  // What the log says can be served at most.
  const auto possible = [&](const std::string& mode) {
    const Balancer balancer(
        engine, {backend.address()},
        {.runtime = splice(mode) + "\nmaxConnections = 5000", .process = with_open_files(256)});
    std::smatch found;
    const std::string log = balancer.process().log().text();
    REQUIRE(std::regex_search(log, found, std::regex("possible=\"?([0-9]+)")));
    return std::stoi(found[1]);
  };
  // A sixteenth of 256 is 8 pipes, which are 8 connections less.
  CHECK(possible("off") - possible("always") == 8);
  CHECK(possible("off") - possible("auto") == 8);

  // Accepting pauses when the last place is taken.
  const int most = possible("always") - 1;
  Balancer balancer(
      engine, {backend.address()},
      {.runtime = splice("always") + "\nmaxConnections = 5000", .process = with_open_files(256)});
  std::vector<Socket> clients;
  for (int i = 0; i < most; ++i) {
    clients.push_back(balancer.connect());
    clients.back().send("e");
    REQUIRE_NOTHROW(expect_echo(clients.back(), "x"));
  }
  // All of them at once, with all of the descriptors in use.
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (Socket& client : clients) {
    threads.emplace_back([&] {
      try {
        exchange_burst(client, 1 << 20);
      } catch (const Failure&) {
        ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(balancer.process().log().count("accept paused") == 0);
  clients.clear();
  const auto records = balancer.process().wait_records(static_cast<size_t>(most));
  CHECK(std::any_of(records.begin(), records.end(),
                    [](const AccessRecord& record) { return record.text("relay") == "splice"; }));
  CHECK_NOTHROW(balancer.process().stop());
}

}  // namespace lb::test
