#include "bench/workload_plan.h"

#include <algorithm>
#include <cstdint>

namespace lb::bench {
namespace {

WorkloadPlan exchange(const char* name, Workload workload, uint32_t connections,
                      uint32_t size_bytes) {
  WorkloadPlan plan;
  plan.name = name;
  plan.load.workload = workload;
  plan.load.connections = connections;
  plan.load.size_bytes = size_bytes;
  return plan;
}

WorkloadPlan stream(const char* name, uint32_t flows, Direction direction) {
  WorkloadPlan plan = exchange(name, Workload::kStream, flows, 0);
  plan.metric = Metric::kCPUPerGB;
  plan.load.direction = direction;
  return plan;
}

std::vector<WorkloadPlan> make_plans() {
  std::vector<WorkloadPlan> plans = {
      exchange("rr-64", Workload::kRR, 64, 64),      exchange("rr-512", Workload::kRR, 512, 64),
      exchange("rr-64-4k", Workload::kRR, 64, 4096), exchange("rr-4500", Workload::kRR, 4500, 64),
      exchange("crr-64", Workload::kCRR, 64, 64),    stream("stream-1-down", 1, Direction::kDown),
      stream("stream-1-up", 1, Direction::kUp),      stream("stream-16", 16, Direction::kDown),
      exchange("mixed", Workload::kMixed, 64, 64),   exchange("latency", Workload::kRR, 64, 64),
      exchange("idle", Workload::kIdle, 4000, 64),
  };
  for (WorkloadPlan& plan : plans) {
    if (plan.name == "mixed") plan.metric = Metric::kCPUPerGB;
    if (plan.name == "idle") {
      plan.metric = Metric::kBytesPerConnection;
      plan.load.duration_ms = 500;
    }
    if (plan.name == "latency") {
      plan.metric = Metric::kLatency;
      plan.rate_share = 0.7;
      plan.rate_of = "rr-64";
    }
  }
  return plans;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

const std::vector<WorkloadPlan>& workload_plans() {
  static const std::vector<WorkloadPlan> kPlans = make_plans();
  return kPlans;
}

std::vector<WorkloadPlan> choose_plans(const std::vector<std::string>& names,
                                       std::vector<std::string>* unknown) {
  std::vector<std::string> wanted = names;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(workload_plans().begin(), workload_plans().end(),
                     [&name](const WorkloadPlan& plan) { return plan.name == name; });
    if (found == workload_plans().end()) {
      unknown->push_back(name);
    } else if (!found->rate_of.empty()) {
      wanted.push_back(found->rate_of);
    }
  }
  std::vector<WorkloadPlan> chosen;
  for (const WorkloadPlan& plan : workload_plans()) {
    if (names.empty() || contains(wanted, plan.name)) chosen.push_back(plan);
  }
  return chosen;
}

}  // namespace lb::bench
