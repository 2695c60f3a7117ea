// What a run of load came to, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/load.h"
#include "bench/load_options.h"

namespace lb::bench {

const char* workload_name(Workload workload);
const char* direction_name(Direction direction);

// In the units of the names: microseconds of CPU per operation, seconds per 10^9 bytes. 0 when
// there was nothing to divide by.
double cpu_us_per_operation(const LoadResult& result);
double cpu_seconds_per_gb(const LoadResult& result);

std::string report_text(const LoadOptions& options, const LoadResult& result);
nlohmann::json report_json(const LoadOptions& options, const LoadResult& result);

}  // namespace lb::bench
