#include "bench/stream_pattern.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "lb/net/fd.h"
#include "test/support/catch.h"

namespace lb::bench {
namespace {

struct SocketPair {
  SocketPair() {
    int fds[2] = {-1, -1};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    near.reset(fds[0]);
    far.reset(fds[1]);
  }
  net::UniqueFd near;
  net::UniqueFd far;
};

}  // namespace

TEST_CASE("the stream is the same wherever a piece of it begins") {
  CHECK(std::memcmp(stream_bytes_at(0), stream_bytes_at(kPatternPeriod), 1'000) == 0);
  CHECK(std::memcmp(stream_bytes_at(0) + 777, stream_bytes_at(777), 1'000) == 0);
  CHECK(std::memcmp(stream_bytes_at(0), stream_bytes_at(1), 1'000) != 0);
}

TEST_CASE("what is written is read, and a byte out of place is seen") {
  const SocketPair sockets;
  StreamWriter writer;
  StreamReader reader;
  REQUIRE(writer.write_some(sockets.near.get(), 5'000) == 5'000);
  CHECK(reader.read_some(sockets.far.get()) == 5'000);
  CHECK(reader.read_some(sockets.far.get()) == -EAGAIN);
  writer.skip(1);  // a byte is lost
  REQUIRE(writer.write_some(sockets.near.get(), 100) == 100);
  CHECK(reader.read_some(sockets.far.get()) == -EBADMSG);
}

TEST_CASE("the end of a stream is zero") {
  SocketPair sockets;
  sockets.near.reset();
  StreamReader reader;
  CHECK(reader.read_some(sockets.far.get()) == 0);
}

}  // namespace lb::bench
