#include <fmt/format.h>

#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr std::array<Choice<LabelOperator>, 4> kOperators = {
    {{"In", LabelOperator::kIn},
     {"NotIn", LabelOperator::kNotIn},
     {"Exists", LabelOperator::kExists},
     {"DoesNotExist", LabelOperator::kDoesNotExist}}};

void read_requirement(Reader& reader, LabelRequirement& requirement) {
  requirement.where = reader.where();
  const size_t faults_before = reader.faults().total();
  reader.text("key", NameRule::kLabelKey, requirement.key, Need::kRequired);
  reader.choice("operator", kOperators, requirement.op, Need::kRequired);
  std::vector<PlacedText> values;
  reader.texts("values", NameRule::kLabelValue, {}, values);
  for (PlacedText& value : values) requirement.values.push_back(std::move(value.text));
  if (reader.faults().total() > faults_before) return;
  const bool wants_values =
      requirement.op == LabelOperator::kIn || requirement.op == LabelOperator::kNotIn;
  if (wants_values && requirement.values.empty()) {
    reader.fault(FaultCode::kBadSelector, "values must be specified for operators In and NotIn");
  } else if (!wants_values && !requirement.values.empty()) {
    reader.fault(FaultCode::kBadSelector,
                 "values must not be specified for operators Exists and DoesNotExist");
  }
}

}  // namespace

void read_selector(Reader& reader, LabelSelector& selector) {
  reader.text_map("matchLabels", NameRule::kLabelKey, NameRule::kLabelValue, {},
                  selector.match_labels);
  reader.each("matchExpressions", {}, [&](Reader& entry) {
    LabelRequirement requirement;
    read_requirement(entry, requirement);
    selector.match_expressions.push_back(std::move(requirement));
  });
}

void read_namespaces(Reader& root, std::vector<Namespace>& namespaces) {
  root.each("namespaces", {}, [&](Reader& reader) {
    Namespace ns;
    ns.where = reader.where();
    reader.text("name", NameRule::kNamespace, ns.name, Need::kRequired);
    reader.text_map("labels", NameRule::kLabelKey, NameRule::kLabelValue, {}, ns.labels);
    const auto reserved = ns.labels.find(std::string(kNamespaceNameLabel));
    if (reserved != ns.labels.end()) {
      if (reserved->second != ns.name) {
        reader.faults().error(
            FaultCode::kReservedLabel, reader.where("labels"),
            fmt::format("label {} is the namespace's name and nothing else", kNamespaceNameLabel));
      }
      ns.labels.erase(reserved);
    }
    namespaces.push_back(std::move(ns));
  });
}

}  // namespace lb::config
