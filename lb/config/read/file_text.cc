#include "lb/config/read/file_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "lb/net/fd.h"

namespace lb::config {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

// Errno of the failure, or 0. Stops at one byte more than `max_bytes`.
int read_all(int fd, size_t max_bytes, std::string& text) {
  while (text.size() <= max_bytes) {
    const size_t size = text.size();
    const size_t wanted = std::min(kReadBytes, max_bytes + 1 - size);
    text.resize(size + wanted);
    const ssize_t got = ::read(fd, text.data() + size, wanted);
    const int error = errno;
    text.resize(size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return 0;
    if (got < 0 && error != EINTR) return error;
  }
  return 0;
}

}  // namespace

FileText read_file(const std::string& path, FileKind kind, size_t max_bytes) {
  FileText file;
  // Without O_NONBLOCK the open of a named pipe waits for its writer.
  const int nonblock = kind == FileKind::kRegular ? O_NONBLOCK : 0;
  const net::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | nonblock));
  struct stat info = {};
  if (!fd.is_open() || ::fstat(fd.get(), &info) != 0) {
    file.error = errno;
    return file;
  }
  file.id = {info.st_dev, info.st_ino};
  if (kind == FileKind::kRegular && !S_ISREG(info.st_mode)) {
    file.error = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    return file;
  }
  file.error = read_all(fd.get(), max_bytes, file.text);
  return file;
}

}  // namespace lb::config
