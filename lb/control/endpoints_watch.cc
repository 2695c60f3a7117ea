#include "lb/control/endpoints_watch.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace lb::control {
namespace {

constexpr int64_t kPeriodMs = 200;
constexpr int kMaxRestlessLooks = 5;

int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

}  // namespace

EndpointsWatch::EndpointsWatch(event::Engine& engine, OnChange on_change)
    : engine_(engine), on_change_(std::move(on_change)) {
  timer_.bind<&EndpointsWatch::look>(this);
}

EndpointsWatch::~EndpointsWatch() { engine_.timers().stop(timer_); }

void EndpointsWatch::follow(const Paths& paths) {
  std::map<std::string, Watched> before = std::exchange(files_, {});
  for (const std::string& path : paths) {
    Watched& watched = files_[path];
    if (const auto found = before.find(path); found != before.end()) watched = found->second;
    // Whoever read it did so before this, and it may have changed since.
    watched.told.reset();
  }
  if (files_.empty()) {
    engine_.timers().stop(timer_);
  } else if (!timer_.is_running()) {
    engine_.timers().start(timer_, engine_.now_ms());
  }
}

EndpointsWatch::Look EndpointsWatch::look_at(const std::string& path) {
  Look look;
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    look.error = errno;
    return look;
  }
  look.device = info.st_dev;
  look.inode = info.st_ino;
  look.size_bytes = info.st_size;
  look.modified_ns = nanoseconds(info.st_mtim);
  look.changed_ns = nanoseconds(info.st_ctim);
  return look;
}

bool EndpointsWatch::is_due(const Look& now, Watched& watched) {
  const bool is_settled = watched.last == now;
  watched.last = now;
  if (watched.told == now) {
    watched.restless_looks = 0;
    return false;
  }
  return is_settled || ++watched.restless_looks >= kMaxRestlessLooks;
}

void EndpointsWatch::look() {
  Paths due;
  for (auto& [path, watched] : files_) {
    if (is_due(look_at(path), watched)) due.push_back(path);
  }
  if (!due.empty()) {
    const Paths again = on_change_(due);
    for (const std::string& path : due) {
      if (std::find(again.begin(), again.end(), path) != again.end()) continue;
      Watched& watched = files_.at(path);
      watched.told = watched.last;
      watched.restless_looks = 0;
    }
  }
  engine_.timers().start(timer_, engine_.now_ms() + kPeriodMs);
}

}  // namespace lb::control
