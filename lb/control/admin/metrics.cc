#include "lb/control/admin/metrics.h"

#include <array>
#include <map>
#include <set>

#include "fmt/format.h"
#include "lb/control/admin/diff.h"
#include "lb/control/admin/metrics_text.h"
#include "lb/proxy/close_reason.h"
#include "lb/proxy/service_selection.h"
#include "lb/util/clock.h"

namespace lb::control {
namespace {

using Name = proxy::WorkerStats::Name;
using Type = MetricsText::Type;
using ReasonSums = std::array<uint64_t, proxy::kCloseReasons>;

// The sums over all workers.
struct ListenerSums {
  uint64_t accepted = 0;
  uint64_t active = 0;
  ReasonSums refused = {};
};

struct ServiceSums {
  ReasonSums closes = {};
  std::array<uint64_t, proxy::kSides> bytes = {};
  uint64_t retries = 0;
  uint64_t no_source = 0;
};

struct EndpointSums {
  uint64_t connections = 0;
  ReasonSums failures = {};
};

void add(ReasonSums& sums, const proxy::ReasonCounters& counters) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += counters[i].value();
}

void add(ListenerSums& sums, const proxy::ListenerStats& stats) {
  sums.accepted += stats.accepted.value();
  sums.active += live_connections(stats);
  add(sums.refused, stats.refused);
}

void add(ServiceSums& sums, const proxy::ServiceStats& stats) {
  add(sums.closes, stats.closes);
  for (size_t i = 0; i < sums.bytes.size(); ++i) sums.bytes[i] += stats.bytes[i].value();
  sums.retries += stats.retries.value();
  sums.no_source += stats.no_source.value();
}

void add(EndpointSums& sums, const proxy::EndpointStats& stats) {
  sums.connections += stats.connections.value();
  for (size_t i = 0; i < proxy::kConnectFailures.size(); ++i) {
    sums.failures[static_cast<size_t>(proxy::kConnectFailures[i])] += stats.failures[i].value();
  }
}

void add(uint64_t& active, const proxy::SourceStats& stats) {
  // In this order: what is counted meanwhile must not make it negative.
  const uint64_t closed = stats.closed.value();
  active += stats.opened.value() - closed;
}

template <typename Sums, typename Stats>
std::map<Name, Sums> sum(const std::vector<const proxy::WorkerStats*>& workers,
                         const proxy::WorkerStats::Blocks<Stats>& (proxy::WorkerStats::*blocks)()
                             const) {
  std::map<Name, Sums> sums;
  for (const proxy::WorkerStats* worker : workers) {
    for (const auto& [name, block] : (worker->*blocks)()) add(sums[name], *block);
  }
  return sums;
}

// One sample for each reason that has ever occurred: the others would be most of the text.
void write_reasons(MetricsText& text, const ReasonSums& sums, std::string_view first_label,
                   std::string_view second_label, const Name& name) {
  for (size_t i = 0; i < sums.size(); ++i) {
    if (sums[i] == 0) continue;
    const std::string_view reason = to_string(static_cast<proxy::CloseReason>(i));
    if (second_label.empty()) {
      text.sample({{first_label, name.first}, {"reason", reason}}, sums[i]);
    } else {
      text.sample({{first_label, name.first}, {second_label, name.second}, {"reason", reason}},
                  sums[i]);
    }
  }
}

void write_listeners(MetricsText& text, const MetricsInput& input) {
  const auto sums = sum<ListenerSums>(input.workers, &proxy::WorkerStats::listeners);
  text.family("sluice_connections_total", Type::kCounter,
              "Connections accepted, refused ones too.");
  for (const auto& [name, listener] : sums) {
    text.sample({{"gateway", name.first}, {"listener", name.second}}, listener.accepted);
  }
  text.family("sluice_connections_active", Type::kGauge, "Connections that live.");
  for (const auto& [name, listener] : sums) {
    text.sample({{"gateway", name.first}, {"listener", name.second}}, listener.active);
  }
  text.family("sluice_connections_refused_total", Type::kCounter,
              "Connections refused right after they were accepted.");
  for (const auto& [name, listener] : sums) {
    write_reasons(text, listener.refused, "gateway", "listener", name);
  }
}

void write_services(MetricsText& text, const MetricsInput& input) {
  const auto sums = sum<ServiceSums>(input.workers, &proxy::WorkerStats::services);
  text.family("sluice_connection_closes_total", Type::kCounter,
              "Connections that have ended, by why.");
  for (const auto& [name, service] : sums) {
    write_reasons(text, service.closes, "service", "", name);
  }
  text.family("sluice_bytes_total", Type::kCounter,
              "Bytes relayed from clients (in) and to clients (out).");
  for (const auto& [name, service] : sums) {
    for (const proxy::Side side : {proxy::Side::kDownstream, proxy::Side::kUpstream}) {
      const std::string_view direction = side == proxy::Side::kDownstream ? "in" : "out";
      text.sample({{"service", name.first}, {"direction", direction}},
                  service.bytes[index_of(side)]);
    }
  }
  uint64_t spliced_bytes = 0;
  for (const proxy::WorkerStats* worker : input.workers) {
    spliced_bytes += worker->relay().spliced_bytes.value();
  }
  text.family("sluice_spliced_bytes_total", Type::kCounter,
              "Those of them that went through a pipe and not through user space.");
  text.sample({}, spliced_bytes);
  text.family("sluice_connect_retries_total", Type::kCounter,
              "Connect attempts after the first of a connection.");
  for (const auto& [name, service] : sums) {
    text.sample({{"service", name.first}}, service.retries);
  }
}

void write_sources(MetricsText& text, const MetricsInput& input) {
  text.family("sluice_source_unavailable_total", Type::kCounter,
              "Connect attempts that no source address, or no port of one, was left for.");
  for (const auto& [name, service] :
       sum<ServiceSums>(input.workers, &proxy::WorkerStats::services)) {
    text.sample({{"service", name.first}}, service.no_source);
  }
  text.family("sluice_source_connections_active", Type::kGauge,
              "Connections that are connecting or connected from a source address.");
  for (const auto& [name, active] : sum<uint64_t>(input.workers, &proxy::WorkerStats::sources)) {
    text.sample({{"service", name.first}, {"source", name.second}}, active);
  }
}

void write_endpoint_counters(MetricsText& text, const MetricsInput& input) {
  const auto sums = sum<EndpointSums>(input.workers, &proxy::WorkerStats::endpoints);
  text.family("sluice_service_connections_total", Type::kCounter, "Connects that succeeded.");
  for (const auto& [name, endpoint] : sums) {
    text.sample({{"service", name.first}, {"endpoint", name.second}}, endpoint.connections);
  }
  text.family("sluice_connect_failures_total", Type::kCounter,
              "Connect attempts that failed, by what they came to.");
  for (const auto& [name, endpoint] : sums) {
    write_reasons(text, endpoint.failures, "service", "endpoint", name);
  }
}

// An endpoint, and the first of the services in the snapshot that have it.
struct EndpointView {
  const proxy::ServiceSnapshot* service;
  const balance::WeightedEndpoint* entry;
};

void write_endpoint_gauges(MetricsText& text, const proxy::Snapshot& snapshot) {
  std::map<Name, EndpointView> endpoints;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    for (const balance::WeightedEndpoint& entry : service.endpoints) {
      endpoints.emplace(Name(service.name, entry.endpoint->label()),
                        EndpointView{&service, &entry});
    }
  }
  text.family("sluice_service_connections_active", Type::kGauge,
              "Connections that are connecting or connected to the endpoint.");
  for (const auto& [name, view] : endpoints) {
    text.sample({{"service", name.first}, {"endpoint", name.second}},
                uint64_t{view.entry->endpoint->active()});
  }
  text.family("sluice_endpoint_healthy", Type::kGauge, "1 when nothing is known against it.");
  for (const auto& [name, view] : endpoints) {
    text.sample({{"service", name.first}, {"endpoint", name.second}},
                uint64_t{view.entry->is_healthy() ? 1U : 0U});
  }
  text.family("sluice_endpoint_weight", Type::kGauge, "The endpoint's weight as it is used.");
  const util::MonoTimeMs now_ms = util::mono_now_ms();
  for (const auto& [name, view] : endpoints) {
    text.sample({{"service", name.first}, {"endpoint", name.second}},
                proxy::current_weight(*view.service, *view.entry, now_ms));
  }
}

void write_maglev_tables(MetricsText& text, const proxy::Snapshot& snapshot) {
  // Of all the tables of a service: sums, for their order says nothing.
  std::map<std::string, uint32_t> checksums;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    for (const balance::HashTier& tier : service.hash_tiers) {
      checksums[service.name] += tier.table->checksum();
    }
  }
  text.family("sluice_maglev_table_checksum", Type::kGauge,
              "The same wherever ConsistentHash leads clients to the same endpoints.");
  for (const auto& [service, checksum] : checksums) {
    text.sample({{"service", service}}, uint64_t{checksum});
  }
}

void write_pending(MetricsText& text, const proxy::Snapshot& snapshot) {
  std::map<std::string, size_t> pending;
  for (const proxy::ServiceSnapshot& service : snapshot.services) {
    if (service.endpoints.empty()) continue;
    pending[service.name] = service.endpoints.front().endpoint->service().pending().size();
  }
  text.family("sluice_service_pending", Type::kGauge,
              "Connections that wait because all endpoints have as many as they may.");
  for (const auto& [name, count] : pending) text.sample({{"service", name}}, uint64_t{count});
}

void write_checks(MetricsText& text, const MetricsInput& input) {
  std::map<Name, const health::CheckResults*> endpoints;
  for (const CheckFigures& figures : input.checks) {
    endpoints.emplace(Name(figures.endpoint->service().name(), figures.endpoint->label()),
                      &figures.results);
  }
  text.family("sluice_health_checks_total", Type::kCounter,
              "Active health checks that have ended.");
  for (const auto& [name, results] : endpoints) {
    for (size_t i = 0; i < results->size(); ++i) {
      const std::string_view result = to_string(static_cast<health::ProbeResult>(i));
      text.sample({{"service", name.first}, {"endpoint", name.second}, {"result", result}},
                  (*results)[i]);
    }
  }
}

void write_dns(MetricsText& text, const DNSFigures& dns) {
  text.family("sluice_dns_lookups_total", Type::kCounter,
              "Questions to the DNS, by what they came to.");
  constexpr std::array<std::string_view, kLookupResults> kResults = {"found", "not_found",
                                                                     "timeout", "failed"};
  for (size_t i = 0; i < kResults.size(); ++i) {
    text.sample({{"result", kResults[i]}}, dns.lookups[i]);
  }
  text.family("sluice_dns_names", Type::kGauge,
              "Names of endpoints, by whether the last answer is good, an older one is kept, or "
              "there is none.");
  text.sample({{"state", "resolved"}}, dns.resolved);
  text.sample({{"state", "stale"}}, dns.stale);
  text.sample({{"state", "unresolved"}}, dns.unresolved);
}

void write_config(MetricsText& text, const MetricsInput& input) {
  text.family("sluice_config_generation", Type::kGauge,
              "Rises by one with every configuration that is applied.");
  text.sample({}, input.deployed.generation);
  text.family("sluice_config_last_reload_successful", Type::kGauge,
              "1 when the last attempt to change the configuration was applied.");
  text.sample({}, uint64_t{input.reload.was_successful ? 1U : 0U});
  text.family("sluice_config_last_reload_success_timestamp_seconds", Type::kGauge,
              "When a configuration was last applied, in seconds since the epoch.");
  text.sample({}, static_cast<double>(input.reload.success_wall_us) / 1e6);
}

void write_workers(MetricsText& text, const MetricsInput& input) {
  text.family("sluice_worker_connections", Type::kGauge, "Connections that live, by worker.");
  for (size_t i = 0; i < input.workers.size(); ++i) {
    uint64_t live = 0;
    for (const auto& [name, block] : input.workers[i]->listeners())
      live += live_connections(*block);
    text.sample({{"worker", fmt::format("{}", i)}}, live);
  }
  text.family(
      "sluice_worker_busy_ratio", Type::kGauge,
      "CPU time of the worker's thread, as a share of the time since it was last asked for.");
  for (size_t i = 0; i < input.figures.size(); ++i) {
    text.sample({{"worker", fmt::format("{}", i)}}, input.figures[i].busy_ratio);
  }
  text.family("sluice_worker_handovers_total", Type::kCounter,
              "Connections that the worker has accepted and handed to a lighter one.");
  for (size_t i = 0; i < input.figures.size(); ++i) {
    text.sample({{"worker", fmt::format("{}", i)}}, input.figures[i].handed_over);
  }
}

void write_process(MetricsText& text, const MetricsInput& input) {
  text.family("sluice_engine_info", Type::kGauge, "What moves the bytes.");
  text.sample({{"engine", to_string(input.engine)}, {"features", features_of(input.engine)}},
              uint64_t{1});
  text.family("sluice_build_info", Type::kGauge, "The version that runs.");
  text.sample({{"version", input.version}}, uint64_t{1});
  const ProcessUsage& usage = input.usage;
  text.family("process_cpu_seconds_total", Type::kCounter, "CPU time spent, user and system.");
  text.sample({}, usage.cpu_seconds);
  text.family("process_resident_memory_bytes", Type::kGauge, "Memory in use.");
  text.sample({}, usage.resident_bytes);
  text.family("process_virtual_memory_bytes", Type::kGauge, "Address space in use.");
  text.sample({}, usage.virtual_bytes);
  text.family("process_open_fds", Type::kGauge, "Open file descriptors.");
  text.sample({}, usage.open_fds);
  if (usage.max_fds) {
    text.family("process_max_fds", Type::kGauge, "File descriptors that may be open.");
    text.sample({}, *usage.max_fds);
  }
  text.family("process_start_time_seconds", Type::kGauge,
              "When the process started, in seconds since the epoch.");
  text.sample({}, usage.start_time_seconds);
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  MetricsText text;
  write_listeners(text, input);
  write_services(text, input);
  write_sources(text, input);
  write_endpoint_counters(text, input);
  write_endpoint_gauges(text, *input.deployed.snapshot);
  write_pending(text, *input.deployed.snapshot);
  write_checks(text, input);
  write_maglev_tables(text, *input.deployed.snapshot);
  write_dns(text, input.dns);
  write_config(text, input);
  write_workers(text, input);
  write_process(text, input);
  return text.take();
}

}  // namespace lb::control
