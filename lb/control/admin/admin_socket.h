// The control socket's file: who may open it, who may ask through it, and its removal at the end.
// Control thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/net/fd.h"

namespace lb::control {

class AdminSocket {
 public:
  // Listens on `path`, mode 0660; what a dead process left there is replaced. The folder of the
  // default path is made where it is missing.
  static absl::StatusOr<std::unique_ptr<AdminSocket>> open(const std::string& path);
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;
  // Removes the file, unless another one is in its place by now.
  ~AdminSocket();

  // The listening socket; once.
  net::UniqueFd take_fd() { return std::move(fd_); }

  // Whether the peer of an accepted socket is root, this process's user, or in the file's group
  // (unix(7), SO_PEERCRED). The file's mode says the same to begin with; this holds when somebody
  // has loosened it.
  bool may_ask(int fd) const;

 private:
  AdminSocket(std::string path, net::UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  absl::Status restrict_access();

  const std::string path_;
  net::UniqueFd fd_;
  // The file itself, however it is called.
  dev_t device_ = 0;
  ino_t inode_ = 0;
  gid_t group_ = 0;
};

}  // namespace lb::control
