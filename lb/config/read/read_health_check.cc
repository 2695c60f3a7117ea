#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr int64_t kMinIntervalMs = 10;
constexpr int64_t kMinTimeoutMs = 1;
constexpr int64_t kMaxThreshold = 1000;
constexpr int64_t kPercent = 100;
constexpr Count kStatuses{1, 16};
constexpr Count kProtocols{0, 16};
constexpr int64_t kFirstStatus = 100;
constexpr int64_t kLastStatus = 599;

// "None" undoes what [defaults.service] says.
constexpr std::array<Choice<std::optional<CheckType>>, 4> kCheckTypes = {
    {{"TCP", CheckType::kTCP},
     {"HTTP", CheckType::kHTTP},
     {"TLS", CheckType::kTLS},
     {"None", std::nullopt}}};

constexpr std::array<Choice<InitialHealth>, 2> kInitialStates = {
    {{"Unhealthy", InitialHealth::kUnhealthy}, {"Healthy", InitialHealth::kHealthy}}};

std::optional<uint16_t> parse_status(std::string_view text) {
  uint16_t status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return status;
}

// "200-299" or "204".
std::optional<StatusRange> parse_statuses(std::string_view text) {
  const size_t dash = text.find('-');
  const std::optional<uint16_t> first = parse_status(text.substr(0, dash));
  const std::optional<uint16_t> last =
      dash == std::string_view::npos ? first : parse_status(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  return StatusRange{*first, *last};
}

// As the reader of statuses needs it: nothing for what is neither an integer nor a string.
std::optional<std::string> text_of(const TOMLValue& value) {
  if (const int64_t* number = std::get_if<int64_t>(&value.data)) return std::to_string(*number);
  if (const std::string* text = std::get_if<std::string>(&value.data)) return *text;
  return std::nullopt;
}

void read_statuses(Reader& reader, std::vector<StatusRange>& expected) {
  constexpr std::string_view kKey = "expectedStatuses";
  if (reader.has(kKey)) expected.clear();
  const auto add = [&](std::optional<StatusRange> range, SourcePosition where) {
    if (range && range->first >= kFirstStatus && range->last <= kLastStatus &&
        range->first <= range->last) {
      expected.push_back(*range);
      return;
    }
    reader.faults().error(FaultCode::kOutOfRange, where,
                          fmt::format("every entry of {} must be a status such as 200 or a range "
                                      "such as \"200-299\", within {}..{}",
                                      kKey, kFirstStatus, kLastStatus));
  };
  reader.each_either(
      kKey, kStatuses, "an integer, a range such as \"200-299\", or a table with start and end",
      [&](const TOMLValue& value) {
        const std::optional<std::string> text = text_of(value);
        if (text) add(parse_statuses(*text), value.where);
        return text.has_value();
      },
      [&](Reader& table) {
        StatusRange range;
        const size_t errors_before = table.faults().errors();
        table.integer("start", kFirstStatus, kLastStatus, range.first, Need::kRequired);
        table.integer("end", kFirstStatus, kLastStatus, range.last, Need::kRequired);
        if (table.faults().errors() == errors_before) add(range, table.where());
      });
}

void read_protocols(Reader& reader, std::vector<std::string>& alpn) {
  if (reader.has("alpn")) alpn.clear();
  std::vector<PlacedText> protocols;
  reader.texts("alpn", NameRule::kALPN, kProtocols, protocols);
  for (PlacedText& protocol : protocols) alpn.push_back(std::move(protocol.text));
}

void read_types(Reader& reader, ActiveCheck& check) {
  reader.table("tcp", [&](Reader& tcp) {
    read_payload(tcp, "send", check.tcp.send);
    read_payloads(tcp, "receive", check.tcp.receive);
  });
  reader.table("http", [&](Reader& http) {
    http.text("path", NameRule::kURLPath, check.http.path);
    http.text("host", NameRule::kURLHost, check.http.host);
    read_statuses(http, check.http.expected);
  });
  reader.table("tls", [&](Reader& tls) {
    tls.text("serverName", NameRule::kServerName, check.tls.server_name);
    read_protocols(tls, check.tls.alpn);
  });
}

bool has_only_paths(const Service& service) {
  return !service.endpoints.empty() && service.endpoints_file.path.empty() &&
         std::all_of(service.endpoints.begin(), service.endpoints.end(),
                     [](const Endpoint& endpoint) { return !endpoint.path.empty(); });
}

void advise_on_active(Reader& reader, std::optional<CheckType> type, const ActiveCheck& check,
                      const Service& service) {
  const auto only_with = [&](std::string_view key, CheckType of_key, std::string_view name) {
    if (type == of_key) return;
    reader.warn_at(key, FaultCode::kNoEffect, fmt::format("has no effect but with type {}", name));
  };
  only_with("tcp", CheckType::kTCP, "TCP");
  only_with("http", CheckType::kHTTP, "HTTP");
  only_with("tls", CheckType::kTLS, "TLS");
  if (type && has_only_paths(service)) {
    reader.warn_at("port", FaultCode::kNoEffect, "has no effect on unix sockets");
  }
  if (!type || check.timeout_ms <= check.interval_ms) return;
  if (reader.has("timeout")) {
    reader.warn_at("timeout", FaultCode::kDoubtful, "is longer than the interval");
  } else {
    reader.warn_at("interval", FaultCode::kDoubtful, "is shorter than the timeout");
  }
}

void read_active_check(Reader& reader, const Service* service, std::optional<ActiveCheck>& out) {
  ActiveCheck check = out.value_or(ActiveCheck());
  std::optional<CheckType> type = check.type;
  reader.choice("type", kCheckTypes, type);
  reader.duration("interval", check.interval_ms, kMinIntervalMs);
  reader.duration("timeout", check.timeout_ms, kMinTimeoutMs);
  reader.integer("unhealthyThreshold", 1, kMaxThreshold, check.unhealthy_threshold);
  reader.integer("healthyThreshold", 1, kMaxThreshold, check.healthy_threshold);
  reader.port("port", check.port);
  reader.choice("initialState", kInitialStates, check.initial);
  read_types(reader, check);
  if (service != nullptr) advise_on_active(reader, type, check, *service);
  out.reset();
  if (!type) return;
  check.type = *type;
  out = std::move(check);
}

void read_passive_check(Reader& reader, PassiveCheck& check) {
  reader.integer("consecutiveConnectFailures", 0, kMaxThreshold,
                 check.consecutive_connect_failures);
  reader.duration("baseEjectionTime", check.base_ejection_ms, kMinTimeoutMs);
  reader.duration("maxEjectionTime", check.max_ejection_ms, kMinTimeoutMs);
  reader.integer("maxEjectionPercent", 0, kPercent, check.max_ejection_percent);
  if (check.max_ejection_ms >= check.base_ejection_ms) return;
  reader.fault_at("maxEjectionTime", FaultCode::kOutOfRange,
                  "must be at least as long as baseEjectionTime");
  check.max_ejection_ms = check.base_ejection_ms;  // where only the default is below it
}

}  // namespace

void read_health_check(Reader& reader, const Service* service, ServicePolicy& policy) {
  reader.table("healthCheck", [&](Reader& health) {
    health.table("active",
                 [&](Reader& active) { read_active_check(active, service, policy.active_check); });
    health.table("passive",
                 [&](Reader& passive) { read_passive_check(passive, policy.passive_check); });
    health.integer("panicThreshold", 0, kPercent, policy.panic_threshold_percent);
  });
}

}  // namespace lb::config
