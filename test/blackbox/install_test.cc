// What `meson install` puts in place, and what systemd thinks of the unit.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "test/support/catch.h"
#include "test/support/child_process.h"
#include "test/support/failure.h"
#include "test/support/sluice_process.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw Failure(std::string(name) + " is not set: run it through meson");
  return value;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// The build as it is, installed below a folder of its own.
struct Installation {
  Installation() { install(); }

  void install() const {
    const CommandResult result =
        run_command({.argv = {variable("SLUICE_MESON"), "install", "-C", variable("SLUICE_BUILD"),
                              "--no-rebuild", "--destdir", dir.path()}});
    if (result.code != 0) throw Failure(result.out + result.err);
  }

  // A path of the installed system, below the folder.
  std::string below(const std::string& path) const { return dir.path() + path; }
  std::string binary() const { return variable("SLUICE_BINDIR") + "/sluice"; }
  std::string config() const { return variable("SLUICE_CONFIG"); }
  std::string unit() const { return below(variable("SLUICE_UNITDIR") + "/sluice.service"); }

  // The unit as text, with the program where it lies now.
  std::string unit_here() const { return replaced(text_of(unit()), binary(), below(binary())); }

  TempDir dir;
};

CommandResult verify(const std::string& unit) {
  return run_command(
      {.argv = {"systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit}});
}

int mode_of(const std::string& path) { return static_cast<int>(fs::status(path).permissions()); }

}  // namespace

TEST_CASE("install: the program, the unit, the user, the configuration and the log rotation") {
  const Installation installed;
  CHECK(mode_of(installed.below(installed.binary())) == 0755);
  CHECK(mode_of(installed.unit()) == 0644);
  CHECK(mode_of(installed.below(installed.config())) == 0644);
  CHECK(contains(text_of(installed.below(variable("SLUICE_SYSUSERSDIR") + "/sluice.conf")),
                 "u sluice "));
  const fs::path etc = fs::path(installed.config()).parent_path().parent_path();
  CHECK(fs::exists(installed.below((etc / "logrotate.d" / "sluice").string())));

  const std::string unit = text_of(installed.unit());
  CHECK_FALSE(contains(unit, "@bindir@"));
  CHECK(contains(
      unit, "\nExecStart=" + installed.binary() + " run --config " + installed.config() + "\n"));
  CHECK(contains(unit, "\nExecReload=" + installed.binary() + " reload --wait "));
  const CommandResult version =
      run_command({.argv = {installed.below(installed.binary()), "version"}});
  CHECK(version.code == 0);
}

TEST_CASE("install: the configuration is valid, complete, and the operator's from then on") {
  const Installation installed;
  const std::string config = installed.below(installed.config());
  CHECK(text_of(config) == text_of(variable("SLUICE_CONF") + "/sluice.toml"));
  const CommandResult check = run_command(
      {.argv = {installed.below(installed.binary()), "check", "--strict", "--config", config}});
  INFO(check.out << check.err);
  CHECK(check.code == 0);

  std::ofstream(config) << "# mine\n";
  installed.install();
  CHECK(text_of(config) == "# mine\n");
}

TEST_CASE("install: systemd takes every line of the unit") {
  const Installation installed;
  const std::string here = installed.dir.write("sluice.service", installed.unit_here());
  const CommandResult good = verify(here);
  INFO(good.err);
  CHECK(good.code == 0);
  CHECK_FALSE(contains(good.err, "sluice.service"));

  // And it would tell.
  const std::string broken = replaced(installed.unit_here(), "\nKillMode=", "\nKillMod=");
  const CommandResult bad = verify(installed.dir.write("sluice.service", broken));
  CHECK(contains(bad.err, "KillMod"));
  REQUIRE(fs::remove(installed.below(installed.binary())));
  CHECK(verify(installed.dir.write("sluice.service", installed.unit_here())).code != 0);
}

TEST_CASE("install: the unit is hardened") {
  const Installation installed;
  const auto security = [&](const std::string& text) {
    return run_command({.argv = {"systemd-analyze", "security", "--no-pager", "--offline=true",
                                 "--threshold=20", installed.dir.write("sluice.service", text)}});
  };
  // 2.0 of 10; a service without any of it has 9.6.
  const CommandResult result = security(installed.unit_here());
  INFO(result.out << result.err);
  CHECK(result.code == 0);
  CHECK(security(replaced(installed.unit_here(), "\nSystemCallFilter=", "\n#")).code != 0);
}

}  // namespace lb::test
