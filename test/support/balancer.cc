#include "test/support/balancer.h"

#include <array>
#include <cerrno>

#include "test/support/config_text.h"
#include "test/support/failure.h"
#include "test/support/port_allocator.h"

namespace lb::test {
namespace {

SluiceOptions with_engine(SluiceOptions options, const std::string& engine) {
  options.engine = engine;
  return options;
}

bool is_refusal(int error) { return error == ECONNREFUSED || error == ECONNRESET; }

}  // namespace

Balancer::Balancer(const std::string& engine, const std::vector<net::Address>& endpoints,
                   const BalancerOptions& options)
    : address_(ip_address("127.0.0.1", allocate_port())),
      process_(one_service(address_.port(), endpoints, options.listener, options.service)
                   .runtime(options.runtime)
                   .str(),
               with_engine(options.process, engine)) {}

Socket Balancer::connect_echo() const {
  Socket socket = connect();
  expect_echo(socket, "hello");
  return socket;
}

void expect_echo(Socket& socket, std::string_view text) {
  socket.send(text);
  const std::string back = socket.recv_exactly(text.size());
  if (back != text) throw Failure("echo of something else: " + back);
}

void expect_refused(const net::Address& address) {
  int error = 0;
  Socket socket = Socket::try_connect(address, {}, error);
  if (is_refusal(error)) return;
  if (error != 0) throw Failure(errno_text("connect", error));
  socket.expect_reset();
}

bool served(const net::Address& address) {
  int error = 0;
  Socket socket = Socket::try_connect(address, {}, error);
  if (is_refusal(error)) return false;
  if (error != 0) throw Failure(errno_text("connect", error));
  // The kernel tells of a reset once: when the send has been told, a read would find a FIN.
  if (::send(socket.fd(), "x", 1, MSG_NOSIGNAL) != 1) return false;
  std::string back;
  const Socket::End end = socket.recv_to_end([&](std::span<const std::byte> bytes) {
    back.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    socket.finish();
  });
  if (end == Socket::End::kRST && back.empty()) return false;
  if (end == Socket::End::kFIN && back == "x") return true;
  throw Failure("neither served nor refused: '" + back + "'");
}

}  // namespace lb::test
