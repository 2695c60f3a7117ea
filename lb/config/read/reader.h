// A cursor over one TOML table. Reading a key both takes its value and makes it known; whatever is
// in the table and was never asked for is reported at the end, with the nearest known key. So the
// functions that read are the schema, and a new key is one line in one of them.
//
// Every method leaves its output alone when the key is absent or faulty: set the default first.
// Faults go to the FaultList, at the value they are about. `key` must outlive the reader; it is a
// literal everywhere.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/config/read/fault_list.h"
#include "lb/config/read/name_rules.h"
#include "lb/config/read/toml_value.h"

namespace lb::config {

enum class Need { kOptional, kRequired };

// How many entries an array takes. A minimum also makes the array itself required.
struct Count {
  size_t min = 0;
  size_t max = std::numeric_limits<size_t>::max();
};

template <typename E>
struct Choice {
  std::string_view text;
  E value;
};

struct PlacedText {
  std::string text;
  SourcePosition where;
};

// What all readers of one load share.
struct ReadContext {
  FaultList& faults;
  // When set, nothing is read: every key that would be asked for goes here, those of absent tables
  // too.
  std::set<std::string>* describe = nullptr;
};

class Reader {
 public:
  using Body = std::function<void(Reader&)>;

  // `table` may be null only while describing. `path` names the table as in known_keys(), "" for
  // the root.
  Reader(const TOMLTable* table, SourcePosition where, const std::string& path,
         ReadContext& context);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  SourcePosition where() const { return where_; }
  // Of the key's value; of the table when the key is absent.
  SourcePosition where(std::string_view key) const;
  bool has(std::string_view key) const;
  FaultList& faults() { return context_.faults; }
  // An error about the table as a whole.
  void fault(FaultCode code, std::string_view message);
  // An error about the key's value; nothing when the key is absent. The message begins with the
  // key.
  void fault_at(std::string_view key, FaultCode code, std::string_view rest,
                std::string_view suggestion = {});
  // A warning in its place.
  void warn_at(std::string_view key, FaultCode code, std::string_view rest);

  void text(std::string_view key, NameRule rule, std::string& out, Need need = Need::kOptional);
  void optional_text(std::string_view key, NameRule rule, std::optional<std::string>& out);
  void boolean(std::string_view key, bool& out);
  // "1h30m"; at least `min_ms`.
  void duration(std::string_view key, int64_t& out_ms, int64_t min_ms = 0);
  // "64Ki" or an integer; within min..max.
  void quantity(std::string_view key, uint64_t& out, uint64_t min, uint64_t max);
  // A TOML date-time, or the same as a string.
  void timestamp(std::string_view key, std::optional<int64_t>& out_ms);

  template <std::integral T>
  void integer(std::string_view key, int64_t min, int64_t max, T& out,
               Need need = Need::kOptional) {
    if (const std::optional<int64_t> value = read_integer(key, min, max, need)) {
      out = static_cast<T>(*value);
    }
  }

  // 1..65535.
  void port(std::string_view key, uint16_t& out, Need need = Need::kOptional) {
    integer(key, 1, 65535, out, need);
  }

  template <typename E, size_t N>
  void choice(std::string_view key, const std::array<Choice<E>, N>& choices, E& out,
              Need need = Need::kOptional) {
    std::vector<std::string_view> words;
    words.reserve(N);
    for (const Choice<E>& choice : choices) words.push_back(choice.text);
    if (const std::optional<size_t> index = read_choice(key, words, need)) {
      out = choices[*index].value;
    }
  }

  // The strings of the array behind `key`.
  void texts(std::string_view key, NameRule rule, Count count, std::vector<PlacedText>& out);
  // The table behind `key`, whose keys are the file's own and whose values are strings.
  void text_map(std::string_view key, NameRule key_rule, NameRule value_rule, Count count,
                std::map<std::string, std::string>& out);

  // Reads the table behind `key`, if there is one.
  void table(std::string_view key, const Body& body);
  // Reads every table of the array behind `key`.
  void each(std::string_view key, Count count, const Body& body);

  // For a key that takes tables and other types: `on_table` reads a table, `on_value` gets what is
  // none and says whether it is of a type that the key takes. `expected` ends the fault otherwise.
  using OnValue = std::function<bool(const TOMLValue&)>;
  void either(std::string_view key, std::string_view expected, const OnValue& on_value,
              const Body& on_table);
  // The same for every entry of an array. A value without an array around it is one entry.
  void each_either(std::string_view key, Count count, std::string_view expected,
                   const OnValue& on_value, const Body& on_table);

  // Says that the key is handled by hand: it is known, and no fault.
  void claim(std::string_view key) { ask(key); }

  // Reports what was never asked for. table() and each() call it; the root's reader is finished by
  // its owner.
  void finish();

 private:
  std::string path_of(std::string_view key) const;
  // Makes the key known and returns its value, or null; reports a missing one that is required.
  const TOMLValue* ask(std::string_view key, Need need = Need::kOptional);
  // The value as a T, or null with a fault that says what was `expected`.
  template <typename T>
  const T* typed(std::string_view key, const TOMLValue& value, std::string_view expected,
                 std::string_view suggestion = {});
  void error(FaultCode code, std::string_view key, std::string_view rest,
             std::string_view suggestion = {});

  std::optional<int64_t> read_integer(std::string_view key, int64_t min, int64_t max, Need need);
  std::optional<size_t> read_choice(std::string_view key,
                                    const std::vector<std::string_view>& choices, Need need);
  void check_count(std::string_view key, Count count, size_t size);
  void read_either(const TOMLValue& value, const std::string& path, std::string_view subject,
                   std::string_view expected, const OnValue& on_value, const Body& on_table);
  void report_unknown(const TOMLEntry& entry);

  const TOMLTable* table_;
  SourcePosition where_;
  const std::string&
      path_;  // owned by whoever made this reader: one string for all entries of an array
  ReadContext& context_;
  std::vector<std::string_view> asked_;
};

}  // namespace lb::config
