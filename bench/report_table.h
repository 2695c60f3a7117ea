// A comparison as tables: for the terminal, as a page, and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/comparison.h"

namespace lb::bench {

using Rows = std::vector<std::vector<std::string>>;

// A sentence for people; 0 = not measured.
std::string distance_text(int64_t distance_ns);

// One row a workload: the best of Sluice against the best peer and the best bare relay, each as
// "ratio (lowest to highest of the rounds)".
Rows ratio_rows(const Comparison& comparison);
// One row a workload, one column a contender: medians.
Rows median_rows(const Comparison& comparison);
// One row for each workload and contender: rate, latency, use of both cores, errors.
Rows detail_rows(const Comparison& comparison);

// The first row is the head. Columns are padded; as `markdown` it is a table of that.
std::string table_text(const Rows& rows, bool markdown);

std::string comparison_text(const Comparison& comparison);
// `plot` is the name of the picture beside the page; empty = none.
std::string comparison_markdown(const Comparison& comparison, const std::string& plot);
nlohmann::json comparison_json(const Comparison& comparison);

}  // namespace lb::bench
