#include "bench/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace lb::bench {
namespace {

constexpr double kLabelWidth = 190;
constexpr double kNameWidth = 170;
constexpr double kUnitWidth = 330;  // of the best peer's cost
constexpr double kMostUnits = 1.6;  // longer bars are cut
constexpr double kBarHeight = 14;
constexpr double kGap = 12;
constexpr double kTop = 40;

const char* colour_of(Role role) {
  if (role == Role::kSluice) return "#1f77b4";
  return role == Role::kPeer ? "#b0b0b0" : "#e3c07a";
}

std::string text_at(double x, double y, const std::string& text, const char* more = "") {
  return fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" {}>{}</text>\n", x, y, more, text);
}

void add_bar(const Series& series, double base, double y, std::string* svg) {
  const double units = series.median_value() / base;
  const double left = kLabelWidth + kNameWidth;
  const double width = std::clamp(units, 0.0, kMostUnits) * kUnitWidth;
  *svg += text_at(left - 6, y + kBarHeight - 3, series.contender, "text-anchor=\"end\"");
  fmt::format_to(std::back_inserter(*svg),
                 "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                 "fill=\"{}\"/>\n",
                 left, y, width, kBarHeight - 3, colour_of(series.role));
  *svg += text_at(left + width + 4, y + kBarHeight - 3, fmt::format("{:.2f}", units));
}

}  // namespace

std::string svg_plot(const Comparison& comparison) {
  std::string bars;
  double y = kTop;
  for (const Line& line : comparison.lines) {
    const Series* peer = line.best(Role::kPeer);
    if (peer == nullptr) peer = line.best(Role::kSluice);
    if (peer == nullptr || peer->median_value() <= 0) continue;
    bars +=
        text_at(8, y + kBarHeight - 3, fmt::format("{}, {}", line.workload, unit_of(line.metric)),
                "font-weight=\"bold\"");
    for (const Series& series : line.series) {
      if (series.values().empty()) continue;
      add_bar(series, peer->median_value(), y, &bars);
      y += kBarHeight;
    }
    y += kGap;
  }
  const double left = kLabelWidth + kNameWidth;
  const double width = left + kMostUnits * kUnitWidth + 50;
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\"\n"
      "font-family=\"sans-serif\" font-size=\"11\">\n"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"white\"/>\n{2}{3}"
      "<line x1=\"{4:.0f}\" y1=\"{5:.0f}\" x2=\"{4:.0f}\" y2=\"{1:.0f}\" stroke=\"#444\" "
      "stroke-dasharray=\"3 3\"/>\n</svg>\n",
      width, y, text_at(8, 20, "Cost relative to the best peer (dashed line); shorter is better"),
      bars, left + kUnitWidth, kTop - 8);
}

}  // namespace lb::bench
