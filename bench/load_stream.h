// The workload that moves bulk: flows that send, receive or both, as fast as they can.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/dial.h"
#include "bench/error_counts.h"
#include "bench/load_options.h"
#include "bench/poller.h"

namespace lb::bench {

class StreamLoad {
 public:
  StreamLoad(Poller& poller, const LoadOptions& options, uint32_t flows, ErrorCounts& errors);
  ~StreamLoad();
  StreamLoad(const StreamLoad&) = delete;
  StreamLoad& operator=(const StreamLoad&) = delete;

  // Every flow has passed its check or failed once: what comes down is compared byte by byte;
  // before anything goes up, an upload of known length ends with a FIN, and the backend says what
  // came.
  bool is_prepared() const;
  uint32_t ready() const;

  void begin_recording() { moved_bytes_ = 0; }
  // To be called once per turn: opens broken flows anew, not too often.
  void on_turn(int64_t now_ns);

  // Received by this side, and accepted from it by its kernel.
  uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  struct Flow;

  void open(Flow& flow);
  void fail(Flow& flow, ErrorKind kind);

  Poller& poller_;
  Dialer dialer_;
  const Direction direction_;
  ErrorCounts& errors_;
  std::vector<std::unique_ptr<Flow>> flows_;
  uint64_t moved_bytes_ = 0;
};

}  // namespace lb::bench
