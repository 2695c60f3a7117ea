#include "test/blackbox/peer.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/socket.h"

namespace lb::test {
namespace {

// PostgreSQL refuses to run as root.
void become_postgres() {
  if (::getuid() != 0) return;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr) user = ::getpwnam("nobody");
  if (user == nullptr || ::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0) {
    ::_exit(126);
  }
}

// Of its latest version.
std::string postgres_folder() {
  const std::filesystem::path root = "/usr/lib/postgresql";
  if (!std::filesystem::exists(root)) return "";
  std::vector<std::string> versions;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    versions.push_back((entry.path() / "bin").string());
  }
  return versions.empty() ? "" : *std::max_element(versions.begin(), versions.end());
}

}  // namespace

bool have_programs(const std::vector<std::string>& programs) {
  for (const std::string& program : programs) {
    if (have_command(program)) continue;
    std::printf("skipped, there is no %s here\n", program.c_str());
    return false;
  }
  return true;
}

void wait_listening(const net::Address& address) {
  const bool is_up = eventually(
      [&] {
        int error = 0;
        Socket::try_connect(address, {}, error);
        return error == 0;
      },
      std::chrono::seconds(20));
  if (!is_up) throw Failure("nothing listens on " + address.to_string());
}

SpawnOptions nginx_command(const TempDir& dir, const std::string& servers) {
  std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
  const std::string config =
      "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n"
      "access_log off;\nclient_body_temp_path b;\nproxy_temp_path p;\nfastcgi_temp_path f;\n"
      "uwsgi_temp_path u;\nscgi_temp_path s;\n" +
      servers + "\n}\n";
  return {
      .argv = {"nginx", "-e", "stderr", "-p", dir.path(), "-c", dir.write("nginx.conf", config)}};
}

void make_certificate(const TempDir& dir) {
  const CommandResult made = run_command(
      {.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", dir.path("key.pem"), "-out",
                dir.path("cert.pem"), "-subj", "/CN=test"}});
  if (made.code != 0) throw Failure("no certificate: " + made.err);
}

bool Postgres::is_installed() {
  const std::string bin = postgres_folder();
  return have_programs({bin + "/initdb", bin + "/postgres"});
}

void Postgres::make_cluster() const {
  std::filesystem::permissions(dir_.path(), std::filesystem::perms::all);
  const CommandResult made =
      run_command({.argv = {postgres_folder() + "/initdb", "-D", dir_.path("data"), "-U",
                            "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"},
                   .before_exec = become_postgres});
  if (made.code != 0) throw Failure("initdb: " + made.err);
}

SpawnOptions Postgres::command(uint16_t port) const {
  return {.argv = {postgres_folder() + "/postgres", "-D", dir_.path("data"), "-h", "127.0.0.1",
                   "-p", std::to_string(port), "-k", dir_.path(), "-F"},
          .before_exec = become_postgres};
}

}  // namespace lb::test
