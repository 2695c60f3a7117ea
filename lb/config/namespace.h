// Namespaces as the file says them. One that is only used and never described exists all the same,
// with no label but the implied one.
#pragma once

#include <string>

#include "lb/config/label_selector.h"
#include "lb/config/position.h"

namespace lb::config {

struct Namespace {
  std::string name;
  Labels labels;  // without kNamespaceNameLabel
  SourcePosition where;
};

}  // namespace lb::config
