#include "bench/load_report.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace lb::bench {
namespace {

double divide(double dividend, double divisor) { return divisor > 0 ? dividend / divisor : 0; }

double us(int64_t ns) { return static_cast<double>(ns) / 1000; }

}  // namespace

const char* workload_name(Workload workload) {
  switch (workload) {
    case Workload::kRR:
      return "rr";
    case Workload::kCRR:
      return "crr";
    case Workload::kStream:
      return "stream";
    case Workload::kIdle:
      return "idle";
    case Workload::kMixed:
      break;
  }
  return "mixed";
}

const char* direction_name(Direction direction) {
  if (direction == Direction::kBoth) return "both";
  return direction == Direction::kUp ? "up" : "down";
}

double cpu_us_per_operation(const LoadResult& result) {
  return divide(result.proxy_cpu_seconds * 1e6, static_cast<double>(result.operations));
}

double cpu_seconds_per_gb(const LoadResult& result) {
  return divide(result.proxy_cpu_seconds, static_cast<double>(result.stream_bytes) / 1e9);
}

std::string report_text(const LoadOptions& options, const LoadResult& result) {
  std::string text;
  const auto line = [&text](const char* name, const std::string& value) {
    fmt::format_to(std::back_inserter(text), "{:<22}{}\n", name, value);
  };
  line("workload", fmt::format("{}, {} connections answered correctly before the measurement",
                               workload_name(options.workload), result.connections));
  if (result.operations > 0) {
    line("rate", fmt::format("{:.0f} operations/s ({} in {:.2f} s)",
                             divide(static_cast<double>(result.operations), result.seconds),
                             result.operations, result.seconds));
    const Histogram& latency = result.latency;
    line("latency", fmt::format("p50 {:.1f}, p90 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, max {:.1f} us",
                                us(latency.quantile_ns(0.5)), us(latency.quantile_ns(0.9)),
                                us(latency.quantile_ns(0.99)), us(latency.quantile_ns(0.999)),
                                us(latency.max_ns())));
    line("", fmt::format("typical p99 {:.1f} us: the median of {} slices",
                         us(result.typical_p99_ns), result.slices_kept));
  }
  if (result.behind > 0)
    line("behind", fmt::format("{} operations were due and not begun", result.behind));
  if (result.stream_bytes > 0) {
    line("throughput",
         fmt::format("{:.3f} GB/s, {}",
                     divide(static_cast<double>(result.stream_bytes) / 1e9, result.seconds),
                     direction_name(options.direction)));
  }
  if (result.distance_ns > 0) {
    line("distance",
         fmt::format("{} ns there and back, {} of {} slices left out", result.distance_ns,
                     result.slices_left_out, result.slices_kept + result.slices_left_out));
  }
  line("load CPU", fmt::format("{:.0f} percent of a core",
                               100 * divide(result.own_cpu_seconds, result.seconds)));
  if (!options.pids.empty()) {
    line("proxy CPU", fmt::format("{:.0f} percent of a core",
                                  100 * divide(result.proxy_cpu_seconds, result.seconds)));
    if (result.operations > 0 && result.stream_bytes == 0) {
      line("", fmt::format("{:.2f} us per operation", cpu_us_per_operation(result)));
    }
    if (result.stream_bytes > 0) {
      line("", fmt::format("{:.3f} s per GB", cpu_seconds_per_gb(result)));
    }
    if (options.workload == Workload::kIdle) {
      line("proxy memory",
           fmt::format("{:.0f} bytes private, {:.0f} resident per connection",
                       result.private_bytes_per_connection, result.resident_bytes_per_connection));
    }
  }
  for (size_t i = 0; i < kErrorNames.size(); ++i) {
    const uint64_t count = result.errors.counts()[i];
    if (count > 0) line("errors", fmt::format("{} {}", count, kErrorNames[i]));
  }
  return text;
}

nlohmann::json report_json(const LoadOptions& options, const LoadResult& result) {
  nlohmann::json errors = nlohmann::json::object();
  for (size_t i = 0; i < kErrorNames.size(); ++i) {
    if (result.errors.counts()[i] > 0) errors[kErrorNames[i]] = result.errors.counts()[i];
  }
  const Histogram& latency = result.latency;
  return {
      {"workload", workload_name(options.workload)},
      {"connections", result.connections},
      {"size_bytes", options.size_bytes},
      {"direction", direction_name(options.direction)},
      {"seconds", result.seconds},
      {"operations", result.operations},
      {"operations_per_second", divide(static_cast<double>(result.operations), result.seconds)},
      {"stream_bytes", result.stream_bytes},
      {"stream_bytes_per_second", divide(static_cast<double>(result.stream_bytes), result.seconds)},
      {"behind", result.behind},
      {"latency_us",
       {{"mean", latency.mean_ns() / 1000},
        {"p50", us(latency.quantile_ns(0.5))},
        {"p90", us(latency.quantile_ns(0.9))},
        {"p99", us(latency.quantile_ns(0.99))},
        {"typical_p99", us(result.typical_p99_ns)},
        {"p999", us(latency.quantile_ns(0.999))},
        {"max", us(latency.max_ns())}}},
      {"slices_kept", result.slices_kept},
      {"slices_left_out", result.slices_left_out},
      {"distance_ns", result.distance_ns},
      {"errors", errors},
      {"load_cpu_seconds", result.own_cpu_seconds},
      {"proxy_cpu_seconds", result.proxy_cpu_seconds},
      {"proxy_cpu_us_per_operation", cpu_us_per_operation(result)},
      {"proxy_cpu_seconds_per_gb", cpu_seconds_per_gb(result)},
      {"proxy_private_bytes_per_connection", result.private_bytes_per_connection},
      {"proxy_resident_bytes_per_connection", result.resident_bytes_per_connection},
  };
}

}  // namespace lb::bench
