// The pool of pipes: its bound, the order of lending, what happens to a dirty one, and a kernel
// that gives none. What limits the process itself happens in a child.
#include "lb/event/pipe_pool.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "test/support/catch.h"

namespace lb::event {
namespace {

constexpr uint32_t kSizeBytes = 65536;

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

// What the other end of a pipe has for a reader.
void soil(Pipe& pipe) {
  REQUIRE(::write(pipe.write_fd(), "dirt", 4) == 4);
  pipe.set_held_bytes(4);
}

// Runs `body` in a child: 0 when it found nothing wrong, else the line where it did.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Lets so many more descriptors be opened, and none more.
void leave_open_files(rlim_t count) {
  const int lowest_free = ::fcntl(0, F_DUPFD, 0);
  ::close(lowest_free);
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = static_cast<rlim_t>(lowest_free) + count;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A user of this test's own, whose pipes are nobody else's.
uid_t own_user() { return 60'000 + static_cast<uid_t>(::getpid() % 5000); }

int pipe_size(int fd) { return ::fcntl(fd, F_GETPIPE_SZ); }

// Makes pipes until the kernel only gives this user ones that are too small.
std::vector<net::UniqueFd> exhaust_pages() {
  std::vector<net::UniqueFd> held;
  for (int i = 0; i < 9000; ++i) {
    std::array<int, 2> fds = {};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) return held;
    held.emplace_back(fds[0]);
    held.emplace_back(fds[1]);
    ::fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    if (pipe_size(fds[1]) < static_cast<int>(PipePool::kMinPipeBytes)) return held;
  }
  return held;
}

}  // namespace

TEST_CASE("pipe_pool: never more pipes than allowed, and none of none") {
  PipePool pool(3, kSizeBytes);
  CHECK(pool.open() == 0);  // made when needed
  std::vector<PipeLease> leases;
  for (uint32_t i = 0; i < 3; ++i) {
    leases.push_back(pool.take(0));
    REQUIRE(leases.back().is_held());
    CHECK(pool.lent() == i + 1);
  }
  CHECK_FALSE(pool.take(0).is_held());
  CHECK(pool.open() == 3);
  leases.pop_back();
  CHECK(pool.lent() == 2);
  CHECK(pool.open() == 3);
  CHECK(pool.take(0).is_held());  // and returns it at once
  CHECK(pool.open() == 3);
  leases.clear();
  CHECK(pool.lent() == 0);
  PipePool none(0, kSizeBytes);
  CHECK_FALSE(none.take(0).is_held());
}

TEST_CASE("pipe_pool: pipes are non-blocking, close-on-exec and as big as wanted") {
  PipePool pool(2, 4 * kSizeBytes);
  const PipeLease pipe = pool.take(0);
  REQUIRE(pipe.is_held());
  for (const int fd : {pipe->read_fd(), pipe->write_fd()}) {
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(pipe_size(fd) == 4 * kSizeBytes);
  }
}

TEST_CASE("pipe_pool: lends last-in-first-out") {
  PipePool pool(8, kSizeBytes);
  PipeLease one = pool.take(0);
  PipeLease two = pool.take(0);
  const int first = one->read_fd();
  const int second = two->read_fd();
  one.reset();
  two.reset();
  const PipeLease again = pool.take(0);
  const PipeLease then = pool.take(0);
  CHECK(again->read_fd() == second);
  CHECK(then->read_fd() == first);
  CHECK(pool.open() == 2);
}

TEST_CASE("pipe_pool: a lease moves, and gives its pipe back once") {
  PipePool pool(8, kSizeBytes);
  PipeLease one = pool.take(0);
  PipeLease two = std::move(one);
  CHECK(two.is_held());
  two = pool.take(0);
  CHECK(pool.lent() == 1);
  two.reset();
  two.reset();
  CHECK(pool.lent() == 0);
}

TEST_CASE("pipe_pool: a dirty pipe is closed and never comes back") {
  PipePool pool(4, kSizeBytes);
  PipeLease clean = pool.take(0);
  PipeLease dirty = pool.take(0);
  const int clean_fd = clean->read_fd();
  const std::array<int, 2> dirty_fds = {dirty->read_fd(), dirty->write_fd()};
  soil(*dirty);
  dirty.reset();
  for (const int fd : dirty_fds) CHECK_FALSE(is_open(fd));
  CHECK(pool.open() == 1);
  clean.reset();
  CHECK(is_open(clean_fd));
  std::vector<PipeLease> leases;
  for (int i = 0; i < 4; ++i) {
    leases.push_back(pool.take(0));
    REQUIRE(leases.back().is_held());
    std::array<std::byte, 8> bytes = {};
    CHECK(::read(leases.back()->read_fd(), bytes.data(), bytes.size()) == -1);
    CHECK(errno == EAGAIN);
  }
}

TEST_CASE("pipe_pool: a pool closes its pipes with itself") {
  int fd = -1;
  {
    PipePool pool(4, kSizeBytes);
    fd = pool.take(0)->read_fd();
    CHECK(is_open(fd));
  }
  CHECK_FALSE(is_open(fd));
}

TEST_CASE("pipe_pool: a pipe takes from a socket and gives to one, and keeps what does not fit") {
  std::array<int, 2> in = {};
  std::array<int, 2> out = {};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, in.data()) == 0);
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out.data()) == 0);
  const net::UniqueFd source(in[0]);
  net::UniqueFd sender(in[1]);
  const net::UniqueFd sink(out[0]);
  const net::UniqueFd receiver(out[1]);
  PipePool pool(1, kSizeBytes);
  PipeLease pipe = pool.take(0);
  CHECK(pipe->fill(source.get()) == -EAGAIN);
  CHECK(pipe->held_bytes() == 0);
  REQUIRE(::write(sender.get(), "twelve bytes", 12) == 12);
  CHECK(pipe->fill(source.get()) == 12);
  CHECK(pipe->held_bytes() == 12);
  CHECK(pipe->drain(sink.get()) == 12);
  CHECK(pipe->held_bytes() == 0);
  std::array<char, 64> text = {};
  CHECK(::read(receiver.get(), text.data(), text.size()) == 12);
  CHECK(std::strcmp(text.data(), "twelve bytes") == 0);
  // No room at the destination.
  const std::vector<char> filler(4096, 'x');
  while (::write(sink.get(), filler.data(), filler.size()) > 0) {
  }
  REQUIRE(::write(sender.get(), "kept", 4) == 4);
  CHECK(pipe->fill(source.get()) == 4);
  CHECK(pipe->drain(sink.get()) == -EAGAIN);
  CHECK(pipe->held_bytes() == 4);
  pipe.reset();
  pipe = pool.take(0);
  sender.reset();
  CHECK(pipe->fill(source.get()) == 0);
}

TEST_CASE("pipe_pool: out of descriptors there is none, and nobody asks again for a second") {
  // One is not enough for a pipe, and stays free.
  for (const rlim_t left : {rlim_t{0}, rlim_t{1}}) {
    CAPTURE(left);
    CHECK(in_child([left] {
            PipePool pool(4, kSizeBytes);
            PipeLease first = pool.take(5000);
            if (!first.is_held()) return __LINE__;
            leave_open_files(left);
            if (pool.take(5000).is_held()) return __LINE__;
            if (pool.open() != 1 || pool.lent() != 1) return __LINE__;
            if (pool.take_refusal() != EMFILE) return __LINE__;
            // Told once, however often it is refused.
            if (pool.take(7000).is_held() || pool.take_refusal() != 0) return __LINE__;
            leave_open_files(100);
            if (pool.take(7000).is_held() || pool.take(7999).is_held()) return __LINE__;
            // One that is there already is still lent out.
            first.reset();
            first = pool.take(7999);
            if (!first.is_held()) return __LINE__;
            PipeLease second = pool.take(8000);
            if (!second.is_held()) return __LINE__;
            // And told anew when it begins anew.
            leave_open_files(left);
            if (pool.take(9000).is_held() || pool.take_refusal() != EMFILE) return __LINE__;
            return 0;
          }) == 0);
  }
}

TEST_CASE("pipe_pool: a user whose pages are used up gets no pipe, and one when they are free") {
  if (::getuid() != 0) {
    std::printf("pipe_pool: too small pipes: skipped, not root\n");
    return;
  }
  CHECK(in_child([] {
          rlimit limit = {};
          ::getrlimit(RLIMIT_NOFILE, &limit);
          limit.rlim_cur = limit.rlim_max;
          ::setrlimit(RLIMIT_NOFILE, &limit);
          if (::setuid(own_user()) != 0) return 1;
          std::vector<net::UniqueFd> held = exhaust_pages();
          // No limit here, or one that is out of reach.
          if (held.size() < 2 || pipe_size(held.back().get()) >= static_cast<int>(kSizeBytes)) {
            return 0;
          }
          const int next_fd = ::dup(0);
          ::close(next_fd);
          PipePool pool(4, kSizeBytes);
          if (pool.take(0).is_held() || pool.open() != 0) return 2;
          if (pool.take_refusal() != ENOSPC) return 6;
          // What was too small is closed.
          if (is_open(next_fd) || is_open(next_fd + 1)) return 3;
          held.clear();
          if (pool.take(999).is_held()) return 4;
          if (!pool.take(1000).is_held()) return 5;
          return 0;
        }) == 0);
}

}  // namespace lb::event
