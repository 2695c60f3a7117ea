#include "lb/control/log_file.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace lb::control {
namespace {

constexpr mode_t kFileMode = 0640;

// Non-blocking, so that a pipe without a reader is an error and does not stop the control thread.
absl::StatusOr<net::UniqueFd> open_to_append(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
  net::UniqueFd fd(::open(path.c_str(), kFlags, kFileMode));
  if (!fd.is_open()) return absl::UnavailableError(std::strerror(errno));
  return fd;
}

}  // namespace

LogFile::LogFile(std::string path, net::UniqueFd fd, util::RecordFormat format)
    : path_(std::move(path)), fd_(std::move(fd)), sink_(fd_.get(), format) {}

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::open(const std::string& path,
                                                       util::RecordFormat format) {
  absl::StatusOr<net::UniqueFd> fd = open_to_append(path);
  if (!fd.ok()) return fd.status();
  return std::unique_ptr<LogFile>(new LogFile(path, *std::move(fd), format));
}

absl::Status LogFile::reopen() {
  absl::StatusOr<net::UniqueFd> fd = open_to_append(path_);
  if (!fd.ok()) return fd.status();
  sink_.replace_file(fd->release());
  return absl::OkStatus();
}

}  // namespace lb::control
