// The workloads that `compare` knows, by name.
#pragma once

#include <string>
#include <vector>

#include "bench/comparison.h"
#include "bench/load_options.h"

namespace lb::bench {

struct WorkloadPlan {
  std::string name;
  Metric metric = Metric::kCPUPerOperation;
  LoadOptions load = {};
  // The load's rate as a share of the best peer's median at `rate_of`; 0 = as fast as it goes.
  double rate_share = 0;
  std::string rate_of = {};
};

const std::vector<WorkloadPlan>& workload_plans();

// Those of the names, in the order of workload_plans(), with what they depend on; all of them when
// there are no names. An unknown name is put into `unknown`.
std::vector<WorkloadPlan> choose_plans(const std::vector<std::string>& names,
                                       std::vector<std::string>* unknown);

}  // namespace lb::bench
