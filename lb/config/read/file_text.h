// A configuration's file as text. Blocks on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace lb::config {

// A file above this is refused unread: no configuration is that large, but a log file given by
// mistake is. The same holds for a file and all that it includes together.
inline constexpr size_t kMaxFileBytes = 32 * 1024 * 1024;

using FileId = std::pair<uint64_t, uint64_t>;  // device and inode

struct FileText {
  std::string text;  // at most one byte more than was allowed
  FileId id;
  int error = 0;  // errno; the text is then of no use
};

enum class FileKind {
  kAny,      // a pipe, too
  kRegular,  // anything else is EINVAL: a pipe might never end
};

FileText read_file(const std::string& path, FileKind kind, size_t max_bytes);

}  // namespace lb::config
