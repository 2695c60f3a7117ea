// The ClientHello of real clients and of hostile ones, however it is cut.
#include "lb/net/client_hello.h"

#include <openssl/ssl.h>

#include <string>
#include <string_view>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/client_hello.h"
#include "test/support/scale.h"

namespace lb::net {
namespace {

using Outcome = HelloReading::Outcome;

HelloReading read(std::string_view stream) {
  return read_client_hello(std::as_bytes(std::span(stream)));
}

std::string number(size_t value, size_t width) {
  std::string text;
  while (width-- > 0) text += static_cast<char>(value >> (8 * width) & 0xff);
  return text;
}

// Behind its size.
std::string sized(std::string_view text, size_t width) {
  return number(text.size(), width) + std::string(text);
}

std::string extension(size_t type, std::string_view content) {
  return number(type, 2) + sized(content, 2);
}

std::string host(std::string_view name) { return number(0, 1) + sized(name, 2); }

std::string server_name(std::string_view names) { return extension(0, sized(names, 2)); }

std::string alpn(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) list += sized(protocol, 1);
  return extension(16, sized(list, 2));
}

const std::string kVersionAndRandom = "\x03\x03" + std::string(32, 'r');
const std::string kBeforeExtensions =
    kVersionAndRandom + sized("", 1) + sized("\x13\x01", 2) + sized(std::string(1, '\0'), 1);

std::string record(std::string_view fragment, std::string_view start = "\x16\x03\x01") {
  return std::string(start) + sized(fragment, 2);
}

std::string message(std::string_view body) { return "\x01" + sized(body, 3); }

// A hello with these extensions.
std::string hello(std::string_view extensions) {
  return record(message(kBeforeExtensions + sized(extensions, 2)));
}

std::string name_in(std::string_view extensions) {
  const HelloReading reading = read(hello(extensions));
  REQUIRE(reading.outcome == Outcome::kFound);
  return reading.hello.server_name;
}

// What a reader does who waits for as much as he is told to, and no more.
HelloReading read_as_told(std::string_view stream, size_t& looks) {
  size_t there = 1;
  for (looks = 1;; ++looks) {
    const HelloReading reading = read(stream.substr(0, there));
    if (reading.outcome != Outcome::kNeedsMore) return reading;
    REQUIRE(reading.needed_bytes > there);
    if (reading.needed_bytes > stream.size()) return reading;
    there = reading.needed_bytes;
  }
}

}  // namespace

TEST_CASE("client hello: what clients of OpenSSL say, in each version of TLS") {
  const int version = GENERATE(TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION);
  const bool has_name = GENERATE(true, false);
  const bool has_protocols = GENERATE(true, false);
  test::HelloOptions options = {.max_version = version};
  if (has_name) options.server_name = "www.example.com";
  if (has_protocols) options.protocols = {"h2", "http/1.1"};
  const HelloReading reading = read(test::make_client_hello(options));
  REQUIRE(reading.outcome == Outcome::kFound);
  CHECK(reading.hello.server_name == options.server_name);
  CHECK(reading.hello.protocols == options.protocols);
}

TEST_CASE("client hello: no prefix of one says more or less than that more is needed") {
  const size_t record_bytes = GENERATE(as<size_t>(), 16384, 100, 1);
  const std::string whole =
      test::make_client_hello({.server_name = "a.example", .protocols = {"h2"}});
  const std::string stream = test::in_records(whole, record_bytes);
  for (size_t there = 0; there < stream.size(); ++there) {
    const HelloReading reading = read(std::string_view(stream).substr(0, there));
    INFO(there << " of " << stream.size());
    REQUIRE(reading.outcome == Outcome::kNeedsMore);
    REQUIRE(reading.needed_bytes > there);
    REQUIRE(reading.needed_bytes <= stream.size());
    REQUIRE(reading.hello.server_name.empty());
  }
  for (const std::string_view behind : {"", "\x16", "anything"}) {
    const HelloReading reading = read(stream + std::string(behind));
    REQUIRE(reading.outcome == Outcome::kFound);
    CHECK(reading.hello.server_name == "a.example");
    CHECK(reading.hello.protocols == std::vector<std::string>{"h2"});
  }
}

TEST_CASE("client hello: cut into two records at every place") {
  const std::string whole =
      test::make_client_hello({.server_name = "b.example", .protocols = {"x", "h2"}});
  const std::string body = whole.substr(5);
  for (size_t at = 1; at < body.size(); ++at) {
    const HelloReading reading = read(record(body.substr(0, at)) + record(body.substr(at)));
    REQUIRE(reading.outcome == Outcome::kFound);
    REQUIRE(reading.hello.server_name == "b.example");
    REQUIRE(reading.hello.protocols == std::vector<std::string>{"x", "h2"});
  }
}

TEST_CASE("client hello: who waits for what is needed looks a few times only") {
  size_t looks = 0;
  const std::string whole = test::make_client_hello({.server_name = "a.b"});
  CHECK(read_as_told(whole, looks).outcome == Outcome::kFound);
  CHECK(looks <= 3);
  // Records of one byte are the worst: each look finds a sixth of what is missing, of 50 KB at most
  // until it is clear that all of it is too long.
  const std::string big = test::make_client_hello({.server_name = "a.b", .extra_bytes = 9'000});
  const std::string slow = test::in_records(big, 1);
  REQUIRE(slow.size() < kMaxHelloBytes);
  CHECK(read_as_told(slow, looks).outcome == Outcome::kFound);
  CHECK(looks <= 60);
}

TEST_CASE("client hello: as big as it may be, and a byte more") {
  size_t looks = 0;
  const std::string big =
      test::make_client_hello({.server_name = "big.example", .extra_bytes = 60'000});
  REQUIRE(big.size() > 60'000);
  CHECK(read_as_told(big, looks).hello.server_name == "big.example");
  CHECK(looks <= 6);
  const size_t rest = kMaxHelloBytes - big.size();
  const std::string biggest =
      test::make_client_hello({.server_name = "big.example", .extra_bytes = 60'000 + rest});
  REQUIRE(biggest.size() == kMaxHelloBytes);
  CHECK(read(biggest).outcome == Outcome::kFound);
  CHECK(read(biggest + "more").outcome == Outcome::kFound);
  const std::string too_big =
      test::make_client_hello({.server_name = "big.example", .extra_bytes = 60'001 + rest});
  CHECK(read(too_big).outcome == Outcome::kNone);
  // It is told as soon as its size is.
  CHECK(read(too_big.substr(0, 9)).outcome == Outcome::kNone);
  CHECK(read(std::string(100'000, '\x16')).outcome == Outcome::kNone);
}

TEST_CASE("client hello: the first bytes that cannot be one are the end") {
  for (const std::string_view first : {"G", "\x15\x03\x03", "\x17", "\x80\x2e\x01", "\n", "S"}) {
    CHECK(read(first.substr(0, 1)).outcome == Outcome::kNone);
  }
  CHECK(read("").outcome == Outcome::kNeedsMore);
  CHECK(read("\x16").outcome == Outcome::kNeedsMore);
  CHECK(read("\x16\x02").outcome == Outcome::kNone);
  for (const char minor : {'\0', '\1', '\2', '\3', '\4'}) {
    CHECK(read("\x16\x03" + std::string(1, minor)).outcome == Outcome::kNeedsMore);
  }
  CHECK(read("\x16\x03\x05").outcome == Outcome::kNone);
  CHECK(read("\x16\x03\x01\x41").outcome == Outcome::kNone);  // a record may have 16 KiB
  CHECK(read("\x16\x03\x01\x40" + std::string(1, '\1')).outcome == Outcome::kNone);
  CHECK(read("\x16\x03\x01\x40" + std::string(1, '\0')).outcome == Outcome::kNeedsMore);
  CHECK(read("\x16\x03\x01" + std::string(2, '\0')).outcome == Outcome::kNone);
  CHECK(read(record("\x02")).outcome == Outcome::kNone);  // a ServerHello
  CHECK(read("\x16\x03\x01\x02" + std::string(1, '\0') + "\x02").outcome == Outcome::kNone);
  CHECK(read(record("\x01") + "\x17").outcome == Outcome::kNone);  // no records in between
}

TEST_CASE("client hello: a length that cannot be is seen without what should follow it") {
  const auto cut = [](std::string_view body, size_t declared_bytes) {
    return read(record("\x01" + number(declared_bytes, 3) + std::string(body))).outcome;
  };
  const std::string suites = kVersionAndRandom + sized("", 1) + sized("\x13\x01", 2);
  CHECK(cut("", 40'000) == Outcome::kNeedsMore);
  CHECK(cut("", 41) == Outcome::kNeedsMore);
  CHECK(cut("", 40) == Outcome::kNone);          // shorter than any
  CHECK(cut("", 16'000'000) == Outcome::kNone);  // longer than any
  CHECK(cut("\x02", 400) == Outcome::kNeedsMore);
  CHECK(cut("\x02\x03", 400) == Outcome::kNone);                       // its version
  CHECK(cut(kVersionAndRandom + "\x20", 400) == Outcome::kNeedsMore);  // its session id
  CHECK(cut(kVersionAndRandom + "\x21", 400) == Outcome::kNone);
  CHECK(cut(kVersionAndRandom + number(0, 3), 400) == Outcome::kNone);  // no cipher suites
  CHECK(cut(kVersionAndRandom + number(3, 3), 400) == Outcome::kNone);  // one and a half
  CHECK(cut(kVersionAndRandom + number(402, 3), 400) == Outcome::kNone);
  CHECK(cut(suites + number(0, 1), 400) == Outcome::kNone);  // no compression
  const std::string before = kBeforeExtensions;
  CHECK(cut(before + number(400, 2), before.size() + 402) == Outcome::kNeedsMore);
  CHECK(cut(before + number(400, 2), before.size() + 401) == Outcome::kNone);
  CHECK(cut(before + number(400, 2), before.size() + 403) == Outcome::kNone);
  const auto extended = [&](std::string_view extensions) {
    return cut(before + number(400, 2) + std::string(extensions), before.size() + 402);
  };
  CHECK(extended(number(5, 2) + number(396, 2)) == Outcome::kNeedsMore);
  CHECK(extended(number(5, 2) + number(397, 2)) == Outcome::kNone);
  CHECK(extended(number(0, 2) + number(20, 2) + number(18, 2)) == Outcome::kNeedsMore);
  CHECK(extended(number(0, 2) + number(20, 2) + number(19, 2)) == Outcome::kNone);
  CHECK(extended(number(0, 2) + number(20, 2) + number(17, 2)) == Outcome::kNone);
  CHECK(extended(number(0, 2) + number(20, 2) + number(18, 2) + number(16, 3)) == Outcome::kNone);
  CHECK(extended(number(16, 2) + number(20, 2) + number(18, 2) + number(18, 1)) == Outcome::kNone);
}

TEST_CASE("client hello: extensions that are missing, empty, doubled or none of ours") {
  CHECK(read(record(message(kBeforeExtensions))).outcome == Outcome::kFound);
  CHECK(read(hello("")).outcome == Outcome::kFound);
  const std::string grease = extension(0x0a0a, "") + extension(0xfafa, std::string(1, '\0'));
  CHECK(name_in(grease + server_name(host("a")) + grease) == "a");
  for (const std::string& bad :
       {extension(0, ""), extension(0, number(0, 2)), extension(16, ""),
        extension(16, number(0, 2)), extension(16, sized(number(0, 1), 2)), server_name(host("")),
        server_name(host("a") + host("b")), server_name(host("a")) + server_name(host("b")),
        alpn({"a"}) + alpn({"b"}), extension(0, sized(host("a"), 2) + "x"),
        extension(16, sized(sized("a", 1), 2) + "x")}) {
    CHECK(read(hello(bad)).outcome == Outcome::kNone);
  }
  // Another kind of name, which RFC 6066 leaves room for.
  CHECK(name_in(server_name("\x01" + sized("?", 2) + host("a.example"))) == "a.example");
  CHECK(name_in(server_name("\x01" + sized("?", 2))).empty());
}

TEST_CASE("client hello: a server name has what names have, or is none") {
  CHECK(name_in(server_name(host("xn--bcher-kva.Example-1.org."))) ==
        "xn--bcher-kva.Example-1.org.");
  CHECK(name_in(server_name(host("_dmarc.127.0.0.1"))) == "_dmarc.127.0.0.1");
  CHECK(name_in(server_name(host(std::string(255, 'a')))) == std::string(255, 'a'));
  CHECK(name_in(server_name(host(std::string(256, 'a')))).empty());
  CHECK(name_in(server_name(host(std::string(16'000, 'a')))).empty());
  for (int c = 0; c < 256; ++c) {
    const auto byte = static_cast<char>(c);
    const std::string name = std::string("a") + byte + "b";
    const bool is_fit = (c < 128 && std::isalnum(c) != 0) || c == '-' || c == '.' || c == '_';
    INFO(c);
    REQUIRE(name_in(server_name(host(name))) == (is_fit ? name : ""));
  }
  // The rest of the hello is not the worse for it.
  CHECK(read(hello(server_name(host("a\r\nb")) + alpn({"h2"}))).hello.protocols ==
        std::vector<std::string>{"h2"});
}

TEST_CASE("client hello: the protocols are in order, without those that mean nothing") {
  const auto protocols = [](const std::vector<std::string>& offered) {
    const HelloReading reading = read(hello(alpn(offered)));
    REQUIRE(reading.outcome == Outcome::kFound);
    return reading.hello.protocols;
  };
  CHECK(protocols({"http/1.1", "h2"}) == std::vector<std::string>{"http/1.1", "h2"});
  CHECK(protocols({"\x0a\x0a", "h2", "xx", "jj"}) == std::vector<std::string>{"h2", "xx"});
  CHECK(protocols({std::string("h2\0x", 4), "a\r\nb", "\x1b[0m", "\xff", "a b"}).empty());
  CHECK(protocols({std::string(255, 'p')}) == std::vector<std::string>{std::string(255, 'p')});
  CHECK(protocols(std::vector<std::string>(3'000, "h2")).size() == 3'000);
}

TEST_CASE("client hello: whatever is done to one, what comes out is fit to be written down") {
  util::Random random(test::test_seed());
  const std::string whole =
      test::make_client_hello({.server_name = "fuzz.example", .protocols = {"h2", "http/1.1"}});
  size_t found = 0;
  for (uint64_t i = 0; i < test::scaled(100'000, 5'000); ++i) {
    std::string stream = random.one_in(2) ? whole : test::in_records(whole, 1 + random.below(99));
    for (uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
      const size_t at = random.below(stream.size());
      stream[at] = static_cast<char>(random.below(256));
      if (random.one_in(20)) stream.resize(at + 1);
    }
    const HelloReading reading = read(stream);
    if (reading.outcome == Outcome::kNeedsMore) REQUIRE(reading.needed_bytes > stream.size());
    if (reading.outcome != Outcome::kFound) continue;
    ++found;
    for (const char c : reading.hello.server_name) REQUIRE((c > 0x20 && c < 0x7f));
    for (const std::string& protocol : reading.hello.protocols) {
      REQUIRE((!protocol.empty() && protocol.size() <= 255));
      for (const char c : protocol) REQUIRE((c > 0x20 && c < 0x7f));
    }
  }
  CHECK(found > 0);
}

}  // namespace lb::net
