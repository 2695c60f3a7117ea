// Kubernetes manifests to a Sluice configuration: the kinds of the Gateway API that have a
// counterpart, with the names of their keys, and a word on everything that is left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lb::control {

struct ManifestFile {
  std::string name;  // for messages
  std::string text;
};

struct Converted {
  std::optional<std::string> toml;  // absent exactly when there are errors
  std::vector<std::string> errors;  // one line each, without a newline: "f.yaml:3:5: error: ..."
  std::vector<std::string> notes;   // "f.yaml:4: left out: ..."
};

// All files are one cluster: a Service and its EndpointSlices may come from different ones. The
// same files in the same order give the same text. Any bytes are safe; never throws.
Converted convert_manifests(const std::vector<ManifestFile>& files);

}  // namespace lb::control
