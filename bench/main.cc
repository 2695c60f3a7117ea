// sluice-bench: load, backend, bare relays and comparison.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "bench/backend.h"
#include "bench/bare_relay.h"
#include "bench/child_process.h"
#include "bench/compare.h"
#include "bench/load.h"
#include "bench/load_report.h"
#include "bench/options.h"
#include "bench/report_table.h"
#include "bench/svg_plot.h"

namespace lb::bench {
namespace {

constexpr int64_t kTurnNs = 100'000'000;

// A signal handler can reach nothing else.
std::atomic<bool> stop = false;

void on_signal(int) { stop = true; }

void handle_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int fail(const char* what, int error) {
  fmt::print(stderr, "sluice-bench: {}: {}\n", what, std::strerror(-error));
  return 1;
}

int run_backend(const Options& options) {
  Poller poller;
  std::unique_ptr<Backend> backend;
  const int error = Backend::start(poller, options.listen, &backend);
  if (error < 0) return fail("cannot listen", error);
  fmt::print("{}\n", backend->address().to_string());
  std::fflush(stdout);
  while (!stop) poller.turn(kTurnNs);
  return 0;
}

int run_relay(const Options& options) {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  const auto relay = options.by == "uring"    ? relay_by_uring
                     : options.by == "splice" ? relay_by_splice
                                              : relay_by_epoll;
  return fail("the relay ended", relay(options.listen, options.to));
}

int run_load_command(Options options) {
  Poller poller;
  std::unique_ptr<Backend> backend;
  if (options.listen != net::Address()) {
    const int error = Backend::start(poller, options.listen, &backend);
    if (error < 0) return fail("cannot listen", error);
    if (options.load.target == net::Address()) options.load.target = backend->address();
  }
  const LoadResult result = run_load(poller, options.load, stop);
  if (options.json) {
    fmt::print("{}\n", report_json(options.load, result).dump(2));
  } else {
    fmt::print("{}", report_text(options.load, result));
  }
  const uint64_t backend_errors = backend ? backend->errors().total() : 0;
  if (backend_errors > 0) fmt::print(stderr, "the backend met {} errors\n", backend_errors);
  return result.connections == 0 || result.errors.total() + backend_errors > 0 ? 1 : 0;
}

bool write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return true;
  std::ofstream file(path);
  file << text;
  file.flush();
  if (!file) fmt::print(stderr, "sluice-bench: cannot write {}\n", path);
  return static_cast<bool>(file);
}

int run_compare(const Options& options) {
  const Comparison comparison = run_comparison(options.compare, stop);
  fmt::print("{}", comparison_text(comparison));
  const std::string plot = std::filesystem::path(options.plot_path).filename();
  bool is_written = write_file(options.json_path, comparison_json(comparison).dump(2) + "\n");
  is_written = write_file(options.plot_path, svg_plot(comparison)) && is_written;
  is_written =
      write_file(options.markdown_path, comparison_markdown(comparison, plot)) && is_written;
  return is_written && !stop ? 0 : 1;
}

}  // namespace
}  // namespace lb::bench

int main(int argc, char** argv) {
  const lb::bench::ParsedOptions parsed = lb::bench::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  lb::bench::handle_signals();
  lb::bench::raise_open_file_limit();
  switch (parsed.options->command) {
    case lb::bench::Command::kBackend:
      return lb::bench::run_backend(*parsed.options);
    case lb::bench::Command::kRelay:
      return lb::bench::run_relay(*parsed.options);
    case lb::bench::Command::kCompare:
      return lb::bench::run_compare(*parsed.options);
    case lb::bench::Command::kLoad:
      break;
  }
  return lb::bench::run_load_command(*parsed.options);
}
