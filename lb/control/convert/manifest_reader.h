// One object of a manifest while it is read: gives its fields by name and type, and knows which of
// them nobody has asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/control/convert/convert_report.h"
#include "lb/control/convert/manifest.h"

namespace lb::control {

// Every getter claims its field. A field that is absent or null gives nothing; one of the wrong
// type gives nothing and is an error in the report.
class ManifestReader {
 public:
  // `owner` is what messages call the manifest, "Gateway default/edge". All must outlive this.
  ManifestReader(const ManifestNode& object, std::string_view owner, ConvertReport& report)
      : node_(object), owner_(owner), report_(report), claimed_(object.keys.size()) {}

  config::SourcePosition where() const { return node_.where; }
  // Where a field stands; where the object does, when it has none of the name.
  config::SourcePosition where(std::string_view key) const;
  std::string_view owner() const { return owner_; }
  ConvertReport& report() { return report_; }

  // "spec.listeners[0].port".
  std::string path(std::string_view key) const;

  std::optional<std::string> text(std::string_view key);
  std::optional<std::string> required_text(std::string_view key);
  std::optional<int64_t> integer(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  // Any type; nullptr when absent or null.
  const ManifestNode* any(std::string_view key);

  // Reads a field that is an object, and names what `read(ManifestReader&)` has not claimed of it.
  // False when there is none.
  template <typename Read>
  bool object(std::string_view key, Read read) {
    const ManifestNode* node = typed(key, ManifestNode::Kind::kObject);
    if (node == nullptr) return false;
    ManifestReader child(*node, *this, std::string(key));
    read(child);
    child.leave_out_the_rest();
    return true;
  }

  // The same for each object of a list. Messages say "[0]", or "[]" when there can be thousands.
  enum class Numbering { kEach, kNone };
  template <typename Read>
  void each(std::string_view key, Read read, Numbering numbering = Numbering::kEach) {
    const ManifestNode* list = typed(key, ManifestNode::Kind::kList);
    if (list == nullptr) return;
    for (size_t i = 0; i < list->items.size(); ++i) {
      const ManifestNode& item = list->items[i];
      std::string name =
          element(key, numbering == Numbering::kEach ? std::optional(i) : std::nullopt);
      if (item.kind != ManifestNode::Kind::kObject) {
        wrong_type(item, name, "an object");
        continue;
      }
      ManifestReader child(item, *this, std::move(name));
      read(child);
      child.leave_out_the_rest();
    }
  }

  std::vector<std::string> texts(std::string_view key);  // a list of them
  // An object of texts, such as labels, in the order of the manifest.
  std::vector<std::pair<std::string, std::string>> text_map(std::string_view key);

  // Names a field as left out, when it is there and not empty.
  void leave_out(std::string_view key, std::string_view why);
  // Claims a field that the cluster writes, or that says nothing.
  void ignore(std::string_view key);
  void leave_out_the_rest();
  // When the object as a whole has been named.
  void ignore_the_rest() { claimed_.assign(claimed_.size(), true); }

  void wrong_type(const ManifestNode& node, std::string_view key, std::string_view wanted);

 private:
  ManifestReader(const ManifestNode& object, const ManifestReader& parent, std::string name)
      : node_(object),
        owner_(parent.owner_),
        report_(parent.report_),
        claimed_(object.keys.size()),
        parent_(&parent),
        name_(std::move(name)) {}

  const ManifestNode* typed(std::string_view key, ManifestNode::Kind kind);
  static std::string element(std::string_view key, std::optional<size_t> index);

  const ManifestNode& node_;
  const std::string_view owner_;
  ConvertReport& report_;
  std::vector<bool> claimed_;
  const ManifestReader* parent_ = nullptr;
  std::string name_;
};

}  // namespace lb::control
