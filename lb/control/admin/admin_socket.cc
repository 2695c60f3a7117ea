#include "lb/control/admin/admin_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "lb/config/runtime.h"
#include "lb/net/address.h"
#include "lb/net/socket.h"

namespace lb::control {
namespace {

constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0660;
constexpr int kBacklog = 128;

absl::Status failed(const char* what, int error) {
  return absl::UnavailableError(fmt::format("{}: {}", what, std::strerror(error)));
}

// Only ours: a folder that an operator has named is the operator's to make.
void make_default_folder(const std::string& path) {
  if (path != config::kDefaultControlSocket) return;
  mkdir(path.substr(0, path.rfind('/')).c_str(), kFolderMode);
}

// The groups of a peer beside its primary one (socket(7), SO_PEERGROUPS); empty when the kernel
// does not tell.
std::vector<gid_t> peer_groups(int fd) {
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size_bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size_bytes);
    const size_t count = size_bytes / sizeof(gid_t);
    if (result != 0 && (errno != ERANGE || count <= groups.size())) return {};
    groups.resize(count);
    if (result == 0) return groups;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminSocket>> AdminSocket::open(const std::string& path) {
  const absl::StatusOr<net::Address> address = net::Address::from_unix_path(path);
  if (!address.ok()) return address.status();
  make_default_folder(path);
  net::ListenOptions options;
  options.backlog = kBacklog;
  net::UniqueFd fd;
  if (const int error = net::listen_stream(*address, options, &fd); error < 0) {
    if (error == -EADDRINUSE) return absl::UnavailableError("another process listens there");
    return failed("listen", -error);
  }
  std::unique_ptr<AdminSocket> socket(new AdminSocket(path, std::move(fd)));
  if (absl::Status status = socket->restrict_access(); !status.ok()) return status;
  return socket;
}

absl::Status AdminSocket::restrict_access() {
  struct stat status;
  if (lstat(path_.c_str(), &status) != 0) return failed("lstat", errno);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  group_ = status.st_gid;
  if (chmod(path_.c_str(), kFileMode) != 0) return failed("chmod", errno);
  return absl::OkStatus();
}

AdminSocket::~AdminSocket() {
  struct stat status;
  if (lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path_.c_str());
}

bool AdminSocket::may_ask(int fd) const {
  ucred peer = {};
  socklen_t size_bytes = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size_bytes) != 0) return false;
  if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == group_) return true;
  const std::vector<gid_t> groups = peer_groups(fd);
  return std::find(groups.begin(), groups.end(), group_) != groups.end();
}

}  // namespace lb::control
