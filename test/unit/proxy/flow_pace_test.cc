// When a flow becomes a stream, and when it is a chat again.
#include "lb/proxy/flow_pace.h"

#include <cstdint>
#include <initializer_list>

#include "test/support/catch.h"

namespace lb::proxy {
namespace {

constexpr uint32_t kMost = 65536;
constexpr uint32_t kFull = FlowPace::kStreamBytes;
constexpr uint32_t kShort = FlowPace::kCalmBytes - 1;

// The pace after receives of these sizes.
FlowPace pace_after(std::initializer_list<uint32_t> sizes, uint32_t most_bytes = kMost) {
  FlowPace pace;
  for (const uint32_t size_bytes : sizes) pace.note_received(size_bytes, most_bytes);
  return pace;
}

FlowPace stream() { return pace_after({kFull, kFull, kFull}); }

}  // namespace

TEST_CASE("flow_pace: a flow chats until three big receives in a row") {
  CHECK_FALSE(FlowPace().is_streaming());
  CHECK_FALSE(pace_after({kFull, kFull}).is_streaming());
  CHECK(pace_after({kFull, kFull, kFull}).is_streaming());
  CHECK_FALSE(pace_after({kFull, kFull, kFull - 1}).is_streaming());
}

TEST_CASE("flow_pace: one lesser receive between two big ones is forgiven, two are not") {
  CHECK(pace_after({kFull, 1, kFull, 1, kFull}).is_streaming());
  CHECK(pace_after({1, kFull, kFull, 1, kFull}).is_streaming());
  CHECK_FALSE(pace_after({kFull, kFull, 1, 1, kFull}).is_streaming());
  CHECK_FALSE(pace_after({kFull, 1, 1, kFull, 1, kFull}).is_streaming());
  CHECK(pace_after({kFull, kFull, 1, 1, kFull, kFull, kFull}).is_streaming());
}

TEST_CASE("flow_pace: a receive that takes all it may is big, however small") {
  CHECK(pace_after({4096, 4096, 4096}, 4096).is_streaming());
  CHECK(pace_after({1, 1, 1}, 1).is_streaming());
  CHECK_FALSE(pace_after({4096, 4096, 4095}, 4096).is_streaming());
  // More than enough is enough.
  CHECK_FALSE(pace_after({kFull - 1, kFull - 1, kFull - 1}, kFull).is_streaming());
  CHECK(pace_after({kFull, kFull, kFull}, kFull + 1).is_streaming());
}

TEST_CASE("flow_pace: a stream calms down with two receives of less than a page in a row") {
  FlowPace pace = stream();
  pace.note_received(kShort, kMost);
  CHECK(pace.is_streaming());
  pace.note_received(kShort + 1, kMost);  // a page is no calm
  pace.note_received(kShort, kMost);
  CHECK(pace.is_streaming());
  pace.note_received(1, kMost);
  CHECK_FALSE(pace.is_streaming());
}

TEST_CASE("flow_pace: what counted for one pace does not count for the next") {
  FlowPace pace = stream();
  // Between the two marks nothing changes, either way.
  for (int i = 0; i < 1000; ++i) pace.note_received(kShort + 1, kMost);
  CHECK(pace.is_streaming());
  for (int i = 0; i < 2; ++i) pace.note_received(1, kMost);
  REQUIRE_FALSE(pace.is_streaming());
  for (int i = 0; i < 1000; ++i) pace.note_received(kFull - 1, kMost);
  CHECK_FALSE(pace.is_streaming());
  for (int i = 0; i < 2; ++i) pace.note_received(kMost, kMost);
  CHECK_FALSE(pace.is_streaming());
  pace.note_received(kMost, kMost);
  CHECK(pace.is_streaming());
  pace.note_received(1, kMost);
  CHECK(pace.is_streaming());
}

}  // namespace lb::proxy
