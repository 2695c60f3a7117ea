#include "test/blackbox/relay_scripts.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "test/support/byte_stream.h"
#include "test/support/failure.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint64_t kMiB = 1024 * 1024;
constexpr uint64_t kUpSeed = 1;
constexpr uint64_t kDownSeed = 2;

void send_down(Socket& socket, uint64_t size_bytes, size_t chunk_bytes = 64 * 1024) {
  ByteStream stream(kDownSeed);
  socket.send_stream(stream, size_bytes, chunk_bytes);
}

void recv_down(Socket& socket, uint64_t size_bytes) {
  ByteStream stream(kDownSeed);
  socket.recv_stream(stream, size_bytes);
}

void send_up(Socket& socket, uint64_t size_bytes, size_t chunk_bytes = 64 * 1024) {
  ByteStream stream(kUpSeed);
  socket.send_stream(stream, size_bytes, chunk_bytes);
}

void recv_up(Socket& socket, uint64_t size_bytes) {
  ByteStream stream(kUpSeed);
  socket.recv_stream(stream, size_bytes);
}

std::string random_text(uint64_t seed, size_t size_bytes) {
  std::string text(size_bytes, '\0');
  ByteStream(seed).fill(std::as_writable_bytes(std::span(text)));
  return text;
}

void ping_pong(Socket& socket) {
  for (const size_t size_bytes : {size_t{1}, size_t{1024}, size_t{64 * 1024}}) {
    const uint64_t rounds = scaled(1000, 100);
    for (uint64_t round = 0; round < rounds; ++round) {
      const std::string text = random_text(size_bytes + round, size_bytes);
      socket.send(text);
      if (socket.recv_exactly(size_bytes) == text) continue;
      throw Failure("a wrong echo of " + std::to_string(size_bytes) + " bytes");
    }
  }
  socket.finish();
  socket.expect_fin();
}

RelayScript echo_script() {
  return {.name = "echo of 1 byte, 1 KiB and 64 KiB", .backend = echo, .client = ping_pong};
}

void send_in_two_parts(Socket& socket, std::string_view text) {
  socket.send(text.substr(0, text.size() / 2));
  std::this_thread::sleep_for(milliseconds(2));
  socket.send(text.substr(text.size() / 2));
}

// Where Nagle's algorithm holds the second part back until the first is acknowledged, which the
// other side delays since it has nothing to say yet, nearly every exchange takes 40 ms or more; on
// a busy machine some do, even most. So it is a quarter of them that must do without.
RelayScript two_parts() {
  constexpr size_t kSizeBytes = 64;
  const uint64_t rounds = scaled(200, 80);
  return {.name = "questions and answers in two parts each are not held back",
          .backend =
              [=](Socket& socket) {
                for (uint64_t round = 0; round < rounds; ++round) {
                  send_in_two_parts(socket, socket.recv_exactly(kSizeBytes));
                }
                socket.expect_fin();
              },
          .client =
              [=](Socket& socket) {
                std::vector<milliseconds> times;
                for (uint64_t round = 0; round < rounds; ++round) {
                  const std::string text = random_text(round, kSizeBytes);
                  const auto start = steady_clock::now();
                  send_in_two_parts(socket, text);
                  if (socket.recv_exactly(kSizeBytes) != text) throw Failure("a wrong answer");
                  times.push_back(
                      std::chrono::duration_cast<milliseconds>(steady_clock::now() - start));
                }
                const auto quarter = times.begin() + static_cast<std::ptrdiff_t>(rounds / 4);
                std::nth_element(times.begin(), quarter, times.end());
                if (*quarter > milliseconds(25)) {
                  throw Failure("three of four exchanges take " + std::to_string(quarter->count()) +
                                " ms or more");
                }
              }};
}

RelayScript banner() {
  return {.name = "the server speaks first",
          .backend =
              [](Socket& socket) {
                socket.send("220 ready\r\n");
                if (socket.recv_exactly(4) != "QUIT") throw Failure("not QUIT");
              },
          .client =
              [](Socket& socket) {
                if (socket.recv_exactly(11) != "220 ready\r\n") throw Failure("wrong banner");
                socket.send("QUIT");
                socket.expect_fin();
              }};
}

RelayScript client_half_close() {
  const uint64_t size_bytes = scaled(10 * kMiB, kMiB);
  return {.name = "the client half-closes, the reply comes later",
          .backend =
              [=](Socket& socket) {
                recv_up(socket, 100);
                socket.expect_fin();
                std::this_thread::sleep_for(milliseconds(300));
                send_down(socket, size_bytes);
              },
          .client =
              [=](Socket& socket) {
                send_up(socket, 100);
                socket.finish();
                recv_down(socket, size_bytes);
                socket.expect_fin();
              }};
}

RelayScript backend_half_close() {
  const uint64_t size_bytes = scaled(10 * kMiB, kMiB);
  return {.name = "the backend half-closes, the upload goes on",
          .backend =
              [=](Socket& socket) {
                send_down(socket, 100);
                socket.finish();
                recv_up(socket, size_bytes);
                socket.expect_fin();
              },
          .client =
              [=](Socket& socket) {
                recv_down(socket, 100);
                socket.expect_fin();
                std::this_thread::sleep_for(milliseconds(300));
                send_up(socket, size_bytes);
                socket.finish();
              }};
}

RelayScript download_flush(const char* name, uint64_t size_bytes) {
  return {.name = name,
          .backend = [=](Socket& socket) { send_down(socket, size_bytes); },
          .client =
              [=](Socket& socket) {
                std::this_thread::sleep_for(milliseconds(500));
                recv_down(socket, size_bytes);
                socket.expect_fin();
              }};
}

RelayScript upload_flush(const char* name, uint64_t size_bytes) {
  return {.name = name,
          .backend =
              [=](Socket& socket) {
                std::this_thread::sleep_for(milliseconds(500));
                recv_up(socket, size_bytes);
                socket.expect_fin();
              },
          .client =
              [=](Socket& socket) {
                send_up(socket, size_bytes);
                socket.finish();
                socket.expect_fin();
              }};
}

// Small segments fill a pipe by their number and not by their size, so a relay that splices can
// hang on them once the sender pauses.
RelayScript tiny_segments() {
  const std::array<size_t, 3> sizes = {1, 100, 1448};
  constexpr uint64_t kSegments = 600;
  return {.name = "segments of 1, 100 and 1448 bytes, then silence",
          .backend =
              [=](Socket& socket) {
                for (const size_t size : sizes) {
                  std::this_thread::sleep_for(milliseconds(100));
                  recv_up(socket, kSegments * size);
                  socket.send("k");
                }
                socket.expect_fin();
              },
          .client =
              [=](Socket& socket) {
                for (const size_t size : sizes) {
                  send_up(socket, kSegments * size, size);
                  socket.recv_exactly(1);
                }
                socket.finish();
                socket.expect_fin();
              }};
}

RelayScript both_ways() {
  const uint64_t size_bytes = scaled(64 * kMiB, 4 * kMiB);
  const auto exchange = [=](Socket& socket, bool is_client) {
    std::string failure;
    std::thread sender([&] {
      try {
        is_client ? send_up(socket, size_bytes) : send_down(socket, size_bytes);
        socket.finish();
      } catch (const Failure& error) {
        failure = error.what();
      }
    });
    try {
      is_client ? recv_down(socket, size_bytes) : recv_up(socket, size_bytes);
    } catch (...) {
      sender.join();
      throw;
    }
    sender.join();
    if (!failure.empty()) throw Failure(failure);
    socket.expect_fin();
  };
  return {.name = "64 MiB each way at once",
          .backend = [=](Socket& socket) { exchange(socket, false); },
          .client = [=](Socket& socket) { exchange(socket, true); }};
}

// Bursts and single messages in turn: a relay that changes its mode in mid-flow must keep order.
RelayScript changing_sizes() {
  const uint64_t rounds = scaled(20, 4);
  return {.name = "bursts of 1.5 MiB and messages of 100 bytes in turn",
          .backend = echo,
          .client = [=](Socket& socket) {
            ByteStream out(kUpSeed);
            ByteStream back(kUpSeed);
            for (uint64_t round = 0; round < rounds; ++round) {
              const uint64_t burst_bytes = round % 2 == 0 ? 3 * kMiB / 2 : 100;
              std::thread sender([&] { socket.send_stream(out, burst_bytes); });
              socket.recv_stream(back, burst_bytes);
              sender.join();
            }
            socket.finish();
            socket.expect_fin();
          }};
}

RelayScript nothing() {
  return {.name = "a connection without a byte",
          .backend = [](Socket& socket) { socket.expect_fin(); },
          .client =
              [](Socket& socket) {
                socket.finish();
                socket.expect_fin();
              }};
}

}  // namespace

std::vector<RelayScript> relay_scripts() {
  const uint64_t big = scaled(50 * kMiB, 2 * kMiB);
  return {echo_script(),
          two_parts(),
          banner(),
          nothing(),
          client_half_close(),
          backend_half_close(),
          download_flush("100 KiB and a FIN are there before the client reads", 100 * 1024),
          download_flush("50 MiB and a FIN towards a client that pauses", big),
          upload_flush("100 KiB and a FIN are there before the backend reads", 100 * 1024),
          upload_flush("50 MiB and a FIN towards a backend that pauses", big),
          tiny_segments(),
          both_ways(),
          changing_sizes()};
}

}  // namespace lb::test
