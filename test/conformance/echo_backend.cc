#include "test/conformance/echo_backend.h"

#include <nlohmann/json.hpp>

#include "test/support/failure.h"

namespace lb::test {
namespace {

constexpr const char* kBanner = "Gateway API Test TCP Server";

// The next line, without its newline; false at a FIN.
bool read_line(Socket& socket, std::string& unread, std::string& line) {
  size_t end = 0;
  while ((end = unread.find('\n')) == std::string::npos) {
    const std::string more = socket.recv_some();
    if (more.empty()) return false;
    unread += more;
  }
  line = unread.substr(0, end);
  unread.erase(0, end + 1);
  return true;
}

std::string answer_to(const std::string& line, const std::string& name) {
  if (line == "PING") return "PONG\n";
  if (line == "IS_TLS") return "false\n";
  if (line == "TEST") return nlohmann::json{{"service", name}, {"isTLS", false}}.dump() + "\n";
  return "";
}

void expect(const std::string& what, const std::string& wanted, const std::string& got) {
  if (got != wanted) throw Failure(what + ": '" + got + "' instead of '" + wanted + "'");
}

}  // namespace

TcpBackend::Script echo_server(const std::string& name) {
  return [name](Socket& socket) {
    socket.send(std::string(kBanner) + "\n");
    std::string unread;
    std::string line;
    while (read_line(socket, unread, line)) socket.send(answer_to(line, name));
    socket.finish();
  };
}

EchoClient::EchoClient(const net::Address& address) : socket_(Socket::connect(address)) {
  std::string banner;
  read_line(socket_, unread_, banner);
  expect("banner", kBanner, banner);
}

std::string EchoClient::ask(const std::string& line) {
  socket_.send(line + "\n");
  std::string answer;
  if (!read_line(socket_, unread_, answer)) throw Failure("FIN in place of an answer to " + line);
  return answer;
}

std::string EchoClient::ask_name() {
  return nlohmann::json::parse(ask("TEST")).at("service").get<std::string>();
}

std::string EchoClient::ask_everything() {
  expect("PING", "PONG", ask("PING"));
  expect("IS_TLS", "false", ask("IS_TLS"));
  return ask_name();
}

std::string reached(const net::Address& address) { return EchoClient(address).ask_everything(); }

}  // namespace lb::test
