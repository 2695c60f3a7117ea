#include "bench/load.h"

#include <sys/prctl.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "bench/core_distance.h"
#include "bench/load_exchange.h"
#include "bench/load_stream.h"
#include "bench/process_meter.h"
#include "bench/slices.h"
#include "lb/util/clock.h"

namespace lb::bench {
namespace {

constexpr int64_t kPrepareNs = 15'000'000'000;
constexpr int64_t kSettleNs = 700'000'000;
constexpr int64_t kLongestWaitNs = 10'000'000;
// Short, since cores that go away and come back within a slice are not seen; a hundred times as
// long as a probe.
constexpr int64_t kSliceNs = 50'000'000;
// Slices are taken until so many times the duration has passed.
constexpr int64_t kPatience = 4;
// A rest that is shorter is no slice of its own.
constexpr double kShortestSeconds = 0.01;
// Exchanges a second beside the streams of kMixed, unless asked otherwise.
constexpr double kMixedRate = 2000;

int64_t now() { return util::clock_ns(CLOCK_MONOTONIC); }

class Run {
 public:
  Run(Poller& poller, const LoadOptions& options, const std::atomic<bool>& stop)
      : poller_(poller), options_(options), stop_(stop) {}

  LoadResult run() {
    // What is due is sent when it is due, not up to 50 us later (prctl(2)).
    prctl(PR_SET_TIMERSLACK, 1);
    if (options_.workload == Workload::kIdle) serve_one();
    const ProcessCost before = cost_of(options_.pids);
    open();
    turn_until(now() + kPrepareNs, [this] { return is_prepared(); });
    result_.connections = ready();
    if (result_.connections > 0 && !stop_) {
      if (options_.workload == Workload::kIdle) {
        weigh(before);
      } else {
        start();
      }
      measure();
    }
    result_.errors = errors_;
    return std::move(result_);
  }

 private:
  void open() {
    const Workload workload = options_.workload;
    if (workload != Workload::kStream) {
      exchange_.emplace(poller_, options_, workload != Workload::kCRR, errors_);
    }
    if (workload == Workload::kStream || workload == Workload::kMixed) {
      const bool mixed = workload == Workload::kMixed;
      stream_.emplace(poller_, options_, mixed ? options_.streams : options_.connections, errors_);
    }
  }

  // What a proxy sets up when it starts and for its first connection is not what a connection
  // costs. It listens before it has all of that.
  void serve_one() {
    LoadOptions one = options_;
    one.connections = 1;
    {
      ExchangeLoad first(poller_, one, true, errors_);
      turn_until(now() + kPrepareNs, [&first] { return first.is_prepared(); });
    }
    turn_until(now() + kSettleNs, [] { return false; });
  }

  bool is_prepared() const {
    return (!exchange_ || exchange_->is_prepared()) && (!stream_ || stream_->is_prepared());
  }

  uint32_t ready() const {
    return (exchange_ ? exchange_->ready() : 0) + (stream_ ? stream_->ready() : 0);
  }

  void start() {
    const bool mixed = options_.workload == Workload::kMixed;
    const double rate = mixed && options_.rate == 0 ? kMixedRate : options_.rate;
    if (exchange_) exchange_->start(now(), rate);
    turn_until(now() + options_.warmup_ms * 1'000'000, [] { return false; });
  }

  void weigh(const ProcessCost& before) {
    turn_until(now() + kSettleNs, [] { return false; });
    const ProcessCost after = cost_of(options_.pids);
    const auto per_connection = [this](uint64_t more, uint64_t less) {
      return (static_cast<double>(more) - static_cast<double>(less)) / result_.connections;
    };
    result_.private_bytes_per_connection =
        per_connection(after.private_bytes, before.private_bytes);
    result_.resident_bytes_per_connection =
        per_connection(after.resident_bytes, before.resident_bytes);
  }

  void measure() {
    const bool has_distance = options_.proxy_cpu >= 0 && options_.workload != Workload::kIdle;
    if (has_distance) distance_.emplace(options_.proxy_cpu);
    const std::vector<double> busy_before = busy_seconds_by_cpu();
    const double proxy_before = cpu_seconds_of(options_.pids);
    const int64_t begin_ns = now();
    Slices slices(options_.distance_ns);
    take_slices(&slices, proxy_before, begin_ns);
    const int64_t end_ns = now();
    static_cast<Measured&>(result_) = slices.sum();
    result_.slices_kept = slices.kept();
    result_.slices_left_out = slices.left_out();
    result_.typical_p99_ns = slices.typical_p99_ns();
    result_.distance_ns = slices.reference_ns();
    result_.elapsed_seconds = static_cast<double>(end_ns - begin_ns) * 1e-9;
    result_.elapsed_proxy_cpu_seconds = cpu_seconds_of(options_.pids) - proxy_before;
    if (distance_) result_.probe_cpu_seconds = distance_->helper_cpu_seconds();
    result_.busy_seconds_by_cpu = busy_seconds_by_cpu();
    for (size_t i = 0; i < busy_before.size(); ++i) {
      result_.busy_seconds_by_cpu[i] -= busy_before[i];
    }
  }

  void take_slices(Slices* slices, double proxy_cpu_seconds, int64_t begin_ns) {
    const double wanted_seconds = static_cast<double>(options_.duration_ms) * 1e-3;
    const int64_t deadline_ns = begin_ns + options_.duration_ms * 1'000'000 * kPatience;
    int64_t pause_begin_ns = begin_ns;
    int64_t before_ns = distance_ ? distance_->measure_ns() : 0;
    while (!stop_) {
      const double left_seconds = wanted_seconds - slices->sum().seconds;
      const int64_t left_ns = static_cast<int64_t>(left_seconds * 1e9);
      Measured slice;
      const int64_t end_ns = take_slice(distance_ ? std::min(left_ns, kSliceNs) : left_ns,
                                        pause_begin_ns, slices->sum().operations, &slice);
      // What the proxy did in the pause led to answers that are counted now.
      const double proxy_after = cpu_seconds_of(options_.pids);
      slice.proxy_cpu_seconds = proxy_after - proxy_cpu_seconds;
      proxy_cpu_seconds = proxy_after;
      pause_begin_ns = end_ns;
      if (distance_) {
        const int64_t after_ns = distance_->measure_ns();
        slices->add(slice, before_ns, after_ns);
        before_ns = after_ns;
      } else {
        slices->add(slice);
      }
      const bool is_long_enough = wanted_seconds - slices->sum().seconds < kShortestSeconds;
      if (is_long_enough || is_counted_out(slices->sum().operations) || end_ns >= deadline_ns) {
        break;
      }
    }
    if (!exchange_) return;
    exchange_->skip_pause(now() - pause_begin_ns);
    exchange_->stop(now());
    result_.behind = exchange_->behind(now());
  }

  bool is_counted_out(uint64_t operations) const {
    return options_.count > 0 && operations >= options_.count;
  }

  // All but the proxy's share of a slice. Returns when it ended.
  int64_t take_slice(int64_t length_ns, int64_t pause_begin_ns, uint64_t operations_before,
                     Measured* slice) {
    if (exchange_) exchange_->begin_recording();
    if (stream_) stream_->begin_recording();
    spun_ns_ = 0;
    const double own_before = own_cpu_seconds();
    const int64_t begin_ns = now();
    if (exchange_) exchange_->skip_pause(begin_ns - pause_begin_ns);
    turn_until(begin_ns + length_ns, [this, operations_before] {
      return exchange_ && is_counted_out(operations_before + exchange_->operations());
    });
    const int64_t end_ns = now();
    const double spent_seconds = own_cpu_seconds() - own_before;
    slice->own_cpu_seconds = std::max(0.0, spent_seconds - static_cast<double>(spun_ns_) * 1e-9);
    slice->seconds = static_cast<double>(end_ns - begin_ns) * 1e-9;
    if (stream_) slice->stream_bytes = stream_->moved_bytes();
    if (exchange_) {
      slice->operations = exchange_->operations();
      slice->latency = exchange_->latency();
    }
    return end_ns;
  }

  template <typename Done>
  void turn_until(int64_t deadline_ns, Done done) {
    for (int64_t now_ns = now(); now_ns < deadline_ns && !stop_ && !done(); now_ns = now()) {
      int64_t wait_ns = std::min(kLongestWaitNs, deadline_ns - now_ns);
      if (exchange_) wait_ns = std::min(wait_ns, exchange_->on_turn(now_ns));
      if (stream_) stream_->on_turn(now_ns);
      const int ready = poller_.turn(options_.spins ? 0 : wait_ns);
      if (options_.spins && ready <= 0) spun_ns_ += now() - now_ns;
    }
  }

  Poller& poller_;
  const LoadOptions& options_;
  const std::atomic<bool>& stop_;
  int64_t spun_ns_ = 0;
  std::optional<CoreDistance> distance_;
  ErrorCounts errors_;
  LoadResult result_;
  std::optional<ExchangeLoad> exchange_;
  std::optional<StreamLoad> stream_;
};

}  // namespace

LoadResult run_load(Poller& poller, const LoadOptions& options, const std::atomic<bool>& stop) {
  return Run(poller, options, stop).run();
}

}  // namespace lb::bench
