#include "lb/config/load.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>
#include <variant>

#include "lb/config/fault_list.h"
#include "lb/config/reader.h"
#include "lb/config/schema.h"
#include "lb/config/toml_parse.h"
#include "lb/config/validate.h"
#include "lb/net/fd.h"

namespace lb::config {
namespace {

constexpr size_t kReadBytes = size_t{64} * 1024;

std::string too_large() {
  return fmt::format("the file is larger than {} MiB, which no configuration is",
                     kMaxFileBytes >> 20);
}

// Errno of the failure, or 0. Stops at one byte more than kMaxFileBytes.
int read_all(const std::string& path, std::string& text) {
  const net::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return errno;
  while (text.size() <= kMaxFileBytes) {
    const size_t size = text.size();
    const size_t wanted = std::min(kReadBytes, kMaxFileBytes + 1 - size);
    text.resize(size + wanted);
    const ssize_t got = ::read(fd.get(), text.data() + size, wanted);
    const int error = errno;
    text.resize(size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return 0;
    if (got < 0 && error != EINTR) return error;
  }
  return 0;
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

// Where byte `index` is, in characters.
SourcePosition position_of_byte(std::string_view text, size_t index) {
  SourcePosition where{0, 1, 1};
  for (const char c : text.substr(0, index)) {
    if (c == '\n') {
      where = {0, where.line + 1, 1};
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++where.column;
    }
  }
  return where;
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

// Fills `config`; every fault goes to the list.
void read_text(std::string_view text, Config& config, FaultList& faults) {
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    faults.error(FaultCode::kNotText, position_of_byte(text, nul),
                 "this is not a text file: it has a NUL byte here");
    return;
  }
  const std::variant<TOMLTable, TOMLSyntaxError> parsed = parse_toml(text, 0);
  if (const TOMLSyntaxError* error = std::get_if<TOMLSyntaxError>(&parsed)) {
    faults.error(FaultCode::kSyntax, error->where, error->message);
    return;
  }
  const TOMLTable& table = std::get<TOMLTable>(parsed);
  ReadContext context{faults};
  const std::string path;
  Reader root(&table, {0, 1, 1}, path, context);
  read_config(root, config);
  validate(config, faults);
  check_serves_something(config, table, faults);
}

}  // namespace

LoadResult load_text(std::string_view text, std::string_view name) {
  if (text.size() > kMaxFileBytes) return refuse(name, FaultCode::kTooLarge, too_large());
  LoadResult result;
  result.sources.push_back({std::string(name), std::string(text)});
  FaultList faults;
  Config config;
  read_text(text, config, faults);
  const size_t dropped = faults.dropped();
  result.faults = std::move(faults).take();
  locate(result.faults, result.sources);
  if (dropped > 0) {
    result.faults.back().message += fmt::format(" (and {} more faults are not shown)", dropped);
  }
  if (result.faults.empty()) result.config = std::move(config);
  return result;
}

LoadResult load_file(const std::string& path) {
  std::string text;
  if (const int error = read_all(path, text); error != 0) {
    return refuse(path, FaultCode::kUnreadable,
                  fmt::format("cannot be read: {}", std::strerror(error)));
  }
  return load_text(text, path);
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
