#include "lb/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>
#include <variant>

#include "lb/config/read/endpoints_update.h"
#include "lb/config/read/fault_list.h"
#include "lb/config/read/include.h"
#include "lb/config/read/reader.h"
#include "lb/config/read/schema.h"
#include "lb/config/read/validate.h"

namespace lb::config {
namespace {

std::string too_large() {
  return fmt::format("the file is larger than {} MiB, which no configuration is",
                     kMaxFileBytes >> 20);
}

LoadResult refuse(std::string_view name, FaultCode code, std::string message) {
  LoadResult result;
  Fault fault;
  fault.code = code;
  fault.message = std::move(message);
  fault.file = name;
  result.faults.push_back(std::move(fault));
  return result;
}

void check_serves_something(const Config& config, const TOMLTable& root, FaultList& faults) {
  if (!config.gateways.empty()) return;
  const TOMLEntry* gateways = root.find("gateways");
  const bool empty_array = gateways != nullptr &&
                           std::holds_alternative<TOMLArray>(gateways->value.data) &&
                           std::get<TOMLArray>(gateways->value.data).empty();
  if (gateways != nullptr && !empty_array) return;  // faulty, and reported as that
  faults.error(FaultCode::kServesNothing,
               gateways == nullptr ? SourcePosition{0, 1, 1} : gateways->value.where,
               "this configuration serves nothing: it has no [[gateways]]");
}

// What includes are relative to and must not include again; nothing for a text without a file.
using MainFile = std::optional<FileId>;

// Fills `config`; every fault goes to the list.
void read_source(Source source, const MainFile& main_file, const LoadResult* served, Config& config,
                 std::vector<Source>& sources, FaultList& faults) {
  TOMLTable table;
  if (!parse_source(std::move(source), sources, faults, table)) return;
  if (main_file) {
    merge_includes(table, *main_file, sources, faults);
  } else if (const TOMLEntry* include = table.find("include")) {
    faults.error(FaultCode::kBadInclude, include->where,
                 "include works in files only: this text is in no folder");
  }
  const bool is_whole = faults.errors() == 0;
  ReadContext context{faults};
  const std::string path;
  Reader root(&table, {0, 1, 1}, path, context);
  read_config(root, config);
  take_in_endpoints(config, main_file.has_value(), served, sources, faults);
  validate(config, sources, faults);
  if (is_whole) check_serves_something(config, table, faults);
}

LoadResult load(Source source, const MainFile& main_file, const LoadResult* served) {
  LoadResult result;
  FaultList faults;
  Config config;
  read_source(std::move(source), main_file, served, config, result.sources, faults);
  const size_t dropped = faults.dropped();
  if (faults.errors() == 0) result.config = std::move(config);
  result.faults = std::move(faults).take();
  locate(result.faults, result.sources);
  if (dropped > 0) {
    result.faults.back().message += fmt::format(" (and {} more faults are not shown)", dropped);
  }
  return result;
}

}  // namespace

LoadResult load_text(std::string_view text, std::string_view name) {
  if (text.size() > kMaxFileBytes) return refuse(name, FaultCode::kTooLarge, too_large());
  return load({std::string(name), std::string(text)}, std::nullopt, nullptr);
}

LoadResult load_file(const std::string& path, const LoadResult* served) {
  FileText file = read_file(path, FileKind::kAny, kMaxFileBytes);
  if (file.error != 0) {
    return refuse(path, FaultCode::kUnreadable,
                  fmt::format("cannot be read: {}", std::strerror(file.error)));
  }
  if (file.text.size() > kMaxFileBytes) return refuse(path, FaultCode::kTooLarge, too_large());
  return load({path, std::move(file.text)}, file.id, served);
}

std::vector<std::string> known_keys() {
  FaultList faults;
  std::set<std::string> keys;
  ReadContext context{faults, &keys};
  const std::string path;
  Reader root(nullptr, {}, path, context);
  Config config;
  read_config(root, config);
  return {keys.begin(), keys.end()};
}

}  // namespace lb::config
