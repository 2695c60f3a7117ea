#include "bench/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "bench/workload_plan.h"
#include "lb/util/duration.h"
#include "lb/util/quantity.h"

namespace lb::bench {
namespace {

net::Address parse_host_port(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw CLI::ValidationError(text, "is not HOST:PORT");
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint16_t port = 0;
  if (!CLI::detail::lexical_cast(text.substr(colon + 1), port)) {
    throw CLI::ValidationError(text, "has no port");
  }
  const absl::StatusOr<net::Address> address = net::Address::parse(host, port);
  if (!address.ok()) throw CLI::ValidationError(text, "has no IP address");
  return *address;
}

CLI::Option* add_address(CLI::App* app, const char* name, net::Address* out, const char* help) {
  return app->add_option_function<std::string>(
      name, [out](const std::string& text) { *out = parse_host_port(text); }, help);
}

void add_duration(CLI::App* app, const char* name, int64_t* out, const char* help) {
  app->add_option_function<std::string>(
      name,
      [out](const std::string& text) {
        const std::optional<int64_t> parsed = util::parse_duration_ms(text);
        if (!parsed) throw CLI::ValidationError(text, "is not a duration such as 5s or 500ms");
        *out = *parsed;
      },
      help);
}

void add_size(CLI::App* app, uint32_t* out) {
  app->add_option_function<std::string>(
      "--size",
      [out](const std::string& text) {
        const std::optional<uint64_t> parsed = util::parse_quantity(text);
        if (!parsed || *parsed == 0 || *parsed > (uint64_t{1} << 30)) {
          throw CLI::ValidationError(text, "is not a size from 1 to 1Gi");
        }
        *out = static_cast<uint32_t>(*parsed);
      },
      "bytes of a message, each way (64)");
}

void add_load(CLI::App* app, Options* options) {
  LoadOptions& load = options->load;
  add_address(app, "--target", &load.target, "HOST:PORT of the proxy");
  add_address(app, "--with-backend", &options->listen,
              "HOST:PORT on which to be the backend as well; without --target, its target");
  const std::map<std::string, Workload> workloads = {{"rr", Workload::kRR},
                                                     {"crr", Workload::kCRR},
                                                     {"stream", Workload::kStream},
                                                     {"idle", Workload::kIdle},
                                                     {"mixed", Workload::kMixed}};
  app->add_option("--workload", load.workload, "rr, crr, stream, idle or mixed (rr)")
      ->transform(CLI::CheckedTransformer(workloads));
  const std::map<std::string, Direction> directions = {
      {"up", Direction::kUp}, {"down", Direction::kDown}, {"both", Direction::kBoth}};
  app->add_option("--direction", load.direction, "of streams: up, down or both (down)")
      ->transform(CLI::CheckedTransformer(directions));
  app->add_option("--connections", load.connections, "connections, or flows of stream (64)")
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("--streams", load.streams, "flows of mixed (4)")->check(CLI::Range(1, 100'000));
  add_size(app, &load.size_bytes);
  app->add_option_function<std::vector<std::string>>(
         "--sources",
         [&load](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             const absl::StatusOr<net::Address> address = net::Address::parse(text, 0);
             if (!address.ok()) throw CLI::ValidationError(text, "is not an IP address");
             load.sources.push_back(*address);
           }
         },
         "source addresses, used in turn")
      ->delimiter(',');
  add_duration(app, "--duration", &load.duration_ms, "of the measurement (5s)");
  add_duration(app, "--warmup", &load.warmup_ms, "before it (500ms)");
  app->add_option("--count", load.count, "ends after so many operations");
  app->add_option("--rate", load.rate,
                  "operations a second; latency then counts from the intended time")
      ->check(CLI::Range(0.0, 1e8));
  app->add_flag("--spin", load.spins,
                "never sleeps, which keeps waking it out of the proxy's cost");
  app->add_option("--pid", load.pids, "a process to charge, with its children; may repeat");
  app->add_option("--proxy-cpu", load.proxy_cpu,
                  "where the proxy is: leaves out slices during which that CPU and the load's came "
                  "nearer or went farther apart");
  app->add_option("--distance", load.distance_ns,
                  "nanoseconds between them, there and back (those at the beginning)");
  app->add_flag("--json", options->json, "prints JSON");
}

void add_compare(CLI::App* app, Options* options, bool* quick) {
  CompareOptions& compare = options->compare;
  std::string names;
  for (const WorkloadPlan& plan : workload_plans()) names += " " + plan.name;
  app->add_option("--rounds", compare.rounds, "(5)")->check(CLI::Range(1, 1000));
  app->add_option("--workloads", compare.workloads, "some of:" + names)->delimiter(',');
  app->add_option("--contenders", compare.contenders, "beginnings of their names")->delimiter(',');
  app->add_option("--attempts", compare.attempts,
                  "at a measurement while others use more than 5 percent of a core, or while the "
                  "cores are elsewhere (3)")
      ->check(CLI::Range(1, 100));
  add_duration(app, "--duration", &compare.duration_ms, "of one measurement (2s)");
  app->add_option("--sluice", compare.sluice_path, "the program (the one beside this)");
  app->add_option("--proxy-cpu", compare.proxy_cpu, "(the first usable)");
  app->add_option("--load-cpu", compare.load_cpu, "(the second usable)");
  app->add_option("--distance", compare.distance_ns,
                  "nanoseconds from one of them to the other and back, while it counts (the most "
                  "common at the beginning)");
  app->add_flag("--quick", *quick, "two short rounds, to see whether it works");
  app->add_option("--json", options->json_path, "a file for everything that was measured");
  app->add_option("--plot", options->plot_path, "a file for a picture (SVG)");
  app->add_option("--markdown", options->markdown_path, "a file for a page of results");
}

void check_workloads(const CompareOptions& compare) {
  std::vector<std::string> unknown;
  choose_plans(compare.workloads, &unknown);
  if (!unknown.empty()) throw CLI::ValidationError(unknown.front(), "is no workload");
}

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  Options options;
  bool quick = false;
  CLI::App app("Drives a TCP proxy from the outside and tells what it costs.", "sluice-bench");
  app.require_subcommand(1);
  CLI::App* load = app.add_subcommand("load", "loads a proxy, or a backend directly");
  CLI::App* backend = app.add_subcommand("backend", "serves what load asks for");
  CLI::App* relay = app.add_subcommand("relay", "a bare relay: the floor of compare");
  CLI::App* compare = app.add_subcommand("compare", "Sluice and its peers, side by side");
  add_load(load, &options);
  add_address(backend, "--listen", &options.listen, "HOST:PORT")->required();
  add_address(relay, "--listen", &options.listen, "HOST:PORT")->required();
  relay
      ->add_option_function<std::vector<std::string>>(
          "--to",
          [&options](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) options.to.push_back(parse_host_port(text));
          },
          "HOST:PORT, dialled in turn")
      ->required();
  relay->add_option("--by", options.by, "(epoll)")
      ->check(CLI::IsMember({"epoll", "splice", "uring"}));
  add_compare(compare, &options, &quick);
  try {
    app.parse(argc, argv);
    if (load->parsed() && options.load.target == net::Address() &&
        options.listen == net::Address()) {
      throw CLI::RequiredError("--target or --with-backend");
    }
    check_workloads(options.compare);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : 2};
  }
  options.command = load->parsed()      ? Command::kLoad
                    : backend->parsed() ? Command::kBackend
                    : relay->parsed()   ? Command::kRelay
                                        : Command::kCompare;
  if (quick) {
    if (compare->count("--rounds") == 0) options.compare.rounds = 2;
    if (compare->count("--duration") == 0) options.compare.duration_ms = 300;
    options.compare.warmup_ms = 100;
    options.compare.distance_sampling_ms = 300;
  }
  options.compare.command = "sluice-bench";
  for (int i = 1; i < argc; ++i) options.compare.command += fmt::format(" {}", argv[i]);
  return {std::move(options), 0};
}

}  // namespace lb::bench
