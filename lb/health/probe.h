// One connection to a server, to see how it is: connects, says the PROXY header when there is to be
// one, holds a dialogue (dialogue.h), and goes. Used again and again for the same server, one
// connection at a time. Control thread.
//
//   idle --start--> connecting --> talking --> closing --> idle, and the owner is told
//
// It leaves with a FIN and a RST behind it: the server's read says end of stream, as with anyone
// who goes politely, and neither side keeps a TIME_WAIT, of which hundreds of checks would leave
// thousands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lb/config/service.h"
#include "lb/event/engine.h"
#include "lb/health/check_source.h"
#include "lb/health/dialogue.h"
#include "lb/net/address.h"

namespace lb::health {

enum class ProbeResult {
  kSuccess,
  kFailure,
  kTimeout,
  kNone,  // it was cancelled, or this host had no descriptor, source or port: nothing is known
};
inline constexpr size_t kProbeResults = 4;
std::string_view to_string(ProbeResult result);  // "success", as a metric's label

class Probe {
 public:
  class Owner {
   public:
    // Called from the loop when all is over; may start the probe again, or destroy it. `why` is
    // empty after a success.
    virtual void on_probe_done(ProbeResult result, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  // Both must outlive it.
  Probe(event::Engine& engine, Owner& owner);
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  // Must be idle.
  ~Probe();

  bool is_idle() const { return state_ == State::kIdle; }
  // `address` must stay in place until it is over.
  void start(const net::Address& address, const CheckSource& source, config::ProxyVersion proxy,
             int64_t timeout_ms, std::unique_ptr<Dialogue> dialogue);
  // Ends it soon, with kNone.
  void cancel();

 private:
  enum class State { kIdle, kConnecting, kTalking, kClosing };

  void on_connected(event::Completion completion);
  void on_recv(event::Completion completion);
  void on_sent(event::Completion completion);
  void on_timer();
  // Does what the dialogue says; `head` goes out before anything else.
  void take(DialogueStep step, std::string head = {});
  void go_on();
  void finish(ProbeResult result, std::string why);
  // The last call of every handler.
  void settle();

  event::Engine& engine_;
  Owner& owner_;
  event::ConnectOp connect_;
  event::RecvOp recv_;
  event::SendOp send_;
  event::Timer timer_;
  State state_ = State::kIdle;
  int fd_ = -1;
  bool is_connected_ = false;
  const net::Address* address_ = nullptr;
  config::ProxyVersion proxy_ = config::ProxyVersion::kNone;
  int64_t timeout_ms_ = 0;
  std::unique_ptr<Dialogue> dialogue_;
  DialogueStep step_;  // what comes after the bytes that are on their way
  std::string out_;    // those
  ProbeResult result_ = ProbeResult::kNone;
  std::string why_;
};

}  // namespace lb::health
