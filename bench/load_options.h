// What a run of load does, as plain values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "lb/net/address.h"

namespace lb::bench {

enum class Workload {
  kRR,      // ping-pong of one message on each kept connection
  kCRR,     // connect, one exchange, close
  kStream,  // bulk
  kIdle,    // connections that say nothing after their first exchange
  kMixed    // ping-pong at a fixed rate, and streams beside it
};
enum class Direction { kUp, kDown, kBoth };

struct LoadOptions {
  net::Address target;
  // Source addresses, used in turn; empty = the kernel's choice.
  std::vector<net::Address> sources = {};
  Workload workload = Workload::kRR;
  uint32_t connections = 64;  // for streams: flows
  uint32_t size_bytes = 64;   // of a message, each way
  Direction direction = Direction::kDown;
  uint32_t streams = 4;  // mixed only
  int64_t duration_ms = 5'000;
  int64_t warmup_ms = 500;
  uint64_t count = 0;  // ends the run after so many operations; 0 = only time does
  double rate = 0;  // operations per second, latency from the intended time; 0 = as fast as it goes
  // Looks for events without ever sleeping. Waking a sleeping core costs the one who sends to it,
  // on one machine the proxy, more than the rest of an exchange; to a client elsewhere it would
  // not.
  bool spins = false;
  std::vector<pid_t> pids = {};  // processes to charge, with their children
  // Where the proxy runs: measures in slices, of which those count in which that CPU and this
  // thread's were at `distance_ns` (0 = at that of the beginning). -1 = one slice, which counts.
  int proxy_cpu = -1;
  int64_t distance_ns = 0;
};

}  // namespace lb::bench
