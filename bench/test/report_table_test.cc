#include "bench/report_table.h"

#include "bench/svg_plot.h"
#include "test/support/catch.h"

namespace lb::bench {
namespace {

Series series(const char* name, Role role, const std::vector<double>& values) {
  Series made{name, role, {}};
  for (const double value : values) {
    Sample sample;
    sample.value = value;
    made.samples.push_back(sample);
  }
  return made;
}

Comparison small_comparison() {
  Line line;
  line.workload = "rr-64";
  line.series = {series("sluice epoll", Role::kSluice, {9, 9, 9}),
                 series("sluice io_uring", Role::kSluice, {8, 7, 6}),
                 series("haproxy", Role::kPeer, {14, 14, 14}),
                 series("nginx", Role::kPeer, {10, 10, 10}),
                 series("bare relay uring", Role::kFloor, {7, 7, 7}),
                 series("broken", Role::kPeer, {})};
  Comparison comparison;
  comparison.environment.kernel = "Linux 0";
  comparison.environment.missing = {"nginx2"};
  comparison.lines = {line};
  return comparison;
}

}  // namespace

TEST_CASE("the best of Sluice is held against the best peer and the best relay") {
  const Rows rows = ratio_rows(small_comparison());
  REQUIRE(rows.size() == 2);
  CHECK(rows[1] == std::vector<std::string>{"rr-64", "us CPU/op", "sluice io_uring: 7", "nginx: 10",
                                            "0.70 (0.60 to 0.80)", "bare relay uring: 7",
                                            "1.00 (0.86 to 1.14)"});
}

TEST_CASE("without a peer there is no ratio") {
  Comparison comparison = small_comparison();
  std::erase_if(comparison.lines[0].series,
                [](const Series& each) { return each.role == Role::kPeer; });
  CHECK(ratio_rows(comparison)[1][4] == "-");
  CHECK_NOTHROW(svg_plot(comparison));
}

TEST_CASE("medians stand in the column of their contender, a dash for who has none") {
  const Rows rows = median_rows(small_comparison());
  REQUIRE(rows.size() == 2);
  REQUIRE(rows[0].size() == rows[1].size());
  CHECK(rows[0][5] == "nginx");
  CHECK(rows[1][5] == "10");
  CHECK(rows[1].back() == "-");
}

TEST_CASE("columns are as wide as their widest cell") {
  const Rows rows = {{"a", "head"}, {"long", "b"}};
  CHECK(table_text(rows, false) == "a     head\nlong  b\n");
  CHECK(table_text(rows, true) == "| a    | head |\n|------|------|\n| long | b    |\n");
}

TEST_CASE("the page names what it was made on and what is missing") {
  const std::string page = comparison_markdown(small_comparison(), "plot.svg");
  CHECK(page.find("Linux 0") != std::string::npos);
  CHECK(page.find("not found, left out: nginx2") != std::string::npos);
  CHECK(page.find("](plot.svg)") != std::string::npos);
}

TEST_CASE("who had too few slices at the run's distance is marked, and the page counts them") {
  Comparison comparison = small_comparison();
  comparison.environment.distance_ns = 530;
  Series& nginx = comparison.lines[0].series[3];
  for (Sample& sample : nginx.samples) sample.slices_kept = 8;
  for (const size_t round : {0U, 2U}) {
    nginx.samples[round].time_share = 0.2;
    nginx.samples[round].slices_kept = 2;
    nginx.samples[round].slices_left_out = 30;
  }
  CHECK(ratio_rows(comparison)[1][3] == "nginx: 10 (?)");
  CHECK(median_rows(comparison)[1][5] == "10 (?)");
  CHECK(median_rows(comparison)[1][4] == "14");
  const std::string page = comparison_markdown(comparison, "");
  CHECK(page.find("530 ns (kept: 331 to 848)") != std::string::npos);
  CHECK(page.find("rr-64: 60 of 72") != std::string::npos);
}

TEST_CASE("a sample without a slice that counts is no value") {
  Series made = series("nginx", Role::kPeer, {0, 10, 12});
  made.samples[0].time_share = 0;
  CHECK(made.values() == std::vector<double>{10, 12});
  CHECK(made.has_enough());
}

TEST_CASE("of two tries the one with slices enough is better, then the less disturbed") {
  Sample enough;
  enough.others_busy = 0.3;
  Sample few;
  few.time_share = 0.4;
  Sample fewer;
  fewer.time_share = 0.1;
  CHECK(enough.is_better_than(few));
  CHECK_FALSE(few.is_better_than(enough));
  CHECK(few.is_better_than(fewer));
  Sample quiet = enough;
  quiet.others_busy = 0.01;
  CHECK(quiet.is_better_than(enough));
}

TEST_CASE("JSON holds every sample") {
  const nlohmann::json json = comparison_json(small_comparison());
  const nlohmann::json& contenders = json["lines"][0]["contenders"];
  CHECK(contenders["sluice io_uring"]["samples"].size() == 3);
  CHECK(contenders["sluice io_uring"]["median"] == 7);
}

TEST_CASE("the picture has a bar for each who was measured") {
  const std::string svg = svg_plot(small_comparison());
  size_t bars = 0;
  for (size_t at = svg.find("<rect x="); at != std::string::npos;
       at = svg.find("<rect x=", at + 1)) {
    ++bars;
  }
  CHECK(bars == 5);
  CHECK(svg.find("http", svg.find("xmlns") + 40) == std::string::npos);  // needs nothing else
}

}  // namespace lb::bench
