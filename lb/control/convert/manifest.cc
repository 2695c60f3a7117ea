// The one file that sees the YAML library. It works on the library's events, so that aliases are
// ours to bound, and its exceptions end here.
#include "lb/control/convert/manifest.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lb/control/convert/manifest_text.h"

namespace lb::control {
namespace {

using Kind = ManifestNode::Kind;

constexpr std::string_view kMergeKey = "<<";

std::string too_many_values() { return fmt::format("more than {} values", kMaxManifestNodes); }

size_t memory_of(const ManifestNode& node) {
  size_t bytes = sizeof(ManifestNode) + node.text.size();
  for (const std::string& key : node.keys) {
    bytes += sizeof(std::string) + sizeof(config::SourcePosition) + key.size();
  }
  for (const ManifestNode& item : node.items) bytes += memory_of(item);
  return bytes;
}

// Builds the documents from the parser's events. After the first fault it takes no more.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const ManifestText& text, uint32_t file) : text_(text), file_(file) {}

  bool failed() const { return error_.has_value(); }
  void fail(config::SourcePosition where, std::string message) {
    if (!failed()) error_ = ManifestError{where, std::move(message)};
  }
  config::SourcePosition place(const YAML::Mark& mark) const {
    return {file_, static_cast<uint32_t>(mark.line) + 1, static_cast<uint32_t>(mark.column) + 1};
  }
  std::vector<ManifestNode> take_documents() { return std::move(documents_); }
  std::optional<ManifestError> take_error() { return std::move(error_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    anchors_.clear();
    // The parser begins another document at whatever it cannot make sense of, for ever at some.
    if (documents_seen_ > 0 && !text_.line_begins_document(place(mark).line)) {
      fail(place(mark),
           "nothing more is expected here; another document begins with a line \"---\"");
    }
    if (++documents_seen_ > kMaxManifestDocuments) {
      fail(place(mark), fmt::format("more than {} documents", kMaxManifestDocuments));
    }
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(scalar(mark, Kind::kNull, ""), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str";
    add(scalar(mark, is_text ? Kind::kText : plain_scalar_kind(value), value), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed()) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      fail(place(mark), "an alias inside of what it stands for");
      return;
    }
    if (charge_copy(found->second, place(mark))) add(found->second, YAML::NullAnchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, Kind::kList, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, Kind::kObject, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    ManifestNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    absl::flat_hash_set<std::string> keys;
    bool has_key = false;  // the last of node.keys waits for its value
  };

  ManifestNode scalar(const YAML::Mark& mark, Kind kind, const std::string& value) const {
    ManifestNode node;
    node.kind = kind;
    node.where = place(mark);
    node.text = value;
    return node;
  }

  void open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor) {
    if (failed()) return;
    if (open_.size() >= kMaxManifestDepth) {
      fail(place(mark), fmt::format("nested deeper than {} levels", kMaxManifestDepth));
      return;
    }
    open_.push_back({scalar(mark, kind, ""), anchor, {}, false});
  }

  void close() {
    if (failed()) return;
    Open closed = std::move(open_.back());
    open_.pop_back();
    if (!closed.node.keys.empty()) merge(closed.node);
    add(std::move(closed.node), closed.anchor);
  }

  void add(ManifestNode node, YAML::anchor_t anchor) {
    if (failed()) return;
    if (++nodes_ > kMaxManifestNodes) {
      fail(node.where, too_many_values());
      return;
    }
    if (anchor != YAML::NullAnchor) {
      if (!charge_copy(node, node.where)) return;
      anchors_[anchor] = node;
    }
    if (open_.empty()) {
      if (node.kind != Kind::kNull) documents_.push_back(std::move(node));
    } else if (open_.back().node.kind == Kind::kObject && !open_.back().has_key) {
      add_key(open_.back(), node);
    } else {
      open_.back().node.items.push_back(std::move(node));
      open_.back().has_key = false;
    }
  }

  void add_key(Open& object, const ManifestNode& key) {
    if (key.kind == Kind::kList || key.kind == Kind::kObject) {
      fail(key.where, fmt::format("a key must be a text, not {}", describe(key)));
      return;
    }
    if (!object.keys.insert(key.text).second) {
      fail(key.where, fmt::format("the key {} is here twice", in_quotes(key.text)));
      return;
    }
    object.node.keys.push_back(key.text);
    object.node.key_places.push_back(key.where);
    object.has_key = true;
  }

  // Counts what a copy costs before it is made.
  bool charge_copy(const ManifestNode& node, config::SourcePosition where) {
    copied_bytes_ += memory_of(node);
    if (copied_bytes_ <= kMaxAliasBytes) return true;
    fail(where, fmt::format("anchors and aliases come to more than {} MiB", kMaxAliasBytes >> 20));
    return false;
  }

  // `<<: *base` gives the keys of base that are not there already (YAML 1.1, as kubectl reads it).
  void merge(ManifestNode& object) {
    const auto key = std::find(object.keys.begin(), object.keys.end(), kMergeKey);
    if (key == object.keys.end()) return;
    const auto at = key - object.keys.begin();
    const ManifestNode base = std::move(object.items[static_cast<size_t>(at)]);
    object.keys.erase(key);
    object.key_places.erase(object.key_places.begin() + at);
    object.items.erase(object.items.begin() + at);
    if (base.kind == Kind::kObject) {
      merge_from(base, object);
      return;
    }
    for (const ManifestNode& one : base.items) merge_from(one, object);
    if (base.kind != Kind::kList) fail(base.where, "\"<<\" takes an object or a list of objects");
  }

  void merge_from(const ManifestNode& base, ManifestNode& object) {
    if (base.kind != Kind::kObject) {
      fail(base.where, "\"<<\" takes an object or a list of objects");
      return;
    }
    absl::flat_hash_set<std::string> known(object.keys.begin(), object.keys.end());
    for (size_t i = 0; i < base.keys.size(); ++i) {
      if (!known.insert(base.keys[i]).second) continue;
      object.keys.push_back(base.keys[i]);
      object.key_places.push_back(base.key_places[i]);
      object.items.push_back(base.items[i]);
    }
  }

  const ManifestText& text_;
  const uint32_t file_;
  std::vector<ManifestNode> documents_;
  std::vector<Open> open_;
  absl::flat_hash_map<YAML::anchor_t, ManifestNode> anchors_;  // of this document, complete ones
  size_t documents_seen_ = 0;
  size_t nodes_ = 0;
  size_t copied_bytes_ = 0;
  std::optional<ManifestError> error_;
};

void parse(std::string_view text, TreeBuilder& builder, uint32_t file) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    const bool has_place = !error.mark.is_null();
    builder.fail(has_place ? builder.place(error.mark) : config::SourcePosition{file, 0, 0},
                 "not YAML: " + error.msg);
  } catch (const std::exception& error) {
    builder.fail({file, 0, 0}, fmt::format("cannot be read: {}", error.what()));
  }
}

}  // namespace

const ManifestNode* ManifestNode::find(std::string_view key) const {
  const auto found = std::find(keys.begin(), keys.end(), key);
  return found == keys.end() ? nullptr : &items[static_cast<size_t>(found - keys.begin())];
}

std::string describe(const ManifestNode& node) {
  switch (node.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBoolean:
      return "the boolean " + node.text;
    case Kind::kInteger:
    case Kind::kNumber:
      return "the number " + node.text;
    case Kind::kText:
      return "the text " + in_quotes(node.text);
    case Kind::kList:
      return "a list";
    case Kind::kObject:
      break;
  }
  return "an object";
}

ParsedManifests parse_manifests(std::string_view text, uint32_t file) {
  ParsedManifests result;
  const ManifestText lines(text);
  if (const std::optional<size_t> bad = lines.find_bad_byte()) {
    result.error = {lines.place_of(*bad, file), "this is not a text in UTF-8"};
    return result;
  }
  // The library reads a flow collection to its end before it gives the first event, and takes some
  // hundred bytes for each of these.
  if (const std::optional<size_t> excess = lines.find_flow_indicator_after(kMaxManifestNodes)) {
    result.error = {lines.place_of(*excess, file), too_many_values()};
    return result;
  }
  TreeBuilder builder(lines, file);
  parse(text, builder, file);
  result.error = builder.take_error();
  if (result.error) result.error->where = lines.in_characters(result.error->where);
  result.documents = builder.take_documents();
  return result;
}

}  // namespace lb::control
