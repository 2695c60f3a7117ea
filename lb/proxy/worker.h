// One worker: a thread with an engine, a listening socket per address, and the connections that it
// has accepted or was handed by another (hand_over.h). Nothing of it is shared with another worker
// but the endpoints' counters, the connection budget and the loads. All functions here are for the
// control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "lb/event/engine_factory.h"
#include "lb/net/fd.h"
#include "lb/proxy/router.h"
#include "lb/proxy/snapshot.h"
#include "lb/proxy/stats.h"
#include "lb/proxy/worker_context.h"

namespace lb::proxy {

// The listening sockets of a worker under a snapshot. A socket is known by its address; one that is
// named here without a descriptor is open already and stays open.
struct BoundListener {
  std::string address;
  size_t listener = 0;  // index into Snapshot::listeners
  net::UniqueFd fd;     // only of a new socket
};

class Worker {
 public:
  Worker(uint32_t index, WorkerContext context);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  // Stops at once: connections that are left are reset.
  ~Worker();

  // Starts the thread and its engine; returns when it runs or has failed.
  absl::Status start(event::EngineKind kind, const event::EngineOptions& options);

  // A router of this worker for `snapshot`, with the cursors of the one before it; `seed` is the
  // same for all workers. Introduced to those of the other workers it can be adopted.
  std::shared_ptr<Router> make_router(std::shared_ptr<const Snapshot> snapshot, uint64_t seed);

  // Follows a router's snapshot from now on: opens what is new, keeps what stays, and drains and
  // closes the sockets that are not in `listeners` any more. Connections that are there keep to the
  // snapshot that they began with. `on_done` is called in the worker's thread when all of that has
  // happened. One at a time.
  void adopt(std::shared_ptr<Router> router, std::vector<BoundListener> listeners,
             std::function<void()> on_done);

  // What this worker has counted. Reading is for any thread, looking up for the control thread.
  const WorkerStats& stats() const { return stats_; }
  // CPU time of its thread so far.
  int64_t cpu_ns();

  // Accepts what is queued and no more. `on_drained` is called in the worker's thread when the last
  // connection has ended, unless stop() comes first.
  void drain(std::function<void()> on_drained);

  // Ends the connections to this endpoint that are there now, at random times within `spread_ms`,
  // unless keep_connections_to() comes before.
  void close_connections_to(std::shared_ptr<const balance::Endpoint> endpoint, CloseReason reason,
                            int64_t spread_ms);
  void keep_connections_to(std::shared_ptr<const balance::Endpoint> endpoint);

  // Resets what is left, ends the thread and joins it.
  void stop();

 private:
  class Loop;

  void run(event::EngineKind kind, const event::EngineOptions& options,
           const std::function<void(absl::Status)>& on_started);
  // To the loop's thread.
  void post(std::function<void(Loop&)> task);

  const uint32_t index_;
  const WorkerContext context_;
  WorkerStats stats_;
  std::weak_ptr<Router> last_router_;
  std::unique_ptr<Loop> loop_;  // made and destroyed by the thread; lives while it runs
  std::thread thread_;
};

}  // namespace lb::proxy
