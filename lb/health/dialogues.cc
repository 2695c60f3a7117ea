#include "lb/health/dialogues.h"

#include <string>

#include "lb/health/http_dialogue.h"
#include "lb/health/tcp_dialogue.h"

namespace lb::health {
namespace {

constexpr uint16_t kHTTPPort = 80;

// As in a URL: without the port when it is HTTP's own (RFC 9110 section 7.2).
std::string host_of(const net::Address& address) {
  if (!address.is_ip()) return "localhost";
  const std::string text = address.to_string();
  return address.port() == kHTTPPort ? text.substr(0, text.rfind(':')) : text;
}

}  // namespace

std::unique_ptr<Dialogue> Dialogues::make(const config::ActiveCheck& check,
                                          const net::Address& address) {
  switch (check.type) {
    case config::CheckType::kTCP:
      break;
    case config::CheckType::kHTTP:
      return std::make_unique<HTTPDialogue>(check.http, host_of(address));
    case config::CheckType::kTLS:
      if (tls_ == nullptr) tls_ = std::make_unique<TLSContext>();
      return std::make_unique<TLSDialogue>(*tls_, check.tls);
  }
  return std::make_unique<TCPDialogue>(check.tcp);
}

}  // namespace lb::health
