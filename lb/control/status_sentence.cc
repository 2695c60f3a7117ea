#include "lb/control/status_sentence.h"

#include <time.h>

#include "fmt/format.h"
#include "lb/util/counted.h"

namespace lb::control {
namespace {

std::string local_time(int64_t wall_us) {
  const time_t seconds = wall_us / 1'000'000;
  tm parts = {};
  localtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace

std::string serving_sentence(const Deployed& deployed, const ReloadState& reload) {
  size_t endpoints = 0;
  for (const config::Service& service : deployed.loaded.config->services) {
    endpoints += service.endpoints.size();
  }
  std::string sentence =
      util::counted(deployed.snapshot->listeners.size(), "listener", "listeners");
  if (!deployed.bind_failures.empty()) {
    sentence += fmt::format(" ({} not bound)",
                            util::counted(deployed.bind_failures.size(), "address", "addresses"));
  }
  sentence += fmt::format(", {}, generation {}, loaded {}",
                          util::counted(endpoints, "endpoint", "endpoints"), deployed.generation,
                          local_time(reload.success_wall_us));
  if (!reload.was_successful) {
    sentence += fmt::format("; the last reload was refused: {}", reload.error);
  }
  return sentence;
}

std::string draining_sentence(int64_t connections, int64_t timeout_ms) {
  return fmt::format("draining: {} left, for {} s at most",
                     util::counted(static_cast<uint64_t>(connections), "connection", "connections"),
                     (timeout_ms + 999) / 1000);
}

}  // namespace lb::control
