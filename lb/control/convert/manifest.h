// Kubernetes manifests as plain values: the YAML (or JSON) documents of a text, every value with
// its place. Keeps the YAML library behind one file, and hostile texts within bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/position.h"

namespace lb::control {

// Deeper than any manifest, shallow enough for code that recurses.
inline constexpr size_t kMaxManifestDepth = 100;
inline constexpr size_t kMaxManifestDocuments = 100'000;  // per file
inline constexpr size_t kMaxManifestNodes = 4'000'000;    // per file
// What all aliases of a file may add up to. An alias is a copy, and copies of copies multiply.
inline constexpr size_t kMaxAliasBytes = size_t{16} << 20;

// A plain `yes`, `no`, `on` or `off` is a boolean, as kubectl reads it.
struct ManifestNode {
  enum class Kind { kNull, kBoolean, kInteger, kNumber, kText, kList, kObject };

  Kind kind = Kind::kNull;
  config::SourcePosition where;  // columns count bytes here
  std::string text;              // of a scalar, as written; kInteger is within int64_t
  std::vector<std::string> keys;
  std::vector<config::SourcePosition> key_places;
  std::vector<ManifestNode> items;  // of a list, or the values of `keys`

  // The value of a key, nullptr when there is none. Linear.
  const ManifestNode* find(std::string_view key) const;
};

// For messages: "a list", "the number 5", "the text \"x\"".
std::string describe(const ManifestNode& node);

struct ManifestError {
  config::SourcePosition where;  // line 0 = the file as a whole; columns count characters
  std::string message;
};

struct ParsedManifests {
  std::vector<ManifestNode> documents;  // without the empty ones
  std::optional<ManifestError> error;   // the first; the documents are then of no use
};

// `file` goes into every position. Any bytes are safe to pass; never throws.
ParsedManifests parse_manifests(std::string_view text, uint32_t file);

}  // namespace lb::control
