// `sluice convert` as a command: files and stdin in, streams and exit codes out, and a result that
// the other commands take.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "test/support/catch.h"
#include "test/support/child_process.h"
#include "test/support/sluice_process.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

using Catch::Contains;

constexpr const char* kNamespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";

std::string guide() { return std::string(std::getenv("SLUICE_MANIFESTS")) + "/tcp-routing.yaml"; }

}  // namespace

TEST_CASE("convert writes TOML to stdout, and what it leaves out to stderr") {
  const TempDir dir;
  const CommandResult result = run_sluice({"convert", guide()});
  INFO(result.err);
  REQUIRE(result.code == 0);
  CHECK_THAT(result.err, Contains(guide() + ":7: left out: spec.gatewayClassName of Gateway"));
  const CommandResult check =
      run_sluice({"check", "--strict", "--config", dir.write("guide.toml", result.out)});
  INFO(check.out << check.err);
  CHECK(check.code == 0);
}

TEST_CASE("convert takes several files, and stdin") {
  const TempDir dir;
  const std::string path = dir.write("n.yaml", kNamespace);
  const CommandResult result = run_command(
      {.argv = {std::getenv("SLUICE_BIN"), "convert", guide(), "-"}, .stdin_path = path});
  CHECK(result.code == 0);
  CHECK_THAT(result.out, Contains("[[gateways]]") && Contains("[[namespaces]]"));
}

TEST_CASE("convert says every error and writes nothing") {
  const TempDir dir;
  const std::string bad = dir.write("bad.yaml", "a: [\n");
  const std::string nameless = dir.write("nameless.yaml", "apiVersion: v1\nkind: Service\n");
  const CommandResult result =
      run_sluice({"convert", dir.path("missing.yaml"), bad, guide(), nameless, dir.path()});
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, Contains("missing.yaml: error: cannot be read: No such file"));
  CHECK_THAT(result.err, Contains("bad.yaml:2:1: error: not YAML"));
  CHECK_THAT(result.err,
             Contains("nameless.yaml:1:1: error: metadata.name of a Service is missing"));
  CHECK_THAT(result.err, Contains(dir.path() + ": error: cannot be read: Is a directory"));
  CHECK_THAT(result.err, !Contains("left out"));

  CHECK(run_sluice({"convert"}).code == 2);
  CHECK(run_sluice({"convert", "--help"}).code == 0);
}

TEST_CASE("convert refuses a file beyond all measure, and says when it cannot write") {
  const TempDir dir;
  const std::string path = dir.write("huge.yaml", "");
  std::filesystem::resize_file(path, size_t{65} << 20);
  const CommandResult huge = run_sluice({"convert", path});
  CHECK(huge.code == 2);
  CHECK_THAT(huge.err, Contains("cannot be read: larger than"));

  const CommandResult full =
      run_command({.argv = {"sh", "-c", "exec \"$0\" convert \"$1\" > /dev/full",
                            std::getenv("SLUICE_BIN"), guide()}});
  CHECK(full.code == 1);
  CHECK_THAT(full.err, Contains("cannot write: No space left"));
}

}  // namespace lb::test
