// The access log of one worker: a record per connection, at its end. Lines gather during a turn of
// the loop and leave together, so that a busy turn costs one lock. One thread, but for the sink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lb/net/address.h"
#include "lb/proxy/close_reason.h"
#include "lb/util/log_sink.h"
#include "lb/util/record.h"

namespace lb::proxy {

// What is known about a connection when it has ended. Absent numbers are -1, absent texts empty.
struct AccessRecord {
  uint64_t id = 0;
  std::string_view gateway;
  std::string_view listener;
  std::string_view route;
  std::string_view service;
  std::string_view endpoint;  // the last one tried
  net::Address client;
  net::Address local;
  net::Address upstream_local;
  uint64_t bytes_in = 0;   // from the client, relayed to the server
  uint64_t bytes_out = 0;  // from the server, relayed to the client
  int64_t connect_ms = -1;
  int64_t first_byte_ms = -1;
  int64_t duration_ms = 0;
  uint32_t attempts = 0;
  CloseReason reason = CloseReason::kInternalError;
  ClosePlace place = ClosePlace::kAccept;
  std::string_view engine;
  std::string_view relay;
  uint32_t rtt_client_us = 0;
  uint32_t rtt_server_us = 0;
};

// How the id of a connection is written, wherever it is.
std::string connection_id_text(uint64_t id);

class AccessLog {
 public:
  // A null sink switches the log off.
  AccessLog(util::LogSink* sink, util::RecordFormat format) : sink_(sink), format_(format) {}

  // Off: nobody needs to gather a record.
  bool is_on() const { return sink_ != nullptr; }

  void write(const AccessRecord& record);

  // Hands the turn's lines to the sink.
  void flush();

 private:
  // A turn that ends thousands of connections hands them over in parts.
  static constexpr size_t kFlushBytes = 65536;

  util::LogSink* sink_;
  util::RecordFormat format_;
  std::string lines_;
};

}  // namespace lb::proxy
