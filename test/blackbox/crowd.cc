#include "test/blackbox/crowd.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/support/failure.h"

namespace lb::test {

void Crowd::serve(Socket& socket) {
  const int now = inside_.fetch_add(1) + 1;
  int most = most_;
  while (most < now && !most_.compare_exchange_weak(most, now)) {
  }
  const bool has_come = !socket.recv_some(1).empty();
  // Long enough for others to come meanwhile.
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  inside_.fetch_sub(1);
  if (!has_come) return;
  ++served_;
  socket.send("y");
  socket.finish();
  socket.expect_fin();
}

Visit visit(const net::Address& address) {
  int error = 0;
  Socket socket = Socket::try_connect(address, {}, error);
  if (error == ECONNREFUSED || error == ECONNRESET) return Visit::kRefused;
  if (error != 0) throw Failure(errno_text("connect", error));
  if (::send(socket.fd(), "x", 1, MSG_NOSIGNAL) != 1) return Visit::kRefused;
  std::string answer;
  const Socket::End end = socket.recv_to_end([&](std::span<const std::byte> bytes) {
    answer.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  if (end == Socket::End::kRST && answer.empty()) return Visit::kRefused;
  if (end == Socket::End::kFIN && answer == "y") return Visit::kServed;
  throw Failure("neither served nor refused: '" + answer + "'");
}

Visits storm(const net::Address& address, int clients, int visits) {
  Visits total;
  std::string failure;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      Visits own;
      std::string what;
      try {
        for (int n = 0; n < visits; ++n) {
          ++(visit(address) == Visit::kServed ? own.served : own.refused);
        }
      } catch (const Failure& caught) {
        what = caught.what();
      }
      const std::lock_guard<std::mutex> lock(mutex);
      total.served += own.served;
      total.refused += own.refused;
      if (!what.empty()) failure = what;
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!failure.empty()) throw Failure(failure);
  return total;
}

}  // namespace lb::test
