#include "lb/proxy/access_log.h"

#include "fmt/format.h"
#include "lb/util/clock.h"

namespace lb::proxy {

std::string connection_id_text(uint64_t id) { return fmt::format("{:016x}", id); }

void AccessLog::write(const AccessRecord& record) {
  if (!is_on()) return;
  util::Record line(lines_, format_);
  line.add_time("ts", util::wall_now_us());
  line.add("msg", "conn");
  line.add("id", connection_id_text(record.id));
  line.add("gateway", record.gateway);
  line.add("listener", record.listener);
  line.add("route", record.route);
  line.add("service", record.service);
  line.add("endpoint", record.endpoint);
  line.add("client", record.client.to_string());
  line.add("local", record.local.to_string());
  line.add("upstream_local", record.upstream_local.to_string());
  line.add_number("bytes_in", static_cast<int64_t>(record.bytes_in));
  line.add_number("bytes_out", static_cast<int64_t>(record.bytes_out));
  line.add_number("connect_ms", record.connect_ms);
  line.add_number("first_byte_ms", record.first_byte_ms);
  line.add_number("duration_ms", record.duration_ms);
  line.add_number("attempts", record.attempts);
  line.add("close", fmt::format("{}@{}", to_string(record.reason), to_string(record.place)));
  line.add("engine", record.engine);
  line.add("relay", record.relay);
  line.add_number("rtt_client_us", record.rtt_client_us);
  line.add_number("rtt_server_us", record.rtt_server_us);
  line.finish();
  if (lines_.size() >= kFlushBytes) flush();
}

void AccessLog::flush() {
  if (lines_.empty()) return;
  sink_->write(lines_);
  lines_.clear();
}

}  // namespace lb::proxy
