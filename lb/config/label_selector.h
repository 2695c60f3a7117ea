// Labels of namespaces and selections by them, with the meaning that Kubernetes gives to its
// LabelSelector.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/position.h"

namespace lb::config {

using Labels = std::map<std::string, std::string>;

// Every namespace has this label without being given it; its value is the namespace's name.
inline constexpr std::string_view kNamespaceNameLabel = "kubernetes.io/metadata.name";

enum class LabelOperator { kIn, kNotIn, kExists, kDoesNotExist };

struct LabelRequirement {
  std::string key;
  LabelOperator op = LabelOperator::kIn;
  std::vector<std::string> values;  // at least 1 for In and NotIn, none for the others
  SourcePosition where;
};

// All of it must hold; an empty selector selects everything.
struct LabelSelector {
  Labels match_labels;
  std::vector<LabelRequirement> match_expressions;
};

// NotIn and DoesNotExist hold where there is no such label.
bool matches(const LabelSelector& selector, const Labels& labels);

}  // namespace lb::config
