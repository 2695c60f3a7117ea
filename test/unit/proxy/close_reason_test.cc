// The words of the access log and how each end is told: names here are a promise.
#include "lb/proxy/close_reason.h"

#include <string_view>
#include <vector>

#include "test/support/catch.h"

namespace lb::proxy {
namespace {

enum class Told { kFIN, kRST };

struct Expected {
  std::string_view word;
  Told told;
};

// Written down a second time, in the order of the contract. A normal end, a timeout and an age
// limit are FIN; everything that refuses or cuts is RST.
const std::vector<Expected> kExpected = {
    {"client_fin", Told::kFIN},       {"server_fin", Told::kFIN},
    {"client_reset", Told::kRST},     {"server_reset", Told::kRST},
    {"connect_refused", Told::kRST},  {"connect_timeout", Told::kRST},
    {"connect_failed", Told::kRST},   {"no_route", Told::kRST},
    {"no_backend", Told::kRST},       {"all_weights_zero", Told::kRST},
    {"idle_timeout", Told::kFIN},     {"half_close_timeout", Told::kFIN},
    {"max_duration", Told::kFIN},     {"limit_process", Told::kRST},
    {"limit_listener", Told::kRST},   {"limit_source", Told::kRST},
    {"limit_endpoint", Told::kRST},   {"denied", Told::kRST},
    {"proxy_header", Told::kRST},     {"tls_hello", Told::kRST},
    {"drained", Told::kRST},          {"killed", Told::kRST},
    {"endpoint_down", Told::kRST},    {"endpoint_removed", Told::kRST},
    {"out_of_resources", Told::kRST}, {"internal_error", Told::kRST},
};

}  // namespace

TEST_CASE("close reasons: the words, their order and their number") {
  std::vector<std::string_view> words;
#define LB_X(name, word, mode) words.push_back(to_string(CloseReason::name));
  LB_CLOSE_REASONS(LB_X)
#undef LB_X
  std::vector<std::string_view> expected;
  for (const Expected& entry : kExpected) expected.push_back(entry.word);
  CHECK(words == expected);
}

TEST_CASE("close reasons: FIN or RST") {
  for (size_t i = 0; i < kExpected.size(); ++i) {
    INFO(kExpected[i].word);
    CHECK(closes_with_reset(static_cast<CloseReason>(i)) == (kExpected[i].told == Told::kRST));
  }
}

TEST_CASE("close reasons: each name has its own word") {
  CHECK(to_string(CloseReason::kClientFin) == "client_fin");
  CHECK(to_string(CloseReason::kServerReset) == "server_reset");
  CHECK(to_string(CloseReason::kConnectTimeout) == "connect_timeout");
  CHECK(to_string(CloseReason::kNoBackend) == "no_backend");
  CHECK(to_string(CloseReason::kLimitProcess) == "limit_process");
  CHECK(to_string(CloseReason::kTLSHello) == "tls_hello");
  CHECK(to_string(CloseReason::kInternalError) == "internal_error");
}

TEST_CASE("close places: their words") {
  CHECK(to_string(ClosePlace::kAccept) == "accept");
  CHECK(to_string(ClosePlace::kConnect) == "connect");
  CHECK(to_string(ClosePlace::kData) == "data");
}

}  // namespace lb::proxy
