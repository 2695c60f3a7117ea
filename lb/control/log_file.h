// A log in a file that is opened anew after somebody has renamed it. Main thread; the sink is
// everybody's.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/net/fd.h"
#include "lb/util/log_sink.h"

namespace lb::control {

class LogFile {
 public:
  // Goes on at the end of the file, or makes it.
  static absl::StatusOr<std::unique_ptr<LogFile>> open(const std::string& path,
                                                       util::RecordFormat format);

  const std::string& path() const { return path_; }
  util::LogSink& sink() { return sink_; }

  // Opens what has the name now, or makes it, and goes on there with whole lines; when that fails,
  // in the old file.
  absl::Status reopen();

 private:
  LogFile(std::string path, net::UniqueFd fd, util::RecordFormat format);

  const std::string path_;
  net::UniqueFd fd_;
  util::LogSink sink_;  // writes to fd_
};

}  // namespace lb::control
