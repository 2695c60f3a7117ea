#include "test/blackbox/named_backend.h"

#include <cerrno>
#include <chrono>
#include <span>

#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/socket.h"

namespace lb::test {

TcpBackend::Script says(const std::string& name) {
  return [name](Socket& socket) {
    socket.send(name);
    echo(socket);
  };
}

std::string name_of_backend(const net::Address& address) {
  int error = 0;
  Socket socket = Socket::try_connect(address, {}, error);
  if (error == ECONNREFUSED || error == ECONNRESET) return "-";
  if (error != 0) throw Failure(errno_text("connect", error));
  std::string name;
  const Socket::End end = socket.recv_to_end([&](std::span<const std::byte> bytes) {
    name.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    socket.finish();
  });
  return end == Socket::End::kRST && name.empty() ? "-" : name;
}

Names names_of_backends(const net::Address& address, int connections) {
  Names names;
  for (int i = 0; i < connections; ++i) names.insert(name_of_backend(address));
  return names;
}

void wait_names(const net::Address& address, const Names& wanted, const SluiceProcess& process) {
  Names last;
  const auto is_so = [&] { return (last = names_of_backends(address)) == wanted; };
  if (eventually(is_so, std::chrono::seconds(20))) return;
  std::string found;
  for (const std::string& name : last) found += " " + name;
  throw Failure("served by" + found + "\n" + process.log().text());
}

}  // namespace lb::test
