// The access log's lines: every field in its place, and nothing that a peer sends can forge one.
#include "lb/proxy/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/access_record.h"
#include "test/support/catch.h"
#include "test/support/eventually.h"
#include "test/support/socket.h"
#include "test/support/temp_dir.h"

namespace lb::proxy {
namespace {

using util::RecordFormat;
using Strings = std::vector<std::string>;

// The contract's list, behind the time and the word by which a reader finds these lines.
const Strings kKeys = {"ts",
                       "msg",
                       "id",
                       "gateway",
                       "listener",
                       "route",
                       "service",
                       "endpoint",
                       "client",
                       "local",
                       "upstream_local",
                       "bytes_in",
                       "bytes_out",
                       "connect_ms",
                       "first_byte_ms",
                       "duration_ms",
                       "attempts",
                       "close",
                       "engine",
                       "relay",
                       "rtt_client_us",
                       "rtt_server_us"};

// What the sink has written when everything is flushed.
std::string written(const std::vector<AccessRecord>& records, RecordFormat format) {
  const test::TempDir dir;
  const net::UniqueFd file(open(dir.path("log").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(file.is_open());
  {
    util::LogSink sink(file.get(), util::RecordFormat::kLogfmt);
    AccessLog log(&sink, format);
    REQUIRE(log.is_on());
    for (const AccessRecord& record : records) log.write(record);
    log.flush();
    log.flush();
  }
  std::string text(static_cast<size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  REQUIRE(pread(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

// The only line of it, without its newline.
std::string written_line(const AccessRecord& record, RecordFormat format) {
  const std::string text = written({record}, format);
  REQUIRE(text.ends_with('\n'));
  REQUIRE(std::count(text.begin(), text.end(), '\n') == 1);
  return text.substr(0, text.size() - 1);
}

AccessRecord full_record() {
  AccessRecord record;
  record.id = 0xabc;
  record.gateway = "g";
  record.listener = "l";
  record.route = "east/r";
  record.service = "s";
  record.endpoint = "10.0.0.1:80";
  record.client = test::ip_address("192.0.2.1", 1234);
  record.local = test::ip_address("2001:db8::1", 9000);
  record.upstream_local = test::ip_address("10.0.0.9", 5678);
  record.bytes_in = 1;
  record.bytes_out = 20'000'000'000;
  record.connect_ms = 3;
  record.first_byte_ms = 4;
  record.duration_ms = 5;
  record.attempts = 6;
  record.reason = CloseReason::kServerReset;
  record.place = ClosePlace::kConnect;
  record.engine = "epoll";
  record.relay = "copy";
  record.rtt_client_us = 7;
  record.rtt_server_us = 8;
  return record;
}

// The keys of a logfmt line in their order.
Strings keys_of(std::string_view line) {
  Strings keys;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && line[i] == ' ') {
      begin = i + 1;
    } else if (!quoted && line[i] == '=') {
      keys.emplace_back(line.substr(begin, i - begin));
    }
  }
  return keys;
}

}  // namespace

TEST_CASE("access log: every field in its place, as logfmt") {
  const std::string line = written_line(full_record(), RecordFormat::kLogfmt);
  INFO(line);
  CHECK(keys_of(line) == kKeys);
  CHECK(line.substr(line.find(" msg=")) ==
        " msg=conn id=0000000000000abc gateway=g listener=l route=east/r service=s "
        "endpoint=10.0.0.1:80 client=192.0.2.1:1234 local=[2001:db8::1]:9000 "
        "upstream_local=10.0.0.9:5678 bytes_in=1 bytes_out=20000000000 connect_ms=3 "
        "first_byte_ms=4 duration_ms=5 attempts=6 close=server_reset@connect engine=epoll "
        "relay=copy rtt_client_us=7 rtt_server_us=8");
}

TEST_CASE("access log: every field in its place, as JSON") {
  const std::string line = written_line(full_record(), RecordFormat::kJSON);
  INFO(line);
  const nlohmann::ordered_json json = nlohmann::ordered_json::parse(line);
  Strings keys;
  for (const auto& [key, value] : json.items()) {
    keys.push_back(key);
    CHECK(!value.is_structured());
  }
  CHECK(keys == kKeys);
  CHECK(json["id"] == "0000000000000abc");
  CHECK(json["route"] == "east/r");
  CHECK(json["local"] == "[2001:db8::1]:9000");
  CHECK(json["bytes_out"] == 20'000'000'000);
  CHECK(json["close"] == "server_reset@connect");
  CHECK(json["rtt_server_us"] == 8);
  // Figures are numbers, so that a query can compare them.
  for (const char* key : {"bytes_in", "bytes_out", "connect_ms", "first_byte_ms", "duration_ms",
                          "attempts", "rtt_client_us", "rtt_server_us"}) {
    CHECK(json[key].is_number_integer());
  }
}

TEST_CASE("access log: what is absent is empty or -1") {
  const std::string line = written_line({}, RecordFormat::kLogfmt);
  const auto record = test::AccessRecord::parse(line);
  REQUIRE(record);
  for (const char* key : {"gateway", "listener", "route", "service", "endpoint", "client", "local",
                          "upstream_local", "engine", "relay"}) {
    INFO(key);
    CHECK(record->text(key).empty());
  }
  CHECK(record->number("connect_ms") == -1);
  CHECK(record->number("first_byte_ms") == -1);
  CHECK(record->number("duration_ms") == 0);
  CHECK(keys_of(line) == kKeys);

  const auto json = nlohmann::json::parse(written_line({}, RecordFormat::kJSON));
  CHECK(json["route"] == "");
  CHECK(json["client"] == "");
  CHECK(json["connect_ms"] == -1);
}

TEST_CASE("access log: whatever is in a value, the line is one, printable and bounded") {
  using namespace std::string_literals;
  const std::string hostile = GENERATE(
      "\r\nts=2020-01-01T00:00:00.000000Z msg=conn id=1 close=client_fin@data"s, "\x1b[2J\x1b[31m"s,
      "a\0b"s, "\" close=\"client_fin"s, "\\"s, "\\\" x=\\"s, "a=b c=d"s, "\x7f\x80\xc3\xa9\xff"s,
      std::string(65536, 'x'), std::string(65536, '\n'), std::string(65536, '"'));
  AccessRecord record = full_record();
  record.gateway = record.listener = record.route = record.service = hostile;
  record.endpoint = record.engine = record.relay = hostile;
  const RecordFormat format = GENERATE(RecordFormat::kLogfmt, RecordFormat::kJSON);
  const std::string line = written_line(record, format);
  CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  // Seven values, each byte of them six characters at most.
  CHECK(line.size() < 7 * 6 * util::Record::kMaxValueBytes + 1024);
  if (format == RecordFormat::kLogfmt) {
    CHECK(keys_of(line) == kKeys);
    const auto parsed = test::AccessRecord::parse(line);
    REQUIRE(parsed);
    CHECK(parsed->text("close") == "server_reset@connect");
  } else {
    const auto json = nlohmann::json::parse(line);
    CHECK(json.size() == kKeys.size());
    CHECK(json["close"] == "server_reset@connect");
    CHECK(json["relay"] == json["gateway"]);
  }
}

TEST_CASE("access log: lines leave in their order with flush, and each once") {
  std::vector<AccessRecord> records(100);
  for (size_t i = 0; i < records.size(); ++i) records[i].id = i;
  const std::string text = written(records, RecordFormat::kJSON);
  size_t next = 0;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const auto json = nlohmann::json::parse(text.substr(begin, end - begin));
    REQUIRE(std::stoul(json["id"].get<std::string>(), nullptr, 16) == next++);
    begin = end + 1;
  }
  CHECK(next == records.size());
}

TEST_CASE("access log: a busy turn does not gather lines without bound") {
  const test::TempDir dir;
  const net::UniqueFd file(open(dir.path("log").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(file.is_open());
  util::LogSink sink(file.get(), RecordFormat::kLogfmt);
  AccessLog log(&sink, RecordFormat::kLogfmt);
  for (int i = 0; i < 1000; ++i) log.write(full_record());
  CHECK(test::eventually([&] { return lseek(file.get(), 0, SEEK_END) > 0; }));
  log.flush();
}

TEST_CASE("access log: without a sink it is off") {
  AccessLog log(nullptr, RecordFormat::kLogfmt);
  CHECK(!log.is_on());
  log.write(full_record());
  log.flush();
}

}  // namespace lb::proxy
