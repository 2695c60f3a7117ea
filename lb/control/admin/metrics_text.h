// Writes Prometheus text (exposition format 0.0.4): families with their HELP and TYPE, samples with
// escaped labels. Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace lb::control {

class MetricsText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  enum class Type { kCounter, kGauge };

  // Begins a family; its samples follow. A family appears once.
  void family(std::string_view name, Type type, std::string_view help);
  // A sample of the family.
  void sample(Labels labels, uint64_t value);
  void sample(Labels labels, double value);

  std::string take() { return std::move(text_); }

 private:
  void write_name(Labels labels);

  std::string name_;
  std::string text_;
};

}  // namespace lb::control
