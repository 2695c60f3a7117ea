// Golden texts: faults are printed as compilers do it, so that editors can follow them.
#include "lb/config/fault.h"

#include "lb/config/load.h"
#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

TEST_CASE("faults are printed with the line, a caret and what was meant") {
  const LoadResult result = load_text(
      "[[gateways]]\n"
      "name = \"edge\"\n"
      "listener = []\n"
      "listeners = [{ name = \"web\", port = \"80\", protocol = \"TCP\" }]\n"
      "\n"
      "[runtime]\n"
      "\tengine = \"iouring\"\n"
      "shutdownTimeout = 30\n",
      "dir/my.toml");
  CHECK_FALSE(result.config);
  CHECK(
      printed(result.faults) ==
      "dir/my.toml:3:1: error[E0105]: unknown key \"listener\" in gateways[]\n"
      "listener = []\n"
      "^\n"
      "  did you mean \"listeners\"?\n"
      "dir/my.toml:4:37: error[E0106]: port must be an integer, but is a string\n"
      "listeners = [{ name = \"web\", port = \"80\", protocol = \"TCP\" }]\n"
      "                                    ^\n"
      "dir/my.toml:7:11: error[E0109]: engine must be \"auto\", \"io_uring\" or \"epoll\", but is "
      "\"iouring\"\n"
      "\tengine = \"iouring\"\n"
      "\t         ^\n"
      "  did you mean \"io_uring\"?\n"
      "dir/my.toml:8:19: error[E0106]: shutdownTimeout must be a duration such as \"1h30m\" or "
      "\"500ms\", but is an integer\n"
      "shutdownTimeout = 30\n"
      "                  ^\n"
      "  did you mean \"30s\"?\n");
}

TEST_CASE("a warning says so, and a fault of the whole file has no line") {
  Fault fault;
  fault.code = FaultCode::kBackendNotFound;
  fault.severity = Severity::kWarning;
  fault.message = "there is no service \"x\"";
  fault.file = "a.toml";
  CHECK(format(fault) == "a.toml: warning[W0310]: there is no service \"x\"\n");
}

TEST_CASE("columns are characters: the caret stands right after letters of several bytes") {
  const LoadResult result = load_text("# é\n\"é\" = 1\r\n", "a");
  REQUIRE(result.faults.size() == 2);
  CHECK(format(result.faults[1]) ==
        "a:2:1: error[E0105]: unknown key \"é\" at the top level\n\"é\" = 1\n^\n");
  const LoadResult wrong = load_text("runtime = { 'é' = 1, workers = '' }\n", "a");
  CHECK(printed(wrong.faults)
            .find("\nruntime = { 'é' = 1, workers = '' }\n"
                  "                               ^\n") != std::string::npos);
}

TEST_CASE("of a long line the part around the column is shown") {
  const std::string text = "a = '" + std::string(5000, 'x') + "'; b" + std::string(5000, 'y');
  const std::string shown = printed(load_text(text, "a").faults);
  CHECK(shown.find("a:1:5007: error[E0101]: ") == 0);
  CHECK(shown.size() < 500);
  const std::string window = std::string(79, 'x') + "'; b" + std::string(77, 'y') + "\n";
  CHECK(shown.find("\n" + window + std::string(80, ' ') + "^\n") != std::string::npos);
}

TEST_CASE("what a file contains cannot steer the terminal") {
  const std::string shown = printed(load_text("\"\\u001b[2J\\n\" = 1\n", "a").faults);
  CHECK(shown.find('\x1b') == std::string::npos);
  CHECK(shown.find("unknown key \"\\x1b[2J\\x0a\"") != std::string::npos);
  CHECK(printed(load_text("x = \x1b[2J\n", "a").faults).find("x = \\x1b[2J\n") !=
        std::string::npos);
}

TEST_CASE("locate sorts by place and keeps the order of equal ones") {
  std::vector<Fault> faults(3);
  faults[0].where = {0, 2, 1};
  faults[0].message = "third";
  faults[1].where = {0, 1, 5};
  faults[1].message = "first";
  faults[2].where = {0, 1, 5};
  faults[2].message = "second";
  locate(faults, {{"f", "one\ntwo"}});
  CHECK(printed(faults) ==
        "f:1:5: error[E0101]: first\none\n   ^\n"
        "f:1:5: error[E0101]: second\none\n   ^\n"
        "f:2:1: error[E0101]: third\ntwo\n^\n");
}

TEST_CASE("many faults of one place keep their order as well") {
  std::vector<Fault> faults(100);
  for (size_t i = 0; i < faults.size(); ++i) faults[i].message = std::to_string(i);
  locate(faults, {});
  for (size_t i = 0; i < faults.size(); ++i) CHECK(faults[i].message == std::to_string(i));
}

}  // namespace
}  // namespace lb::config
