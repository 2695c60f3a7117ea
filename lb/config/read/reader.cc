#include "lb/config/read/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "lb/config/read/timestamp.h"
#include "lb/config/read/unsupported.h"
#include "lb/util/duration.h"
#include "lb/util/quantity.h"
#include "lb/util/suggest.h"

namespace lb::config {
namespace {

constexpr size_t kUsualKeys = 12;

std::string join_quoted(const std::vector<std::string_view>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += fmt::format("\"{}\"", words[i]);
  }
  return out;
}

}  // namespace

Reader::Reader(const TOMLTable* table, SourcePosition where, const std::string& path,
               ReadContext& context)
    : table_(table), where_(where), path_(path), context_(context) {
  asked_.reserve(kUsualKeys);
}

std::string Reader::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

SourcePosition Reader::where(std::string_view key) const {
  const TOMLEntry* entry = table_ == nullptr ? nullptr : table_->find(key);
  return entry == nullptr ? where_ : entry->value.where;
}

bool Reader::has(std::string_view key) const {
  return table_ != nullptr && table_->find(key) != nullptr;
}

const TOMLValue* Reader::ask(std::string_view key, Need need) {
  asked_.push_back(key);
  if (context_.describe != nullptr) context_.describe->insert(path_of(key));
  if (table_ == nullptr) return nullptr;
  const TOMLEntry* entry = table_->find(key);
  if (entry != nullptr) return &entry->value;
  if (need == Need::kRequired) {
    context_.faults.error(FaultCode::kMissingKey, where_, fmt::format("{} is missing", key));
  }
  return nullptr;
}

void Reader::error(FaultCode code, std::string_view key, std::string_view rest,
                   std::string_view suggestion) {
  context_.faults.error(code, where(key), fmt::format("{} {}", key, rest), suggestion);
}

void Reader::fault(FaultCode code, std::string_view message) {
  if (table_ != nullptr) context_.faults.error(code, where_, std::string(message));
}

void Reader::fault_at(std::string_view key, FaultCode code, std::string_view rest,
                      std::string_view suggestion) {
  if (has(key)) error(code, key, rest, suggestion);
}

void Reader::warn_at(std::string_view key, FaultCode code, std::string_view rest) {
  if (has(key)) context_.faults.warning(code, where(key), fmt::format("{} {}", key, rest));
}

template <typename T>
const T* Reader::typed(std::string_view key, const TOMLValue& value, std::string_view expected,
                       std::string_view suggestion) {
  if (const T* found = std::get_if<T>(&value.data)) return found;
  error(FaultCode::kWrongType, key,
        fmt::format("must be {}, but is {}", expected, type_name(value)), suggestion);
  return nullptr;
}

void Reader::text(std::string_view key, NameRule rule, std::string& out, Need need) {
  const TOMLValue* value = ask(key, need);
  if (value == nullptr) return;
  const std::string* found = typed<std::string>(key, *value, "a string");
  if (found == nullptr) return;
  const std::string broken = broken_rule(rule, *found);
  if (broken.empty()) {
    out = *found;
  } else {
    error(FaultCode::kBadName, key, broken);
  }
}

void Reader::optional_text(std::string_view key, NameRule rule, std::optional<std::string>& out) {
  if (!has(key)) {
    ask(key);
    return;
  }
  std::string found;
  const size_t faults_before = context_.faults.total();
  text(key, rule, found);
  if (context_.faults.total() == faults_before) out = std::move(found);
}

void Reader::boolean(std::string_view key, bool& out) {
  const TOMLValue* value = ask(key);
  if (value == nullptr) return;
  if (const bool* found = typed<bool>(key, *value, "true or false")) out = *found;
}

std::optional<int64_t> Reader::read_integer(std::string_view key, int64_t min, int64_t max,
                                            Need need) {
  const TOMLValue* value = ask(key, need);
  if (value == nullptr) return std::nullopt;
  const int64_t* found = typed<int64_t>(key, *value, "an integer");
  if (found == nullptr) return std::nullopt;
  if (*found >= min && *found <= max) return *found;
  error(FaultCode::kOutOfRange, key,
        fmt::format("must be within {}..{}, but is {}", min, max, *found));
  return std::nullopt;
}

void Reader::duration(std::string_view key, int64_t& out_ms, int64_t min_ms) {
  const TOMLValue* value = ask(key);
  if (value == nullptr) return;
  std::string in_seconds;
  if (const int64_t* number = std::get_if<int64_t>(&value->data)) {
    in_seconds = fmt::format("{}s", *number);
    if (!util::parse_duration_ms(in_seconds)) in_seconds.clear();
  }
  const std::string* found =
      typed<std::string>(key, *value, "a duration such as \"1h30m\" or \"500ms\"", in_seconds);
  if (found == nullptr) return;
  const std::optional<int64_t> parsed_ms = util::parse_duration_ms(*found);
  if (!parsed_ms) {
    error(FaultCode::kBadDuration, key,
          fmt::format("must be a duration such as \"1h30m\" or \"500ms\", but is \"{}\"", *found));
  } else if (*parsed_ms < min_ms) {
    error(FaultCode::kOutOfRange, key,
          fmt::format("must be at least {}ms, but is \"{}\"", min_ms, *found));
  } else {
    out_ms = *parsed_ms;
  }
}

void Reader::quantity(std::string_view key, uint64_t& out, uint64_t min, uint64_t max) {
  const TOMLValue* value = ask(key);
  if (value == nullptr) return;
  std::string shown;
  if (const int64_t* number = std::get_if<int64_t>(&value->data)) {
    shown = std::to_string(*number);
  } else if (const std::string* found =
                 typed<std::string>(key, *value, "a size such as \"64Ki\" or 65536")) {
    shown = *found;
  } else {
    return;
  }
  const std::optional<uint64_t> parsed = util::parse_quantity(shown);
  if (!parsed) {
    error(FaultCode::kBadQuantity, key,
          fmt::format("must be a size such as \"64Ki\" or 65536, but is \"{}\"", shown));
  } else if (*parsed < min || *parsed > max) {
    error(FaultCode::kOutOfRange, key,
          fmt::format("must be within {}..{} bytes, but is {}", min, max, shown));
  } else {
    out = *parsed;
  }
}

void Reader::timestamp(std::string_view key, std::optional<int64_t>& out_ms) {
  const TOMLValue* value = ask(key);
  if (value == nullptr) return;
  constexpr std::string_view kExpected = "a date and time such as 2024-05-01T12:00:00Z";
  if (const TOMLDateTime* time = std::get_if<TOMLDateTime>(&value->data)) {
    out_ms = time->unix_ms;
  } else if (const std::string* found = typed<std::string>(key, *value, kExpected)) {
    out_ms = parse_rfc3339_ms(*found);
    if (!out_ms) {
      error(FaultCode::kBadTimestamp, key,
            fmt::format("must be {}, but is \"{}\"", kExpected, *found));
    }
  }
}

std::optional<size_t> Reader::read_choice(std::string_view key,
                                          const std::vector<std::string_view>& choices, Need need) {
  const TOMLValue* value = ask(key, need);
  if (value == nullptr) return std::nullopt;
  const std::string* found = typed<std::string>(key, *value, join_quoted(choices));
  if (found == nullptr) return std::nullopt;
  const auto chosen = std::find(choices.begin(), choices.end(), *found);
  if (chosen != choices.end()) return static_cast<size_t>(chosen - choices.begin());
  if (is_unsupported_value(path_of(key), *found)) {
    error(FaultCode::kNotSupported, key,
          fmt::format("= \"{}\" is not supported by this version", *found));
  } else {
    error(FaultCode::kBadChoice, key,
          fmt::format("must be {}, but is \"{}\"", join_quoted(choices), *found),
          util::suggest(*found, choices));
  }
  return std::nullopt;
}

void Reader::check_count(std::string_view key, Count count, size_t size) {
  if (size >= count.min && size <= count.max) return;
  const std::string wanted = count.min == count.max ? fmt::format("exactly {}", count.min)
                             : count.min == 0       ? fmt::format("at most {}", count.max)
                                                    : fmt::format("{} to {}", count.min, count.max);
  error(FaultCode::kBadCount, key, fmt::format("must have {} entries, but has {}", wanted, size));
}

void Reader::texts(std::string_view key, NameRule rule, Count count, std::vector<PlacedText>& out) {
  const TOMLValue* value = ask(key, count.min > 0 ? Need::kRequired : Need::kOptional);
  if (value == nullptr) return;
  const TOMLArray* array = typed<TOMLArray>(key, *value, "an array of strings");
  if (array == nullptr) return;
  check_count(key, count, array->size());
  for (const TOMLValue& entry : *array) {
    const std::string* found = std::get_if<std::string>(&entry.data);
    if (found == nullptr) {
      context_.faults.error(
          FaultCode::kWrongType, entry.where,
          fmt::format("every entry of {} must be a string, but this is {}", key, type_name(entry)));
      continue;
    }
    const std::string broken = broken_rule(rule, *found);
    if (broken.empty()) {
      out.push_back({*found, entry.where});
    } else {
      context_.faults.error(FaultCode::kBadName, entry.where,
                            fmt::format("every entry of {} {}", key, broken));
    }
  }
}

void Reader::text_map(std::string_view key, NameRule key_rule, NameRule value_rule, Count count,
                      std::map<std::string, std::string>& out) {
  const TOMLValue* value = ask(key);
  if (value == nullptr) return;
  const TOMLTable* found = typed<TOMLTable>(key, *value, "a table of strings");
  if (found == nullptr) return;
  check_count(key, count, found->entries.size());
  for (const TOMLEntry& entry : found->entries) {
    if (const std::string broken = broken_rule(key_rule, entry.key); !broken.empty()) {
      context_.faults.error(FaultCode::kBadName, entry.where,
                            fmt::format("a key of {} {}", key, broken));
      continue;
    }
    const std::string* text = std::get_if<std::string>(&entry.value.data);
    const std::string broken = text == nullptr ? "" : broken_rule(value_rule, *text);
    if (text == nullptr) {
      context_.faults.error(FaultCode::kWrongType, entry.value.where,
                            fmt::format("every value of {} must be a string, but this is {}", key,
                                        type_name(entry.value)));
    } else if (broken.empty()) {
      out.insert_or_assign(entry.key, *text);
    } else {
      context_.faults.error(FaultCode::kBadName, entry.value.where,
                            fmt::format("a value of {} {}", key, broken));
    }
  }
}

void Reader::table(std::string_view key, const Body& body) {
  const TOMLValue* value = ask(key);
  const TOMLTable* found = nullptr;
  if (value != nullptr) {
    const bool is_array = std::holds_alternative<TOMLArray>(value->data);
    found =
        typed<TOMLTable>(key, *value, "a table", is_array ? fmt::format("[{}]", path_of(key)) : "");
  }
  if (found == nullptr && context_.describe == nullptr) return;
  const std::string path = path_of(key);
  Reader inner(found, value == nullptr ? where_ : value->where, path, context_);
  body(inner);
  inner.finish();
}

void Reader::each(std::string_view key, Count count, const Body& body) {
  const TOMLValue* value = ask(key, count.min > 0 ? Need::kRequired : Need::kOptional);
  const std::string path = path_of(key) + "[]";
  if (context_.describe != nullptr) {
    Reader inner(nullptr, where_, path, context_);
    body(inner);
    return;
  }
  if (value == nullptr) return;
  const bool is_table = std::holds_alternative<TOMLTable>(value->data);
  const TOMLArray* array =
      typed<TOMLArray>(key, *value, "an array of tables",
                       is_table && path_.empty() ? fmt::format("[[{}]]", key) : "");
  if (array == nullptr) return;
  check_count(key, count, array->size());
  for (const TOMLValue& entry : *array) {
    const TOMLTable* found = std::get_if<TOMLTable>(&entry.data);
    if (found == nullptr) {
      context_.faults.error(
          FaultCode::kWrongType, entry.where,
          fmt::format("every entry of {} must be a table, but this is {}", key, type_name(entry)));
      continue;
    }
    Reader inner(found, entry.where, path, context_);
    body(inner);
    inner.finish();
  }
}

void Reader::read_either(const TOMLValue& value, const std::string& path, std::string_view subject,
                         std::string_view expected, const OnValue& on_value, const Body& on_table) {
  if (const TOMLTable* found = std::get_if<TOMLTable>(&value.data)) {
    Reader inner(found, value.where, path, context_);
    on_table(inner);
    inner.finish();
  } else if (!on_value(value)) {
    context_.faults.error(
        FaultCode::kWrongType, value.where,
        fmt::format("{} must be {}, but this is {}", subject, expected, type_name(value)));
  }
}

void Reader::either(std::string_view key, std::string_view expected, const OnValue& on_value,
                    const Body& on_table) {
  const TOMLValue* value = ask(key);
  const std::string path = path_of(key);
  if (context_.describe != nullptr) {
    Reader inner(nullptr, where_, path, context_);
    on_table(inner);
  } else if (value != nullptr) {
    read_either(*value, path, key, expected, on_value, on_table);
  }
}

void Reader::each_either(std::string_view key, Count count, std::string_view expected,
                         const OnValue& on_value, const Body& on_table) {
  const TOMLValue* value = ask(key);
  const std::string path = path_of(key) + "[]";
  if (context_.describe != nullptr) {
    Reader inner(nullptr, where_, path, context_);
    on_table(inner);
  } else if (value == nullptr) {
    return;
  } else if (const TOMLArray* array = std::get_if<TOMLArray>(&value->data)) {
    check_count(key, count, array->size());
    const std::string subject = fmt::format("every entry of {}", key);
    for (const TOMLValue& entry : *array) {
      read_either(entry, path, subject, expected, on_value, on_table);
    }
  } else {
    read_either(*value, path, key, expected, on_value, on_table);
  }
}

void Reader::finish() {
  if (table_ == nullptr) return;
  for (const TOMLEntry& entry : table_->entries) {
    if (std::find(asked_.begin(), asked_.end(), entry.key) == asked_.end()) report_unknown(entry);
  }
}

void Reader::report_unknown(const TOMLEntry& entry) {
  if (is_unsupported_key(path_of(entry.key))) {
    context_.faults.error(FaultCode::kNotSupported, entry.where,
                          fmt::format("{} is not supported by this version", entry.key));
    return;
  }
  std::vector<std::string_view> candidates = asked_;
  for (const std::string_view key : unsupported_keys_in(path_)) candidates.push_back(key);
  const std::string place = path_.empty() ? "at the top level" : fmt::format("in {}", path_);
  context_.faults.error(FaultCode::kUnknownKey, entry.where,
                        fmt::format("unknown key \"{}\" {}", entry.key, place),
                        util::suggest(entry.key, candidates));
}

}  // namespace lb::config
