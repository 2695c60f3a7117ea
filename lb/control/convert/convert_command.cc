// `sluice convert`: files in, TOML on stdout, everything else on stderr.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "lb/config/load.h"
#include "lb/control/commands.h"
#include "lb/control/convert/convert.h"

namespace lb::control {
namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kBadManifests = 2;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Says what went wrong, on stderr.
std::optional<ManifestFile> read_manifests(const std::string& path) {
  const bool is_stdin = path == "-";
  ManifestFile manifests{is_stdin ? "<stdin>" : path, ""};
  const std::unique_ptr<std::FILE, CloseFile> opened(is_stdin ? nullptr
                                                              : std::fopen(path.c_str(), "rbe"));
  std::FILE* const file = is_stdin ? stdin : opened.get();
  std::string why;
  if (file == nullptr) {
    why = std::strerror(errno);
  } else {
    char chunk[64 * 1024];
    size_t count = 0;
    while (manifests.text.size() <= config::kMaxFileBytes &&
           (count = std::fread(chunk, 1, sizeof(chunk), file)) > 0) {
      manifests.text.append(chunk, count);
    }
    if (std::ferror(file) != 0) why = std::strerror(errno);
    if (manifests.text.size() > config::kMaxFileBytes) {
      why = fmt::format("larger than {} MiB", config::kMaxFileBytes >> 20);
    }
  }
  if (why.empty()) return manifests;
  fmt::print(stderr, "{}: error: cannot be read: {}\n", manifests.name, why);
  return std::nullopt;
}

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) fmt::print(stderr, "{}\n", line);
}

}  // namespace

int convert_command(const Options& options) {
  std::vector<ManifestFile> files;
  bool all_read = true;
  for (const std::string& path : options.manifests) {
    if (std::optional<ManifestFile> file = read_manifests(path)) {
      files.push_back(*std::move(file));
    } else {
      all_read = false;
    }
  }
  const Converted converted = convert_manifests(files);
  print_lines(converted.errors);
  if (!all_read || !converted.toml) return kBadManifests;
  print_lines(converted.notes);
  const std::string& toml = *converted.toml;
  if (std::fwrite(toml.data(), 1, toml.size(), stdout) == toml.size() && std::fflush(stdout) == 0) {
    return kSuccess;
  }
  fmt::print(stderr, "sluice convert: cannot write: {}\n", std::strerror(errno));
  return kFailure;
}

}  // namespace lb::control
