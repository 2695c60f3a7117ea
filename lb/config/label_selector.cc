#include "lb/config/label_selector.h"

#include <algorithm>

namespace lb::config {
namespace {

bool matches(const LabelRequirement& requirement, const Labels& labels) {
  const auto label = labels.find(requirement.key);
  const bool exists = label != labels.end();
  const auto is_listed = [&] {
    const std::vector<std::string>& values = requirement.values;
    return std::find(values.begin(), values.end(), label->second) != values.end();
  };
  switch (requirement.op) {
    case LabelOperator::kIn:
      return exists && is_listed();
    case LabelOperator::kNotIn:
      return !exists || !is_listed();
    case LabelOperator::kExists:
      return exists;
    case LabelOperator::kDoesNotExist:
      return !exists;
  }
  return false;
}

}  // namespace

bool matches(const LabelSelector& selector, const Labels& labels) {
  const auto has_label = [&](const Labels::value_type& wanted) {
    const auto label = labels.find(wanted.first);
    return label != labels.end() && label->second == wanted.second;
  };
  return std::all_of(selector.match_labels.begin(), selector.match_labels.end(), has_label) &&
         std::all_of(selector.match_expressions.begin(), selector.match_expressions.end(),
                     [&](const LabelRequirement& each) { return matches(each, labels); });
}

}  // namespace lb::config
