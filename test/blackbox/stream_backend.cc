#include "test/blackbox/stream_backend.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "test/support/failure.h"

namespace lb::test {

StreamBackend::StreamBackend(uint64_t size_bytes)
    : size_bytes_(size_bytes), backend_([this](Socket& socket) { serve(socket); }) {}

void StreamBackend::send(Socket& socket, uint64_t size_bytes) {
  ByteStream stream(kSeed);
  std::vector<std::byte> chunk;
  while (stream.offset() < size_bytes) {
    chunk.resize(std::min<uint64_t>(64 * 1024, size_bytes - stream.offset()));
    stream.fill(chunk);
    socket.send(chunk);
    sent_bytes_ += chunk.size();
  }
}

void StreamBackend::serve(Socket& socket) {
  const std::string wish = socket.recv_exactly(1);
  if (wish == "e") return echo(socket);
  if (wish == "s") return send(socket, size_bytes_);
  if (wish == "c") {
    ByteStream stream(kSeed);
    socket.recv_stream(stream, size_bytes_);
    socket.expect_fin();
    return socket.send("k");
  }
  if (wish == "r") return send_and_reset(socket);
  try {
    send(socket, UINT64_MAX);
  } catch (const Failure&) {
    ++broken_;
  }
}

void StreamBackend::send_and_reset(Socket& socket) {
  ByteStream stream(kSeed);
  std::vector<std::byte> chunk(64 * 1024);
  size_t rest = 0;
  while (!may_reset_) {
    if (rest == 0) stream.fill(chunk);
    if (rest == 0) rest = chunk.size();
    const size_t count = socket.send_now(std::span(chunk).last(rest));
    rest -= count;
    sent_bytes_ += count;
    if (count == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  socket.reset();
}

void StreamBackend::wait_stuck() const {
  uint64_t before = UINT64_MAX;
  int unchanged = 0;
  for (int i = 0; i < 1000 && unchanged < 4; ++i) {
    const uint64_t now = sent_bytes_;
    unchanged = now == before && now > 0 ? unchanged + 1 : 0;
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  if (unchanged < 4) throw Failure("the streams do not come to a halt");
}

}  // namespace lb::test
