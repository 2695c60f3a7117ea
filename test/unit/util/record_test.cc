// One line of a log: its two forms, its escapes and its bounds.
#include "lb/util/record.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "lb/util/random.h"
#include "test/support/access_record.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::util {
namespace {

using namespace std::string_literals;

// A line with this one field.
std::string line_with(std::string_view value, RecordFormat format) {
  std::string out;
  Record record(out, format);
  record.add("k", value);
  record.finish();
  return out;
}

std::string logfmt(std::string_view value) { return line_with(value, RecordFormat::kLogfmt); }
std::string json(std::string_view value) { return line_with(value, RecordFormat::kJSON); }

std::string time_of(int64_t wall_us) {
  std::string out;
  Record(out, RecordFormat::kLogfmt).add_time("t", wall_us);
  return out;
}

bool is_printable(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string random_bytes(Random& random) {
  std::string out(random.below(40), '\0');
  for (char& c : out) {
    // Half of them are those that could end a value.
    constexpr std::string_view kSharp = "\"\\= \n\r\t\x1b";
    c = random.one_in(2) ? kSharp[random.below(kSharp.size())]
                         : static_cast<char>(random.below(256));
  }
  return out;
}

// What a reader must get back: each byte as the code point of its number.
std::string as_utf8(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("record: fields in their order, in both forms") {
  const auto fill = [](Record& record) {
    record.add_time("ts", 1'700'000'000'123'456);
    record.add("plain", "a/b:c@d,e[f]");
    record.add("empty", "");
    record.add("spaced", "a b");
    record.add_number("n", -42);
    record.finish();
  };
  std::string out = "before\n";
  Record text(out, RecordFormat::kLogfmt);
  fill(text);
  CHECK(out ==
        "before\nts=2023-11-14T22:13:20.123456Z plain=a/b:c@d,e[f] empty= spaced=\"a b\" n=-42\n");
  out.clear();
  Record object(out, RecordFormat::kJSON);
  fill(object);
  CHECK(out ==
        "{\"ts\":\"2023-11-14T22:13:20.123456Z\",\"plain\":\"a/b:c@d,e[f]\",\"empty\":\"\","
        "\"spaced\":\"a b\",\"n\":-42}\n");
}

TEST_CASE("record: times") {
  CHECK(time_of(0) == "t=1970-01-01T00:00:00.000000Z");
  CHECK(time_of(1) == "t=1970-01-01T00:00:00.000001Z");
  CHECK(time_of(951'782'399'999'999) == "t=2000-02-28T23:59:59.999999Z");
  CHECK(time_of(951'782'400'000'000) == "t=2000-02-29T00:00:00.000000Z");
  CHECK(time_of(253'402'300'799'000'000) == "t=9999-12-31T23:59:59.000000Z");
}

TEST_CASE("record: numbers to the edges") {
  std::string out;
  Record record(out, RecordFormat::kLogfmt);
  record.add_number("a", INT64_MIN);
  record.add_number("b", INT64_MAX);
  CHECK(out == "a=-9223372036854775808 b=9223372036854775807");
}

TEST_CASE("record: what is quoted and what is escaped") {
  CHECK(logfmt("a") == "k=a\n");
  CHECK(logfmt("a=b") == "k=\"a=b\"\n");
  CHECK(logfmt("a\"b") == "k=\"a\\\"b\"\n");
  CHECK(logfmt("a\\b") == "k=\"a\\\\b\"\n");
  CHECK(logfmt("a\nb\r") == "k=\"a\\u000ab\\u000d\"\n");
  CHECK(logfmt("\x1b[0m") == "k=\"\\u001b[0m\"\n");
  CHECK(logfmt("\0"s) == "k=\"\\u0000\"\n");
  CHECK(logfmt("\x7f\xff") == "k=\"\\u007f\\u00ff\"\n");
  CHECK(json("a=b") == "{\"k\":\"a=b\"}\n");
  CHECK(json("\t\"\\") == "{\"k\":\"\\u0009\\\"\\\\\"}\n");
}

TEST_CASE("record: long values are cut before they are escaped") {
  CHECK(logfmt(std::string(1024, 'x')) == "k=" + std::string(1024, 'x') + "\n");
  CHECK(logfmt(std::string(1025, 'x')) == "k=" + std::string(1024, 'x') + "\n");
  std::string escaped;
  for (int i = 0; i < 1024; ++i) escaped += "\\u000a";
  CHECK(logfmt(std::string(65536, '\n')) == "k=\"" + escaped + "\"\n");
}

TEST_CASE("record: any bytes make one printable line that a reader takes apart again") {
  const uint64_t seed = test::test_seed();
  Random random(seed);
  for (uint64_t round = test::scaled(20'000, 2000); round > 0; --round) {
    const std::string a = random_bytes(random);
    const std::string b = random_bytes(random);
    INFO("SLUICE_SEED=" << seed);
    std::string text;
    std::string object;
    for (const auto& [out, format] :
         {std::pair(&text, RecordFormat::kLogfmt), std::pair(&object, RecordFormat::kJSON)}) {
      Record record(*out, format);
      record.add("a", a);
      record.add("b", b);
      record.finish();
      REQUIRE(out->back() == '\n');
      out->pop_back();
      REQUIRE(is_printable(*out));
    }
    const auto fields = test::parse_logfmt(text);
    REQUIRE(fields);
    REQUIRE(fields->size() == 2);
    const nlohmann::json parsed = nlohmann::json::parse(object);
    REQUIRE(parsed.size() == 2);
    REQUIRE(parsed["a"] == as_utf8(a));
    REQUIRE(parsed["b"] == as_utf8(b));
  }
}

}  // namespace lb::util
