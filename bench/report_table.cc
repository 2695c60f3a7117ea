#include "bench/report_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "bench/core_distance.h"

namespace lb::bench {
namespace {

std::string number(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  if (value >= 100) return fmt::format("{:.1f}", value);
  return fmt::format("{:.3g}", value);
}

// With a mark where the samples are too short.
std::string median_text(const Series& series) {
  return number(series.median_value()) + (series.has_enough() ? "" : " (?)");
}

std::string ratio_cell(const Series* ours, const Series* theirs) {
  if (ours == nullptr || theirs == nullptr) return "-";
  const Ratio ratio = ratio_of(ours->values_by_round(), theirs->values_by_round());
  if (ratio.value <= 0) return "-";
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", ratio.value, ratio.lowest, ratio.highest);
}

std::string median_cell(const Series* series) {
  if (series == nullptr) return "-";
  return fmt::format("{}: {}", series->contender, median_text(*series));
}

double median_of(const Series& series, double Sample::*which) {
  return median(series.values_of(which));
}

std::vector<std::string> contender_names(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const Line& line : comparison.lines) {
    for (const Series& series : line.series) {
      if (std::find(names.begin(), names.end(), series.contender) == names.end()) {
        names.push_back(series.contender);
      }
    }
  }
  return names;
}

// Columns are of terminal characters; all text is ASCII.
std::vector<size_t> widths_of(const Rows& rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  return widths;
}

std::string disturbance_text(const Comparison& comparison) {
  size_t samples = 0;
  size_t disturbed = 0;
  for (const Line& line : comparison.lines) {
    for (const Series& series : line.series) {
      samples += series.samples.size();
      disturbed += static_cast<size_t>(
          std::count_if(series.samples.begin(), series.samples.end(),
                        [](const Sample& sample) { return sample.others_busy > kQuietShare; }));
    }
  }
  return fmt::format(
      "- in {} of {} measurements somebody else used more than {:.0f} percent of the "
      "proxy's core\n",
      disturbed, samples, 100 * kQuietShare);
}

uint64_t slices_of(const Line& line, uint32_t Sample::*which) {
  uint64_t sum = 0;
  for (const Series& series : line.series) {
    for (const Sample& sample : series.samples) sum += sample.*which;
  }
  return sum;
}

std::string slices_text(const Comparison& comparison) {
  std::string text = fmt::format("- {}\n", distance_text(comparison.environment.distance_ns));
  if (comparison.environment.distance_ns == 0) return text;
  std::string by_line;
  bool is_short = false;
  for (const Line& line : comparison.lines) {
    const uint64_t left_out = slices_of(line, &Sample::slices_left_out);
    by_line += fmt::format("{} {}: {} of {}", by_line.empty() ? "" : ",", line.workload, left_out,
                           left_out + slices_of(line, &Sample::slices_kept));
    is_short = is_short || std::any_of(line.series.begin(), line.series.end(),
                                       [](const Series& each) { return !each.has_enough(); });
  }
  text += fmt::format("- slices of a measurement left out at another distance:{}\n", by_line);
  if (is_short) {
    text += fmt::format(
        "- (?): most measurements had less than {:.0f} percent of their time at this distance\n",
        100 * kEnoughShare);
  }
  return text;
}

std::string environment_text(const Comparison& comparison) {
  const Environment& environment = comparison.environment;
  std::string text =
      fmt::format("- command: `{}`\n- kernel: {}\n- CPU: {}; {}\n", environment.command,
                  environment.kernel, environment.cpu, environment.cpus_used);
  for (const std::string& version : environment.versions) text += fmt::format("- {}\n", version);
  for (const std::string& name : environment.missing) {
    text += fmt::format("- not found, left out: {}\n", name);
  }
  return text + disturbance_text(comparison) + slices_text(comparison);
}

}  // namespace

std::string distance_text(int64_t distance_ns) {
  if (distance_ns == 0) return "a cache line's round trip between the two cores: not measured";
  const DistanceRange range(distance_ns);
  return fmt::format("a cache line's round trip between the two cores: {} ns (kept: {} to {})",
                     distance_ns, range.lowest_ns(), range.highest_ns());
}

Rows ratio_rows(const Comparison& comparison) {
  Rows rows = {{"workload", "unit", "best of Sluice", "best peer", "to the best peer",
                "best bare relay", "to the bare relay"}};
  for (const Line& line : comparison.lines) {
    const Series* ours = line.best(Role::kSluice);
    const Series* peer = line.best(Role::kPeer);
    const Series* floor = line.best(Role::kFloor);
    rows.push_back({line.workload, unit_of(line.metric), median_cell(ours), median_cell(peer),
                    ratio_cell(ours, peer), median_cell(floor), ratio_cell(ours, floor)});
  }
  return rows;
}

Rows median_rows(const Comparison& comparison) {
  const std::vector<std::string> names = contender_names(comparison);
  Rows rows = {{"workload", "unit"}};
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (const Line& line : comparison.lines) {
    std::vector<std::string> row = {line.workload, unit_of(line.metric)};
    for (const std::string& name : names) {
      const auto found =
          std::find_if(line.series.begin(), line.series.end(),
                       [&name](const Series& series) { return series.contender == name; });
      const bool is_measured = found != line.series.end() && !found->values().empty();
      row.push_back(is_measured ? median_text(*found) : "-");
    }
    rows.push_back(row);
  }
  return rows;
}

Rows detail_rows(const Comparison& comparison) {
  Rows rows = {{"workload", "contender", "median", "lowest", "highest", "rate", "p50 us", "p99 us",
                "proxy core", "load core", "others", "errors"}};
  for (const Line& line : comparison.lines) {
    for (const Series& series : line.series) {
      const std::vector<double> values = series.values();
      if (values.empty()) continue;
      uint64_t errors = 0;
      for (const Sample& sample : series.samples) errors += sample.errors;
      rows.push_back({line.workload, series.contender, median_text(series),
                      number(*std::min_element(values.begin(), values.end())),
                      number(*std::max_element(values.begin(), values.end())),
                      number(median_of(series, &Sample::rate)),
                      number(median_of(series, &Sample::p50_us)),
                      number(median_of(series, &Sample::p99_us)),
                      fmt::format("{:.0f}%", 100 * median_of(series, &Sample::proxy_busy)),
                      fmt::format("{:.0f}%", 100 * median_of(series, &Sample::load_busy)),
                      fmt::format("{:.0f}%", 100 * median_of(series, &Sample::others_busy)),
                      fmt::format("{}", errors)});
    }
  }
  return rows;
}

std::string table_text(const Rows& rows, bool markdown) {
  const std::vector<size_t> widths = widths_of(rows);
  std::string text;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string line = markdown ? "|" : "";
    for (size_t column = 0; column < rows[i].size(); ++column) {
      line += fmt::format("{}{:<{}}{}", markdown ? " " : "", rows[i][column], widths[column],
                          markdown ? " |" : "  ");
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (!markdown || i > 0) continue;
    text += "|";
    for (const size_t width : widths) text += std::string(width + 2, '-') + "|";
    text += "\n";
  }
  return text;
}

std::string comparison_text(const Comparison& comparison) {
  return fmt::format(
      "{}\n{}\n{}\n{}", environment_text(comparison), table_text(detail_rows(comparison), false),
      table_text(median_rows(comparison), false), table_text(ratio_rows(comparison), false));
}

std::string comparison_markdown(const Comparison& comparison, const std::string& plot) {
  const std::string picture =
      plot.empty() ? "" : fmt::format("![Cost relative to the best peer]({})\n\n", plot);
  return fmt::format(
      "# Results\n\nMade by `sluice-bench compare`. One worker on one core; lower is better; "
      "medians "
      "of interleaved\nrounds, in brackets the lowest and highest ratio of a round.\n\n{}\n"
      "{}\n{}## Medians\n\n{}\n## Details\n\n{}",
      environment_text(comparison), table_text(ratio_rows(comparison), true), picture,
      table_text(median_rows(comparison), true), table_text(detail_rows(comparison), true));
}

nlohmann::json comparison_json(const Comparison& comparison) {
  const Environment& environment = comparison.environment;
  nlohmann::json lines = nlohmann::json::array();
  for (const Line& line : comparison.lines) {
    nlohmann::json contenders = nlohmann::json::object();
    for (const Series& series : line.series) {
      nlohmann::json samples = nlohmann::json::array();
      for (const Sample& sample : series.samples) {
        samples.push_back({{"value", sample.value},
                           {"rate", sample.rate},
                           {"p50_us", sample.p50_us},
                           {"p99_us", sample.p99_us},
                           {"proxy_busy", sample.proxy_busy},
                           {"load_busy", sample.load_busy},
                           {"others_busy", sample.others_busy},
                           {"time_share", sample.time_share},
                           {"slices_kept", sample.slices_kept},
                           {"slices_left_out", sample.slices_left_out},
                           {"errors", sample.errors}});
      }
      contenders[series.contender] = {{"median", series.median_value()}, {"samples", samples}};
    }
    lines.push_back(
        {{"workload", line.workload}, {"unit", unit_of(line.metric)}, {"contenders", contenders}});
  }
  return {{"kernel", environment.kernel},       {"cpu", environment.cpu},
          {"cpus_used", environment.cpus_used}, {"distance_ns", environment.distance_ns},
          {"command", environment.command},     {"versions", environment.versions},
          {"missing", environment.missing},     {"lines", lines}};
}

}  // namespace lb::bench
