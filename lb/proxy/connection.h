// One relayed connection: a client, a server, a flow each way, and one timer. Lives in its table's
// slab and is destroyed at one place, ConnectionTable::release(), when nothing is in flight any
// more. One thread.
//
//   connecting --connected--> relaying --timeout or half-close rule--> lingering --> closing
//       |                        |---------- RST from one side ------> flushing ---> closing
//       '------ failed, killed --'---------------------------------------------------> closing
//
// Where the rules come from: contract, "What happens to a connection".
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lb/event/engine.h"
#include "lb/net/proxy_header.h"
#include "lb/proxy/access_log.h"
#include "lb/proxy/close_reason.h"
#include "lb/proxy/connection_budget.h"
#include "lb/proxy/dialer.h"
#include "lb/proxy/flow.h"
#include "lb/proxy/hello_wait.h"
#include "lb/proxy/router.h"

namespace lb::proxy {

class ConnectionTable;

struct ConnectionTag {};

class Connection : public util::ListNode<ConnectionTag> {
 public:
  // Takes over `client_fd`, an accepted socket of the table's engine. `listener` and `service` are
  // indices into the snapshot of `router`.
  Connection(ConnectionTable& table, std::shared_ptr<Router> router, uint64_t id, int client_fd,
             size_t listener, size_t service);
  ~Connection();

  // Dials at once, since the server may speak first, and reads from the client meanwhile, to see it
  // go; or waits for its ClientHello, where the server is to be told of it. May destroy this
  // connection.
  void start();

  // Ends the connection from outside. May destroy it.
  void kill(CloseReason reason);

  // Of the closer of endpoints: the one that it is connected or connecting to, null when there is
  // none; and to end by then if that is still wanted. May destroy it.
  const balance::Endpoint* current_endpoint() const {
    return dialer_.fd() < 0 ? nullptr : dialer_.endpoint();
  }
  void leave_endpoint(CloseReason reason, util::MonoTimeMs deadline_ms);

  // Of the dialer: what it uses and what it tells.
  const ServiceSnapshot& service() const { return router_->snapshot().services[service_]; }
  size_t service_index() const { return service_; }
  Router& router() { return *router_; }
  ConnectionBudget& budget();
  size_t worker() const;
  util::MonoTimeMs accepted_ms() const { return accepted_ms_; }
  bool is_connecting() const { return state_ == State::kConnecting; }
  // Makes sure that the timer fires by then. It may fire earlier: handlers look at the clock.
  void wake_by(util::MonoTimeMs deadline_ms);
  // Unspecified unless somebody has asked for it at the start.
  net::Address client_address() const { return client_ ? *client_ : net::Address(); }
  // The same; null then.
  const net::Address* known_client() const { return client_.get(); }
  // A connect found no address, or no port, to come from.
  void note_no_source(const balance::Endpoint& endpoint, std::string_view why);
  // The server is there.
  void on_dialed();
  // Connects to this one have failed as often in a row as its service bears.
  void on_endpoint_failing(const std::shared_ptr<balance::Endpoint>& endpoint);
  // There is none to be had.
  void on_dial_failed(CloseReason reason) { close(reason); }

  // Of the wait for the hello: it is over, and the client may be read from.
  void on_hello();

  // Of the flows: what they use and what they tell.
  event::Engine& engine();
  int fd(Side side) const { return side == Side::kDownstream ? client_fd_ : dialer_.fd(); }
  uint32_t buffer_limit_bytes() const;
  config::SpliceMode splice_mode() const;
  void hold(Flow& flow);
  // Bytes came from `side`.
  void note_bytes(Side side);
  // Bytes from `side` have gone on to the other one, through a buffer or through a pipe.
  void count_bytes(Side side, uint64_t bytes, bool is_spliced);
  // Something went on.
  void note_progress();
  // The server has what goes before the client's first byte.
  void on_preamble_sent();
  // The flow from `side` has ended with FIN.
  void on_fin(Side side);
  // The peer of `side` has reset the connection, or it broke.
  void on_reset(Side side);
  // A flow that reads no more has nothing left to write.
  void on_quiet();
  // The last call of every handler: destroys the connection when it is closing and nothing is in
  // flight.
  void settle();

 private:
  friend class ConnectionTable;

  enum class State : uint8_t {
    kConnecting,
    kRelaying,
    kLingering,  // reads no more; FIN both ways once what is held has been written
    kFlushing,   // one side was reset; the other gets its RST once its kernel has taken everything
    kClosing,    // everything is cancelled; waits for the last completion
  };

  Flow& flow_from(Side side) { return flows_[index_of(side)]; }
  const config::ListenerPolicy& policy() const;

  bool wants_client_address() const;
  // As whom the server is to see the client.
  net::ProxiedPeer proxied_peer() const;
  // The server gets what the client says, behind what goes before that.
  void open_upload();
  event::CloseMode close_mode() const;
  void pass_fin(Side from);
  void begin_lingering(CloseReason reason);
  void begin_flushing();
  void close(CloseReason reason);
  CloseReason fin_reason() const;
  CloseReason reset_reason() const;

  void on_timer();
  // Closes when its endpoint has gone and its time has come.
  void check_endpoint();
  void check_idle();
  void check_flushed();
  // The earliest of the idle, half-close and reset limits, as they stand.
  util::MonoTimeMs relay_deadline_ms() const;
  util::MonoTimeMs half_close_deadline_ms() const;

  int32_t since_accepted_ms() const;
  bool has_ops_in_flight() const;
  // At the end: into the worker's counters, and as a line of the access log.
  void count() const;
  AccessRecord record() const;

  ConnectionTable& table_;
  const std::shared_ptr<Router> router_;  // keeps the snapshot that it began with
  const uint64_t id_;
  const uint32_t listener_;
  const uint32_t service_;
  const int client_fd_;
  std::array<Flow, kSides> flows_;  // by the side they read from
  Dialer dialer_;
  event::Timer timer_;

  util::MonoTimeMs accepted_ms_;
  util::MonoTimeMs last_activity_ms_;
  util::MonoTimeMs flush_deadline_ms_ = util::kNever;  // of a reset, or of lingering
  util::MonoTimeMs leave_deadline_ms_ = util::kNever;  // its endpoint has gone
  int32_t connect_ms_ = -1;
  int32_t first_byte_ms_ = -1;
  uint8_t flush_interval_ms_ = 1;
  State state_ = State::kConnecting;
  ClosePlace place_ = ClosePlace::kConnect;
  // Why it ends, once lingering or closing.
  CloseReason reason_ = CloseReason::kNoBackend;
  std::optional<Side> first_fin_;
  std::optional<Side> first_reset_;
  std::unique_ptr<net::Address> client_;         // where somebody wants to know
  std::unique_ptr<const std::string> preamble_;  // while it is on its way to the server
  std::unique_ptr<HelloWait> hello_;             // until the preamble is made of it
};

}  // namespace lb::proxy
