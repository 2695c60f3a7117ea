// Any bytes as an endpoints file: no crash, no endless loop; endpoints that a snapshot can take,
// and faults that point into the text and print as text.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/config/read/endpoints_file.h"
#include "lb/net/address.h"
#include "test/fuzz/fuzz_target.h"

namespace lb::fuzz {
namespace {

void check_endpoint(const config::Endpoint& endpoint, size_t lines) {
  require(endpoint.address.empty() != endpoint.path.empty(), "an address or a path");
  const bool is_sound = endpoint.path.empty() ? net::Address::parse(endpoint.address, 1).ok()
                                              : net::Address::from_unix_path(endpoint.path).ok();
  require(is_sound, "an endpoint can be dialled");
  require(endpoint.path.empty() || endpoint.port == 0, "a path has no port");
  require(endpoint.weight <= config::kMaxEndpointWeight, "a weight is within its bounds");
  require(endpoint.where.line >= 1 && endpoint.where.line <= lines, "its line is in the text");
}

}  // namespace

void fuzz_one(const uint8_t* data, size_t size_bytes) {
  const std::string text(reinterpret_cast<const char*>(data), size_bytes);
  const size_t lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  std::vector<config::Endpoint> endpoints;
  config::FaultList list;
  config::parse_endpoints(text, 0, endpoints, list);
  for (const config::Endpoint& endpoint : endpoints) check_endpoint(endpoint, lines);
  require(endpoints.size() + list.total() <= lines, "a line is one endpoint or one fault");
  std::vector<config::Fault> faults = std::move(list).take();
  config::locate(faults, {{"f", text}});
  for (const config::Fault& fault : faults) {
    require(fault.where.line >= 1 && fault.where.line <= lines, "a fault is in a line");
    require(fault.where.column >= 1 && fault.where.column <= size_bytes + 1, "and in a column");
    for (const char c : fault.message + fault.suggestion) {
      require(c >= 0x20 && c < 0x7F, "a fault is printable");
    }
  }
}

}  // namespace lb::fuzz
