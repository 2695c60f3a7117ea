// Whether a flow chats or streams, told by the sizes of what it receives. A stream is cheaper
// through a pipe, a chat through a buffer: a pipe costs two more system calls for a message.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lb::proxy {

class FlowPace {
 public:
  // Receives of so much, so many with at most one lesser between two of them, make a stream: a
  // write that is a little more than a segment comes as a big receive and a small one.
  static constexpr uint32_t kStreamBytes = 16384;
  static constexpr uint8_t kReceivesToStream = 3;
  // A stream calms down when it gives less than this, twice in a row: for less than a page the
  // kernel copies anyway.
  static constexpr uint32_t kCalmBytes = 4096;
  static constexpr uint8_t kReceivesToCalm = 2;

  // `most_bytes` is what the receive could have taken: one that is full counts, however small.
  void note_received(uint32_t size_bytes, uint32_t most_bytes) {
    const bool counts =
        is_streaming_ ? size_bytes < kCalmBytes : size_bytes >= std::min(kStreamBytes, most_bytes);
    if (!counts) {
      const bool may_miss = !is_streaming_ && !has_missed_;
      if (!may_miss) in_a_row_ = 0;
      has_missed_ = true;
      return;
    }
    has_missed_ = false;
    ++in_a_row_;
    if (in_a_row_ < (is_streaming_ ? kReceivesToCalm : kReceivesToStream)) return;
    is_streaming_ = !is_streaming_;
    in_a_row_ = 0;
  }

  bool is_streaming() const { return is_streaming_; }

 private:
  uint8_t in_a_row_ = 0;     // receives that speak for the other pace
  bool has_missed_ = false;  // the last one did not
  bool is_streaming_ = false;
};

}  // namespace lb::proxy
