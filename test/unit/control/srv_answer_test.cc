// Messages of the DNS with SRV records: sound ones, and anything else.
#include "lb/control/dns/srv_answer.h"

#include <string>
#include <string_view>

#include "lb/util/random.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

using namespace std::string_view_literals;

Answer read(std::string_view message) { return read_srv_answer(std::as_bytes(std::span(message))); }

std::string number16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}

std::string name(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view label = text.substr(0, text.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    text.remove_prefix(std::min(label.size() + 1, text.size()));
  }
  return out + '\0';
}

std::string record(std::string_view owner, size_t type, size_t ttl_s, std::string_view data) {
  return std::string(owner) + number16(type) + number16(1) + number16(0) + number16(ttl_s) +
         number16(data.size()) + std::string(data);
}

std::string service(size_t priority, size_t weight, size_t port, std::string_view target) {
  return number16(priority) + number16(weight) + number16(port) + std::string(target);
}

std::string message(const std::vector<std::string>& records) {
  std::string out = "\x12\x34\x85\x80"sv.data();
  out = std::string("\x12\x34\x85\x80", 4) + number16(1) + number16(records.size()) + number16(0) +
        number16(0) + name("_pg._tcp.x.test") + number16(33) + number16(1);
  for (const std::string& text : records) out += text;
  return out;
}

// The name of the question, and the end of it that begins with "x".
const std::string kOwner = "\xC0\x0C";
const std::string kDomain = number16(0xC000 | (12 + 4 + 5));

TEST_CASE("records are read, with compressed names and the least TTL") {
  const Answer answer =
      read(message({record(kOwner, 5, 90, name("alias.test")),
                    record(name("alias.test"), 33, 60, service(1, 2, 5432, name("a.test"))),
                    record(kOwner, 33, 70,
                           service(0, 0, 1,
                                   "\x01"
                                   "b" +
                                       kDomain))}));
  CHECK(answer.result == LookupResult::kFound);
  CHECK(answer.ttl_ms == 60'000);
  CHECK(answer.services ==
        std::vector<ServiceRecord>{{1, 2, 5432, "a.test"}, {0, 0, 1, "b.x.test"}});
}

TEST_CASE("records without a service behind them are none") {
  const Answer answer = read(message({record(kOwner, 33, 60, service(0, 0, 80, name(""))),
                                      record(kOwner, 33, 60, service(0, 0, 0, name("a.test")))}));
  CHECK(answer.result == LookupResult::kNotFound);
  CHECK(read(message({})).result == LookupResult::kNotFound);
}

TEST_CASE("a broken message is no answer") {
  const std::string good = message({record(kOwner, 33, 60, service(1, 2, 80, name("a.test")))});
  REQUIRE(read(good).result == LookupResult::kFound);
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK(read(std::string_view(good).substr(0, size)).result != LookupResult::kFound);
  }
  // A name that goes round in a circle, and one that is too long for a name.
  const std::string circle = record(kOwner, 33, 60, service(1, 2, 80, ""));
  const size_t at = message({circle}).size();
  CHECK(read(message({circle + number16(0xC000 | at)})).result == LookupResult::kFailed);
  std::string longest;
  for (int i = 0; i < 5; ++i) longest += std::string(60, 'a') + ".";
  CHECK(read(message({record(kOwner, 33, 1, service(1, 2, 80, name(longest)))})).result ==
        LookupResult::kFailed);
  // What would be two lines of a log.
  CHECK(read(message({record(kOwner, 33, 1,
                             service(1, 2, 80,
                                     "\x03"
                                     "a\nb" +
                                         name("")))}))
            .result == LookupResult::kFailed);
}

TEST_CASE("any bytes are read to their end and no further") {
  const uint64_t seed = 20'261;
  INFO("seed " << seed);
  util::Random random(seed);
  const std::string good = message(
      {record(kOwner, 33, 60, service(1, 2, 80, name("a.test"))), record(kOwner, 33, 60,
                                                                         service(1, 2, 80,
                                                                                 "\x01"
                                                                                 "b" +
                                                                                     kDomain))});
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    CHECK(read(bytes).services.size() <= 2);
  }
}

}  // namespace
}  // namespace lb::control
