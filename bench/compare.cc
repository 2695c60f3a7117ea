#include "bench/compare.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "bench/backend.h"
#include "bench/child_process.h"
#include "bench/core_distance.h"
#include "bench/load.h"
#include "bench/load_report.h"
#include "bench/report_table.h"
#include "bench/workload_plan.h"
#include "lb/net/socket.h"
#include "lb/util/clock.h"

namespace lb::bench {
namespace {

constexpr int64_t kStartPatienceMs = 10'000;

// Below the ports that the kernel gives to clients (ip(7), ip_local_port_range).
constexpr uint16_t kFirstPort = 18'000;
constexpr uint16_t kLastPort = 30'000;
constexpr const char* kHost = "127.0.0.1";
// Connections that come and go would run out of ports with one source address.
constexpr int kSources = 16;
constexpr int kEndpoints = 4;

// It decides much of what bulk costs: some of them pace, with a timer for each segment.
std::string congestion_control() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_congestion_control");
  std::string name;
  return file >> name ? name : "unknown";
}

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "sluice-bench-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

net::Address host_address(uint16_t port) { return net::Address::parse(kHost, port).value(); }

net::Address any_address(uint16_t port) { return net::Address::parse("0.0.0.0", port).value(); }

std::vector<net::Address> endpoints_of(const net::Address& listen) {
  std::vector<net::Address> endpoints;
  for (int i = 1; i <= kEndpoints; ++i) {
    endpoints.push_back(net::Address::parse(fmt::format("127.0.0.{}", i), listen.port()).value());
  }
  return endpoints;
}

std::string own_path() {
  std::array<char, 4096> path = {};
  return readlink("/proc/self/exe", path.data(), path.size() - 1) > 0 ? path.data() : "";
}

std::string sluice_path_of(const CompareOptions& options, const std::string& self) {
  if (!options.sluice_path.empty()) return options.sluice_path;
  const std::filesystem::path folder = std::filesystem::path(self).parent_path();
  // Installed side by side; in a build folder, in that of each one's sources.
  for (const auto& candidate : {folder / "sluice", folder.parent_path() / "lb" / "sluice"}) {
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

bool is_wanted(const std::vector<std::string>& beginnings, const std::string& name) {
  return beginnings.empty() ||
         std::any_of(beginnings.begin(), beginnings.end(),
                     [&name](const std::string& beginning) { return name.starts_with(beginning); });
}

class Comparing {
 public:
  Comparing(const CompareOptions& options, const std::atomic<bool>& stop)
      : options_(options), stop_(stop), self_(own_path()), open_files_(raise_open_file_limit()) {}

  Comparison run() {
    choose_cpus();
    find_distance();
    std::vector<std::string> unknown;
    const std::vector<WorkloadPlan> plans = choose_plans(options_.workloads, &unknown);
    find_everybody();
    describe();
    for (const WorkloadPlan& plan : plans) {
      if (stop_) break;
      run_line(plan);
    }
    return std::move(comparison_);
  }

 private:
  void choose_cpus() {
    const std::vector<int> cpus = usable_cpus();
    proxy_cpu_ = options_.proxy_cpu >= 0 ? options_.proxy_cpu : cpus.front();
    load_cpu_ = options_.load_cpu >= 0 ? options_.load_cpu : cpus[cpus.size() > 1 ? 1 : 0];
    for (const int cpu : cpus) {
      if (cpu != proxy_cpu_ && cpu != load_cpu_ && backend_cpu_ < 0) backend_cpu_ = cpu;
    }
    pin_to_cpu(load_cpu_);
  }

  // Both CPUs are busy with it, as they are later: idle ones are moved more often.
  void find_distance() {
    if (load_cpu_ == proxy_cpu_) return;
    int64_t& distance_ns = comparison_.environment.distance_ns;
    distance_ns = options_.distance_ns;
    CoreDistance distance(proxy_cpu_);
    std::vector<int64_t> samples_ns;
    const util::MonoTimeMs end_ms = util::mono_now_ms() + options_.distance_sampling_ms;
    while (distance_ns == 0 && !stop_ && util::mono_now_ms() < end_ms) {
      samples_ns.push_back(distance.measure_ns());
    }
    if (distance_ns == 0) distance_ns = most_common_distance_ns(samples_ns);
    fmt::print(stderr, "{}\n", distance_text(distance_ns));
  }

  void find_everybody() {
    std::vector<std::string>& missing = comparison_.environment.missing;
    for (Contender& each : find_contenders(sluice_path_of(options_, self_), self_, &missing)) {
      if (is_wanted(options_.contenders, each.name)) contenders_.push_back(std::move(each));
    }
  }

  void describe() {
    Environment& environment = comparison_.environment;
    utsname name = {};
    uname(&name);
    environment.kernel = fmt::format("{} {} {}, congestion control {}", name.sysname, name.release,
                                     name.machine, congestion_control());
    environment.cpu = cpu_model();
    environment.command = options_.command;
    environment.cpus_used =
        backend_cpu_ < 0
            ? fmt::format("the proxy alone on CPU {}, load and backend on CPU {}", proxy_cpu_,
                          load_cpu_)
            : fmt::format("the proxy alone on CPU {}, load on CPU {}, backend on CPU {}",
                          proxy_cpu_, load_cpu_, backend_cpu_);
    for (const Contender& contender : contenders_) {
      if (contender.role == Role::kFloor) continue;
      const std::string version = version_of(contender);
      std::vector<std::string>& versions = environment.versions;
      if (std::find(versions.begin(), versions.end(), version) == versions.end()) {
        versions.push_back(version);
      }
    }
  }

  void run_line(const WorkloadPlan& plan) {
    Line line;
    line.workload = plan.name;
    line.metric = plan.metric;
    std::vector<const Contender*> runners;
    const bool moves_bulk =
        plan.load.workload == Workload::kStream || plan.load.workload == Workload::kMixed;
    for (const Contender& contender : contenders_) {
      if (contender.for_streams_only && !moves_bulk) continue;
      runners.push_back(&contender);
      line.series.push_back({contender.name, contender.role, {}});
    }
    LoadOptions load = load_of(plan);
    for (int round = 0; round < options_.rounds && !stop_; ++round) {
      for (size_t i = 0; i < runners.size() && !stop_; ++i) {
        const std::optional<Sample> sample = run_undisturbed(*runners[i], plan, load);
        if (stop_) break;
        tell(plan, round, *runners[i], sample);
        if (sample) line.series[i].samples.push_back(*sample);
      }
    }
    comparison_.lines.push_back(std::move(line));
  }

  LoadOptions load_of(const WorkloadPlan& plan) const {
    LoadOptions load = plan.load;
    load.duration_ms =
        plan.load.workload == Workload::kIdle ? load.duration_ms : options_.duration_ms;
    load.warmup_ms = options_.warmup_ms;
    load.spins = load_cpu_ != proxy_cpu_;
    load.distance_ns = comparison_.environment.distance_ns;
    load.proxy_cpu = load.distance_ns > 0 ? proxy_cpu_ : -1;
    if (plan.rate_share > 0) load.rate = plan.rate_share * best_rate(plan.rate_of);
    if (load.workload == Workload::kCRR) {
      for (int i = 1; i <= kSources; ++i) {
        load.sources.push_back(net::Address::parse(fmt::format("127.0.0.{}", i), 0).value());
      }
    }
    // A client's and a backend's descriptor for each connection, and as many in the proxy.
    const auto most =
        static_cast<uint32_t>((open_files_ - std::min<uint64_t>(open_files_, 300)) / 2);
    load.connections = std::min(load.connections, most);
    return load;
  }

  // The highest median rate of a peer, or of anybody when there is none.
  double best_rate(const std::string& workload) const {
    double of_peers = 0;
    double of_all = 0;
    for (const Line& line : comparison_.lines) {
      if (line.workload != workload) continue;
      for (const Series& series : line.series) {
        const std::vector<double> rates = series.values_of(&Sample::rate);
        of_all = std::max(of_all, median(rates));
        if (series.role == Role::kPeer) of_peers = std::max(of_peers, median(rates));
      }
    }
    return of_peers > 0 ? of_peers : of_all;
  }

  // The best of a few attempts, or the first that nobody disturbed and that had its time.
  std::optional<Sample> run_undisturbed(const Contender& contender, const WorkloadPlan& plan,
                                        const LoadOptions& load) {
    std::optional<Sample> best;
    for (int attempt = 0; attempt < options_.attempts && !stop_; ++attempt) {
      const std::optional<Sample> sample = run_once(contender, plan, load);
      if (!sample) break;
      if (!best || sample->is_better_than(*best)) best = sample;
      if (best->has_enough() && best->others_busy <= kQuietShare) break;
    }
    return best;
  }

  std::optional<Sample> run_once(const Contender& contender, const WorkloadPlan& plan,
                                 LoadOptions load) {
    const TempFolder folder;
    Poller poller;
    Setting setting;
    setting.listen = host_address(next_port());
    const net::Address backend_address = any_address(next_port());
    setting.backends = endpoints_of(backend_address);
    setting.open_files = open_files_;
    setting.folder = folder.path();
    const std::string log = folder.path() + "/log";
    std::unique_ptr<Backend> backend;
    std::optional<ChildProcess> backend_process;
    if (backend_cpu_ < 0) {
      if (Backend::start(poller, backend_address, &backend) < 0) return std::nullopt;
    } else {
      const std::vector<std::string> argv = {self_, "backend", "--listen",
                                             backend_address.to_string()};
      backend_process.emplace(argv, backend_cpu_, log);
      if (!backend_process->wait_listening(setting.backends[0], kStartPatienceMs))
        return std::nullopt;
    }
    ChildProcess proxy(command_of(contender, setting), proxy_cpu_, log);
    load.target = setting.listen;
    load.pids = {proxy.pid()};
    LoadResult result;
    if (proxy.wait_listening(setting.listen, kStartPatienceMs)) {
      result = run_load(poller, load, stop_);
    }
    if (result.connections == 0 && !stop_) show_log(contender, log);
    if (result.connections == 0) return std::nullopt;
    const double time_share = result.seconds * 1e3 / static_cast<double>(load.duration_ms);
    return sample_of(plan, result, time_share, backend ? backend->errors().total() : 0);
  }

  static std::vector<std::string> command_of(const Contender& contender, const Setting& setting) {
    const std::string config_path = setting.folder + "/config";
    if (contender.config != nullptr) {
      std::ofstream(config_path) << contender.config(contender, setting);
    }
    std::vector<std::string> argv = {contender.program};
    for (const std::string& argument : contender.arguments) {
      if (argument == "BACKENDS") {
        for (const net::Address& backend : setting.backends) argv.push_back(backend.to_string());
      } else if (argument == "CONFIG") {
        argv.push_back(config_path);
      } else {
        argv.push_back(argument == "LISTEN" ? setting.listen.to_string() : argument);
      }
    }
    return argv;
  }

  // Of a core's time, what was neither the proxy's nor the probe's.
  static double others_on(int cpu, const LoadResult& result) {
    const auto index = static_cast<size_t>(cpu);
    if (index >= result.busy_seconds_by_cpu.size() || result.elapsed_seconds <= 0) return 0;
    const double ours_seconds = result.elapsed_proxy_cpu_seconds + result.probe_cpu_seconds;
    return std::max(0.0,
                    (result.busy_seconds_by_cpu[index] - ours_seconds) / result.elapsed_seconds);
  }

  Sample sample_of(const WorkloadPlan& plan, const LoadResult& result, double time_share,
                   uint64_t backend_errors) const {
    Sample sample;
    const double seconds = std::max(result.seconds, 1e-9);
    sample.p50_us = static_cast<double>(result.latency.quantile_ns(0.5)) / 1000;
    sample.p99_us = static_cast<double>(result.latency.quantile_ns(0.99)) / 1000;
    sample.rate = static_cast<double>(result.operations) / seconds;
    sample.proxy_busy = result.proxy_cpu_seconds / seconds;
    sample.load_busy = result.own_cpu_seconds / seconds;
    sample.others_busy = others_on(proxy_cpu_, result);
    sample.slices_kept = result.slices_kept;
    sample.slices_left_out = result.slices_left_out;
    sample.time_share = time_share;
    sample.errors = result.errors.total() + backend_errors;
    switch (plan.metric) {
      case Metric::kCPUPerOperation:
        sample.value = cpu_us_per_operation(result);
        break;
      case Metric::kCPUPerGB:
        sample.value = cpu_seconds_per_gb(result);
        sample.rate = static_cast<double>(result.stream_bytes) / 1e9 / seconds;
        break;
      case Metric::kLatency:
        sample.value = static_cast<double>(result.typical_p99_ns) / 1000;
        break;
      case Metric::kBytesPerConnection:
        sample.value = result.private_bytes_per_connection;
        break;
    }
    return sample;
  }

  static void show_log(const Contender& contender, const std::string& path) {
    std::ifstream file(path);
    fmt::print(stderr, "{} does not serve:\n", contender.name);
    for (std::string line; std::getline(file, line);) fmt::print(stderr, "  {}\n", line);
  }

  void tell(const WorkloadPlan& plan, int round, const Contender& contender,
            const std::optional<Sample>& sample) const {
    const std::string value =
        sample
            ? fmt::format("{:10.3f} {}, proxy {:3.0f}%, load {:3.0f}%, others {:3.0f}%{}{}",
                          sample->value, unit_of(plan.metric), 100 * sample->proxy_busy,
                          100 * sample->load_busy, 100 * sample->others_busy,
                          sample->slices_left_out > 0
                              ? fmt::format(", {} of {} slices left out", sample->slices_left_out,
                                            sample->slices_left_out + sample->slices_kept)
                              : "",
                          sample->errors > 0 ? fmt::format(", {} errors", sample->errors) : "")
            : "no answer";
    fmt::print(stderr, "{} {}/{} {:<26} {}\n", plan.name, round + 1, options_.rounds,
               contender.name, value);
  }

  // A port of its own for every run: what the last one left in TIME_WAIT is in nobody's way.
  uint16_t next_port() {
    for (int tries = 0; tries < kLastPort - kFirstPort; ++tries) {
      port_ = port_ >= kLastPort ? kFirstPort : static_cast<uint16_t>(port_ + 1);
      if (net::probe_listen_address(host_address(port_)) == 0) break;
    }
    return port_;
  }

  const CompareOptions& options_;
  const std::atomic<bool>& stop_;
  const std::string self_;
  const uint64_t open_files_;
  int proxy_cpu_ = 0;
  int load_cpu_ = 0;
  int backend_cpu_ = -1;
  uint16_t port_ = static_cast<uint16_t>(kFirstPort + getpid() % (kLastPort - kFirstPort));
  std::vector<Contender> contenders_;
  Comparison comparison_;
};

}  // namespace

Comparison run_comparison(const CompareOptions& options, const std::atomic<bool>& stop) {
  return Comparing(options, stop).run();
}

}  // namespace lb::bench
