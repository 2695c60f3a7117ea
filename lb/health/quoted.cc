#include "lb/health/quoted.h"

#include "fmt/format.h"

namespace lb::health {
namespace {

void append(std::string& out, unsigned char byte) {
  switch (byte) {
    case '\r':
      out += "\\r";
      return;
    case '\n':
      out += "\\n";
      return;
    case '"':
    case '\\':
      out += '\\';
      break;
    default:
      break;
  }
  if (byte >= 0x20 && byte < 0x7f) {
    out += static_cast<char>(byte);
  } else {
    out += fmt::format("\\x{:02x}", byte);
  }
}

}  // namespace

std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  for (const char byte : bytes.substr(0, kMaxQuotedBytes)) {
    append(out, static_cast<unsigned char>(byte));
  }
  out += '"';
  if (bytes.size() > kMaxQuotedBytes) out += "...";
  return out;
}

}  // namespace lb::health
