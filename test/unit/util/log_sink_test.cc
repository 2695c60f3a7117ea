// Where lines go: whole, in order, and never at the cost of who writes them.
#include "lb/util/log_sink.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>
#include <latch>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "test/support/access_record.h"
#include "test/support/catch.h"
#include "test/support/eventually.h"
#include "test/support/scale.h"
#include "test/unit/util/log_lines.h"

namespace lb::util {
namespace {

using std::chrono::milliseconds;
using test::Pipe;

// A line of its own length and content.
std::string numbered(size_t number, size_t size_bytes) {
  std::string line = std::to_string(number) + " ";
  line.append(size_bytes > line.size() ? size_bytes - line.size() : 0,
              static_cast<char>('a' + number % 26));
  return line;
}

// Reads in a thread of its own until the writing end is closed.
std::future<std::string> read_in_background(Pipe& pipe) {
  return std::async(std::launch::async, [&pipe] { return test::read_to_end(pipe.reader.get()); });
}

bool is_full(const Pipe& pipe) {
  pollfd query = {pipe.writer.get(), POLLOUT, 0};
  return ::poll(&query, 1, 0) == 0;
}

// How many lines the log itself says were dropped; the lines of ours in `ours`.
uint64_t admitted(const std::vector<std::string>& lines, std::vector<std::string>& ours) {
  uint64_t count = 0;
  for (const std::string& line : lines) {
    if (line.find("msg=\"log lines dropped\"") == std::string::npos) {
      ours.push_back(line);
      continue;
    }
    const auto fields = test::parse_logfmt(line);
    REQUIRE(fields);
    CHECK(fields->at("level") == "warn");
    CHECK(fields->contains("ts"));
    count += std::stoull(fields->at("lines"));
  }
  return count;
}

// Nobody reads from `pipe`, and the sink's thread is stuck in its first batch.
void get_stuck(LogSink& sink, const Pipe& pipe) {
  sink.write(std::string(200'000, 'x') + "\n");
  REQUIRE(test::eventually([&] { return is_full(pipe); }));
}

// How long the sink's end takes while nobody reads.
milliseconds time_to_end(std::unique_ptr<LogSink> sink) {
  const auto begin = std::chrono::steady_clock::now();
  sink.reset();
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
}

}  // namespace

TEST_CASE("log sink: everything that was written before the end comes out, in order") {
  Pipe pipe;
  std::future<std::string> text = read_in_background(pipe);
  const size_t count = test::scaled(20'000, 2000);
  std::vector<std::string> expected;
  {
    LogSink sink(pipe.writer.get(), RecordFormat::kLogfmt);
    for (size_t i = 0; i < count; ++i) {
      expected.push_back(numbered(i, i % 150));
      sink.write(expected.back() + "\n");
    }
    sink.write("");
    CHECK(sink.dropped_lines() == 0);
  }
  pipe.writer.reset();
  CHECK(test::split_lines(text.get()) == expected);
}

TEST_CASE("log sink: a line does not wait for the next one") {
  Pipe pipe;
  LogSink sink(pipe.writer.get(), RecordFormat::kLogfmt);
  for (int i = 0; i < 20; ++i) {
    sink.write("hello\n");
    char buffer[64];
    pollfd query = {pipe.reader.get(), POLLIN, 0};
    REQUIRE(::poll(&query, 1, 5000) == 1);
    REQUIRE(::read(pipe.reader.get(), buffer, sizeof(buffer)) == 6);
  }
}

TEST_CASE("log sink: lines of concurrent writers stay whole") {
  constexpr size_t kThreads = 8;
  // Less than the sink holds, so that nothing is dropped on a busy machine.
  const size_t count = test::scaled(2500, 500);
  Pipe pipe;
  std::future<std::string> text = read_in_background(pipe);
  {
    LogSink sink(pipe.writer.get(), RecordFormat::kLogfmt);
    std::latch begin(kThreads);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        begin.arrive_and_wait();
        for (size_t i = 0; i < count; i += 2) {
          // Two lines at a time stay neighbours.
          sink.write(numbered(i * kThreads + t, i % 300) + "\n" +
                     numbered((i + 1) * kThreads + t, i % 300) + "\n");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(sink.dropped_lines() == 0);
  }
  pipe.writer.reset();
  const std::vector<std::string> lines = test::split_lines(text.get());
  REQUIRE(lines.size() == kThreads * count);
  std::vector<size_t> next(kThreads);
  for (size_t n = 0; n < lines.size(); ++n) {
    const size_t number = std::stoul(lines[n]);
    const size_t thread = number % kThreads;
    const size_t i = next.at(thread)++;
    REQUIRE(number == i * kThreads + thread);
    REQUIRE(lines[n] == numbered(number, (i - i % 2) % 300));
    if (n % 2 == 1) REQUIRE(std::stoul(lines[n - 1]) % kThreads == thread);
  }
}

TEST_CASE("log sink: a writer never waits for a reader, and what is dropped is admitted") {
  Pipe pipe;
  auto sink = std::make_unique<LogSink>(pipe.writer.get(), RecordFormat::kLogfmt);
  get_stuck(*sink, pipe);
  // Two lines at a time, so that lines are counted and not writes.
  const std::string pair = numbered(1, 999) + "\n" + numbered(2, 999) + "\n";
  const size_t pairs = 2 * LogSink::kMaxPendingBytes / pair.size();
  for (size_t i = 0; i < pairs; ++i) sink->write(pair);
  const uint64_t dropped = sink->dropped_lines();
  const uint64_t kept = 2 * (LogSink::kMaxPendingBytes / pair.size());
  CHECK(dropped == 2 * pairs - kept);

  std::future<std::string> text = read_in_background(pipe);
  sink.reset();
  pipe.writer.reset();
  std::vector<std::string> ours;
  CHECK(admitted(test::split_lines(text.get()), ours) == dropped);
  CHECK(ours.size() == kept + 1);
}

TEST_CASE("log sink: a loss is admitted where it happened, and once") {
  Pipe pipe;
  auto sink = std::make_unique<LogSink>(pipe.writer.get(), RecordFormat::kLogfmt);
  get_stuck(*sink, pipe);
  sink->write(std::string(LogSink::kMaxPendingBytes - 1, 'y') + "\n");
  for (int i = 0; i < 7; ++i) sink->write("lost\n");
  CHECK(sink->dropped_lines() == 7);

  std::future<std::string> text = read_in_background(pipe);
  REQUIRE(test::eventually([&] {
    const uint64_t before = sink->dropped_lines();
    sink->write("after\n");
    return sink->dropped_lines() == before;
  }));
  const uint64_t dropped = sink->dropped_lines();
  sink.reset();
  pipe.writer.reset();
  const std::vector<std::string> lines = test::split_lines(text.get());
  REQUIRE(lines.size() >= 4);
  CHECK(lines[0][0] == 'x');
  CHECK(lines[1][0] == 'y');
  CHECK(lines[2].find("msg=\"log lines dropped\"") != std::string::npos);
  CHECK(lines.back() == "after");
  std::vector<std::string> ours;
  CHECK(admitted(lines, ours) == dropped);
  CHECK(ours.size() == 3);
}

TEST_CASE("log sink: what is too large at once is admitted, too") {
  Pipe pipe;
  std::future<std::string> text = read_in_background(pipe);
  {
    // The records of very many connections that end in one turn, say.
    std::string lines;
    while (lines.size() <= LogSink::kMaxPendingBytes) lines += numbered(3, 399) + "\n";
    LogSink sink(pipe.writer.get(), RecordFormat::kLogfmt);
    sink.write(lines);
    CHECK(sink.dropped_lines() ==
          static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n')));
  }
  pipe.writer.reset();
  std::vector<std::string> ours;
  CHECK(admitted(test::split_lines(text.get()), ours) > 10'000);
}

TEST_CASE("log sink: a loss in a JSON log is admitted in JSON") {
  Pipe pipe;
  std::future<std::string> text = read_in_background(pipe);
  {
    LogSink sink(pipe.writer.get(), RecordFormat::kJSON);
    sink.write(std::string(LogSink::kMaxPendingBytes, 'x') + "\n");
  }
  pipe.writer.reset();
  const std::vector<std::string> lines = test::split_lines(text.get());
  REQUIRE(lines.size() == 1);
  const nlohmann::json json = nlohmann::json::parse(lines[0]);
  CHECK(json["msg"] == "log lines dropped");
  CHECK(json["lines"] == 1);
}

TEST_CASE("log sink: the end does not wait for ever for a reader that does not read") {
  Pipe pipe;
  auto sink = std::make_unique<LogSink>(pipe.writer.get(), RecordFormat::kLogfmt);
  get_stuck(*sink, pipe);
  const bool more = GENERATE(false, true);
  INFO("more lines behind those that are being written: " << more);
  if (more) sink->write("one more\n");
  const milliseconds took = time_to_end(std::move(sink));
  CHECK(took >= milliseconds(500));
  CHECK(took <= test::patience(milliseconds(1500)));
}

TEST_CASE("log sink: a reader that goes away stops nobody") {
  REQUIRE(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  Pipe pipe;
  auto sink = std::make_unique<LogSink>(pipe.writer.get(), RecordFormat::kLogfmt);
  pipe.reader.reset();
  for (int i = 0; i < 1000; ++i) sink->write(numbered(1, 99) + "\n");
  CHECK(test::eventually([&] { return sink->dropped_lines() == 1000; }));
  CHECK(time_to_end(std::move(sink)) < test::patience(milliseconds(500)));
}

TEST_CASE("log sink: another file takes over with whole lines, and the first one is let go") {
  Pipe first;
  Pipe second;
  {
    LogSink sink(first.writer.get(), RecordFormat::kLogfmt);
    // More than the pipe takes: the sink is in the middle of it when the other file comes.
    const std::string long_line = numbered(0, 200'000) + "\n";
    sink.write(long_line);
    REQUIRE(test::eventually([&] { return is_full(first); }));
    sink.replace_file(second.writer.release());
    sink.write("after\n");
    // To its end, since nobody holds the first file any more but the sink.
    CHECK(test::read_to_end(first.reader.get()) == long_line);
  }
  first.writer.reset();
  CHECK(test::read_to_end(second.reader.get()) == "after\n");
}

TEST_CASE("log sink: the last of several files takes over, also when nothing is written") {
  Pipe first;
  Pipe second;
  Pipe third;
  {
    LogSink sink(first.writer.get(), RecordFormat::kLogfmt);
    sink.replace_file(second.writer.release());
    sink.replace_file(third.writer.release());
    CHECK(test::read_to_end(first.reader.get()).empty());
    CHECK(test::read_to_end(second.reader.get()).empty());
    sink.write("here\n");
  }
  first.writer.reset();
  CHECK(test::read_to_end(third.reader.get()) == "here\n");
}

}  // namespace lb::util
