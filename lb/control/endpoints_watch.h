// Watches endpoints files by looking at them five times a second, while there are any.
//
// Why not inotify(7): a rename, an edit, a symbolic link that is moved somewhere along the path, a
// folder that is made later, a network file system and a mount all look the same to stat(2), which
// costs a microsecond, and only some of them show up there; what does not would need this anyway.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lb/event/engine.h"

namespace lb::control {

// Control thread. A change is told of within 0.4 s of its end: when two looks in a row have seen
// the same, so that a file is not read while it is being written, and after 1 s of constant change.
class EndpointsWatch {
 public:
  using Paths = std::vector<std::string>;
  // Gets those that have changed, at least once each after follow(); returns those that it wants to
  // be told of again.
  using OnChange = std::function<Paths(const Paths&)>;

  // `engine` must outlive the watch.
  EndpointsWatch(event::Engine& engine, OnChange on_change);
  EndpointsWatch(const EndpointsWatch&) = delete;
  EndpointsWatch& operator=(const EndpointsWatch&) = delete;
  ~EndpointsWatch();

  // Watches these in place of those before. A path may be there more than once.
  void follow(const Paths& paths);

 private:
  // What can be seen of a file without reading it. Every write changes it: the clock of the file's
  // times has gone on since the look before.
  struct Look {
    int error = 0;  // errno
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t size_bytes = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;

    friend bool operator==(const Look&, const Look&) = default;
  };

  struct Watched {
    std::optional<Look> told;  // as it was when it was told of last
    std::optional<Look> last;
    int restless_looks = 0;  // since it differs from what was told of
  };

  static Look look_at(const std::string& path);
  void look();
  // Whether to tell of the file now.
  static bool is_due(const Look& now, Watched& watched);

  event::Engine& engine_;
  OnChange on_change_;
  event::Timer timer_;
  std::map<std::string, Watched> files_;
};

}  // namespace lb::control
