#include "lb/control/convert/manifest_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "lb/control/convert/manifest_text.h"

namespace lb::control {

using Kind = ManifestNode::Kind;

namespace {

constexpr std::string_view kNoCounterpart = "no counterpart";

std::string_view with_article(Kind kind) {
  switch (kind) {
    case Kind::kBoolean:
      return "true or false";
    case Kind::kInteger:
      return "an integer";
    case Kind::kText:
      return "a text";
    case Kind::kList:
      return "a list";
    case Kind::kNull:
    case Kind::kNumber:
    case Kind::kObject:
      break;
  }
  return "an object";
}

bool says_nothing(const ManifestNode& node) {
  const bool is_container = node.kind == Kind::kList || node.kind == Kind::kObject;
  return node.kind == Kind::kNull || (is_container && node.items.empty());
}

}  // namespace

config::SourcePosition ManifestReader::where(std::string_view key) const {
  for (size_t i = 0; i < node_.keys.size(); ++i) {
    if (node_.keys[i] == key) return node_.key_places[i];
  }
  return node_.where;
}

std::string ManifestReader::path(std::string_view key) const {
  std::string own = name_;
  if (!own.empty() && !key.empty()) own += '.';
  own += key;
  return parent_ == nullptr ? own : parent_->path(own);
}

std::string ManifestReader::element(std::string_view key, std::optional<size_t> index) {
  return fmt::format("{}[{}]", key, index ? std::to_string(*index) : "");
}

const ManifestNode* ManifestReader::any(std::string_view key) {
  for (size_t i = 0; i < node_.keys.size(); ++i) {
    if (node_.keys[i] != key) continue;
    claimed_[i] = true;
    return node_.items[i].kind == Kind::kNull ? nullptr : &node_.items[i];
  }
  return nullptr;
}

void ManifestReader::wrong_type(const ManifestNode& node, std::string_view key,
                                std::string_view wanted) {
  const bool bare =
      wanted == with_article(Kind::kText) && node.kind != Kind::kList && node.kind != Kind::kObject;
  report_.error(node.where, fmt::format("{} of {} must be {}, not {}{}", path(key), owner_, wanted,
                                        describe(node), bare ? "; put it in quotes" : ""));
}

const ManifestNode* ManifestReader::typed(std::string_view key, Kind kind) {
  const ManifestNode* node = any(key);
  if (node == nullptr || node->kind == kind) return node;
  wrong_type(*node, key, with_article(kind));
  return nullptr;
}

std::optional<std::string> ManifestReader::text(std::string_view key) {
  const ManifestNode* node = typed(key, Kind::kText);
  return node == nullptr ? std::nullopt : std::optional(node->text);
}

std::optional<std::string> ManifestReader::required_text(std::string_view key) {
  const ManifestNode* node = any(key);
  if (node == nullptr) {
    report_.error(where(key), fmt::format("{} of {} is missing", path(key), owner_));
    return std::nullopt;
  }
  return text(key);
}

std::optional<int64_t> ManifestReader::integer(std::string_view key) {
  const ManifestNode* node = typed(key, Kind::kInteger);
  if (node == nullptr) return std::nullopt;
  std::string_view digits = node->text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::optional<bool> ManifestReader::boolean(std::string_view key) {
  const ManifestNode* node = typed(key, Kind::kBoolean);
  if (node == nullptr) return std::nullopt;
  const char first = node->text[0];
  const char second = node->text[1];
  return first == 't' || first == 'T' || first == 'y' || first == 'Y' || second == 'n' ||
         second == 'N';
}

std::vector<std::string> ManifestReader::texts(std::string_view key) {
  std::vector<std::string> out;
  const ManifestNode* list = typed(key, Kind::kList);
  if (list == nullptr) return out;
  for (size_t i = 0; i < list->items.size(); ++i) {
    const ManifestNode& item = list->items[i];
    if (item.kind == Kind::kText) {
      out.push_back(item.text);
    } else {
      wrong_type(item, element(key, i), with_article(Kind::kText));
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> ManifestReader::text_map(std::string_view key) {
  std::vector<std::pair<std::string, std::string>> out;
  const ManifestNode* map = typed(key, Kind::kObject);
  if (map == nullptr) return out;
  for (size_t i = 0; i < map->items.size(); ++i) {
    const ManifestNode& item = map->items[i];
    if (item.kind == Kind::kText) {
      out.emplace_back(map->keys[i], item.text);
    } else {
      wrong_type(item, fmt::format("{}[{}]", key, in_quotes(map->keys[i])),
                 with_article(Kind::kText));
    }
  }
  return out;
}

void ManifestReader::leave_out(std::string_view key, std::string_view why) {
  const ManifestNode* node = any(key);
  if (node == nullptr || says_nothing(*node)) return;
  report_.note(where(key), fmt::format("left out: {} of {}: {}", path(key), owner_, why));
}

void ManifestReader::ignore(std::string_view key) { any(key); }

void ManifestReader::leave_out_the_rest() {
  for (size_t i = 0; i < node_.keys.size(); ++i) {
    if (!claimed_[i]) leave_out(node_.keys[i], kNoCounterpart);
  }
}

}  // namespace lb::control
