#include "lb/config/read/include.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "lb/config/read/reader.h"
#include "lb/config/read/toml_parse.h"

namespace lb::config {
namespace {

constexpr std::string_view kWildcards = "*?[\\";

bool is_wildcard(char c) { return kWildcards.find(c) != std::string_view::npos; }

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// So that a pattern takes it as it is.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (is_wildcard(c)) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

struct Matches {
  std::vector<std::string> paths;  // in the order of their bytes
  int error = 0;                   // errno of a folder that could not be searched
};

Matches find_matches(const std::string& pattern) {
  Matches matches;
  glob_t found = {};
  // A folder that is not there is one without a match; one that cannot be read is not.
  const auto on_error = [](const char*, int error) {
    return error == ENOENT || error == ENOTDIR ? 0 : 1;
  };
  const int result = ::glob(pattern.c_str(), GLOB_NOSORT, on_error, &found);
  if (result != 0 && result != GLOB_NOMATCH) matches.error = errno != 0 ? errno : EIO;
  for (size_t i = 0; result == 0 && i < found.gl_pathc; ++i) {
    matches.paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  std::sort(matches.paths.begin(), matches.paths.end());
  return matches;
}

std::vector<PlacedText> read_patterns(const TOMLTable& root, FaultList& faults) {
  std::vector<PlacedText> patterns;
  ReadContext context{faults};
  const std::string path;
  Reader reader(&root, {0, 1, 1}, path, context);
  reader.texts("include", NameRule::kNonEmpty, {}, patterns);
  return patterns;
}

class Includer {
 public:
  Includer(TOMLTable& root, FileId main_file, std::vector<Source>& sources, FaultList& faults)
      : root_(root),
        folder_(folder_of(sources.front().name)),
        sources_(sources),
        faults_(faults),
        seen_{main_file},
        bytes_left_(kMaxFileBytes - std::min(kMaxFileBytes, sources.front().text.size())) {}

  void include(const PlacedText& pattern) {
    const bool is_absolute = pattern.text.starts_with('/');
    if (std::none_of(pattern.text.begin(), pattern.text.end(), is_wildcard)) {
      include_file((is_absolute ? "" : folder_) + pattern.text, pattern.where);
      return;
    }
    const Matches matches = find_matches((is_absolute ? "" : escaped(folder_)) + pattern.text);
    if (matches.error != 0) {
      faults_.error(FaultCode::kUnreadable, pattern.where,
                    fmt::format("include \"{}\" cannot be searched for: {}", pattern.text,
                                std::strerror(matches.error)));
    } else if (matches.paths.empty()) {
      faults_.warning(FaultCode::kEmptyInclude, pattern.where,
                      fmt::format("include \"{}\" matches no file", pattern.text));
    }
    for (const std::string& path : matches.paths) include_file(path, pattern.where);
  }

 private:
  void include_file(const std::string& path, SourcePosition where) {
    FileText file = read_file(path, FileKind::kRegular, bytes_left_);
    if (file.error != 0) {
      faults_.error(FaultCode::kUnreadable, where,
                    fmt::format("{} cannot be included: {}", path, std::strerror(file.error)));
      return;
    }
    if (!seen_.insert(file.id).second) return;
    if (file.text.size() > bytes_left_ || seen_.size() > kMaxFiles) {
      faults_.error(FaultCode::kTooLarge, where,
                    fmt::format("with {} there are more than {} MiB or {} files, which no "
                                "configuration has",
                                path, kMaxFileBytes >> 20, kMaxFiles));
      return;
    }
    bytes_left_ -= file.text.size();
    TOMLTable parsed;
    if (!parse_source({path, std::move(file.text)}, sources_, faults_, parsed)) return;
    if (const TOMLEntry* nested = parsed.find("include")) {
      faults_.error(FaultCode::kBadInclude, nested->where,
                    "a file that is included cannot include others");
    }
    std::erase_if(parsed.entries, [](const TOMLEntry& entry) { return entry.key == "include"; });
    merge(root_, std::move(parsed), true);
  }

  void merge(TOMLTable& into, TOMLTable&& from, bool is_root) {
    for (TOMLEntry& entry : from.entries) {
      const auto same =
          std::find_if(into.entries.begin(), into.entries.end(),
                       [&](const TOMLEntry& other) { return other.key == entry.key; });
      if (same == into.entries.end()) {
        into.entries.push_back(std::move(entry));
        continue;
      }
      TOMLTable* into_table = std::get_if<TOMLTable>(&same->value.data);
      TOMLTable* from_table = std::get_if<TOMLTable>(&entry.value.data);
      TOMLArray* into_array = std::get_if<TOMLArray>(&same->value.data);
      TOMLArray* from_array = std::get_if<TOMLArray>(&entry.value.data);
      if (into_table != nullptr && from_table != nullptr) {
        merge(*into_table, std::move(*from_table), false);
      } else if (is_root && into_array != nullptr && from_array != nullptr) {
        std::move(from_array->begin(), from_array->end(), std::back_inserter(*into_array));
      } else {
        faults_.error(FaultCode::kDuplicateKey, entry.where,
                      fmt::format("{} is set in two files, first at {}", entry.key,
                                  place_text(same->where, entry.where, sources_)));
      }
    }
  }

  TOMLTable& root_;
  const std::string folder_;  // of the including file, with its slash
  std::vector<Source>& sources_;
  FaultList& faults_;
  absl::flat_hash_set<FileId> seen_;
  size_t bytes_left_;
};

// Where byte `index` is, in characters.
SourcePosition position_of_byte(std::string_view text, size_t index, uint32_t file) {
  SourcePosition where{file, 1, 1};
  for (const char c : text.substr(0, index)) {
    if (c == '\n') {
      where = {file, where.line + 1, 1};
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++where.column;
    }
  }
  return where;
}

}  // namespace

bool parse_source(Source source, std::vector<Source>& sources, FaultList& faults,
                  TOMLTable& parsed) {
  const auto file = static_cast<uint32_t>(sources.size());
  sources.push_back(std::move(source));
  const std::string& text = sources.back().text;
  if (const size_t nul = text.find('\0'); nul != std::string::npos) {
    faults.error(FaultCode::kNotText, position_of_byte(text, nul, file),
                 "this is not a text file: it has a NUL byte here");
    return false;
  }
  std::variant<TOMLTable, TOMLSyntaxError> result = parse_toml(text, file);
  if (const TOMLSyntaxError* error = std::get_if<TOMLSyntaxError>(&result)) {
    faults.error(FaultCode::kSyntax, error->where, error->message);
    return false;
  }
  parsed = std::move(std::get<TOMLTable>(result));
  return true;
}

void merge_includes(TOMLTable& root, FileId main_file, std::vector<Source>& sources,
                    FaultList& faults) {
  const std::vector<PlacedText> patterns = read_patterns(root, faults);
  Includer includer(root, main_file, sources, faults);
  for (const PlacedText& pattern : patterns) includer.include(pattern);
}

}  // namespace lb::config
