// What a file includes: which files, in which order, and that every fault names its own file.
#include "lb/config/read/include.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "test/support/catch.h"
#include "test/support/temp_dir.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

// A folder with a main file, which includes as it is told, and further ones.
class Folder {
 public:
  explicit Folder(std::string_view include, std::string_view more = kSound) {
    add("main.toml", fmt::format("include = [{}]\n{}", include, more));
  }

  Folder& add(const std::string& name, std::string_view text) {
    const std::string path = dir_.path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return *this;
  }

  std::string path(const std::string& name) const { return dir_.path(name); }
  LoadResult load() const { return load_file(path("main.toml")); }

 private:
  test::TempDir dir_;
};

std::string service(std::string_view name) {
  return fmt::format("[[services]]\nname = '{}'\nports = [{{ port = 1 }}]\n", name);
}

std::vector<std::string> service_names(const LoadResult& result) {
  INFO(printed(result.faults));
  REQUIRE(result.config);
  std::vector<std::string> names;
  for (const Service& each : result.config->services) names.push_back(each.name.name);
  return names;
}

using Names = std::vector<std::string>;

TEST_CASE("files are included in the order of their bytes, behind the file itself") {
  Folder folder("'conf.d/*.toml', 'last.toml'");
  folder.add("conf.d/b.toml", service("b")).add("conf.d/B.toml", service("upper"));
  folder.add("conf.d/a10.toml", service("a10")).add("conf.d/a9.toml", service("a9"));
  folder.add("conf.d/.hidden.toml", service("hidden")).add("conf.d/a.txt", "no = toml = this");
  folder.add("last.toml", service("last"));
  const LoadResult result = folder.load();
  CHECK(service_names(result) == Names{"s", "upper", "a10", "a9", "b", "last"});
  CHECK(result.faults.empty());
  REQUIRE(result.sources.size() == 6);
  CHECK(result.sources[1].name == folder.path("conf.d/B.toml"));
  CHECK(result.config->services[1].where == SourcePosition{1, 1, 1});
}

TEST_CASE("a file is included once, and never by itself") {
  Folder folder("'*.toml', 'a.toml', 'link.toml', './a.*'");
  folder.add("a.toml", service("a"));
  REQUIRE(::symlink("a.toml", folder.path("link.toml").c_str()) == 0);
  CHECK(service_names(folder.load()) == Names{"s", "a"});
}

TEST_CASE("paths may be absolute, and a folder's name is no pattern") {
  const test::TempDir other;
  Folder folder("'" + other.write("x.toml", service("x")) + "'");
  CHECK(service_names(folder.load()) == Names{"s", "x"});
  folder.add("a[b]*/main.toml", "include = ['sub/*.toml']\n" + kSound);
  folder.add("a[b]*/sub/y.toml", service("y")).add("ab/sub/z.toml", service("z"));
  CHECK(service_names(load_file(folder.path("a[b]*/main.toml"))) == Names{"s", "y"});
}

TEST_CASE("tables are merged, and what two files set is told with both places") {
  Folder folder("'a.toml', 'b.toml'", kSound + "[log]\nlevel = 'warn'\n");
  folder.add("a.toml", "[log]\nformat = 'json'\n[defaults.service]\nretry.maxAttempts = 9\n");
  folder.add("b.toml", "[runtime]\nworkers = 3\n");
  const LoadResult merged = folder.load();
  INFO(printed(merged.faults));
  REQUIRE(merged.config);
  CHECK(merged.config->log.level == LogLevel::kWarn);
  CHECK(merged.config->log.format == LogFormat::kJSON);
  CHECK(merged.config->runtime.workers == 3);
  CHECK(merged.config->services[0].policy.retry_max_attempts == 9);

  folder.add("b.toml", "\n[log]\nlevel = 'info'\n" + service("s"));
  const LoadResult result = folder.load();
  CHECK_FALSE(result.config);
  CHECK(places(result.faults) == Names{"E0212 3:1", "E0202 4:1"});
  const std::string shown = printed(result.faults);
  INFO(shown);
  CHECK(shown.find(folder.path("b.toml") +
                   ":3:1: error[E0212]: level is set in two files, first "
                   "at " +
                   folder.path("main.toml") + ":6\nlevel = 'info'\n") != std::string::npos);
  CHECK(shown.find(folder.path("b.toml") +
                   ":4:1: error[E0202]: duplicate service \"s\", first "
                   "defined at " +
                   folder.path("main.toml") + ":4\n") != std::string::npos);
}

TEST_CASE("only the arrays at the top are put together") {
  Folder folder("'a.toml'", kSound + "[log]\nx = [1]\n");
  folder.add("a.toml", "[log]\nx = [2]\n");
  CHECK(places(folder.load().faults) == Names{"E0105 6:1", "E0212 2:1"});
  folder.add("a.toml", "gateways = 1\n");
  CHECK(places(folder.load().faults) == Names{"E0105 6:1", "E0212 1:1"});
}

TEST_CASE("a gateway may come from an included file") {
  Folder folder("'g.toml'", "");
  CHECK(places(folder.load().faults) == Names{"E0102 1:12"});
  folder.add("g.toml", kSound);
  CHECK(folder.load().config);
  folder.add("g.toml", "");
  CHECK(places(folder.load().faults) == Names{"E0201 1:1"});
}

TEST_CASE("a pattern without a match is a warning, a missing file an error") {
  Folder folder("'conf.d/*.toml', 'none*'");
  const LoadResult nothing = folder.load();
  CHECK(nothing.config);
  CHECK(places(nothing.faults) == Names{"W0318 1:12", "W0318 1:29"});
  CHECK(printed(nothing.faults)
            .find("warning[W0318]: include \"conf.d/*.toml\" matches no file\n"
                  "include = ['conf.d/*.toml', 'none*']\n           ^\n") != std::string::npos);
  const LoadResult missing = Folder("'none.toml'").load();
  CHECK_FALSE(missing.config);
  CHECK(printed(missing.faults).find("none.toml cannot be included: No such file") !=
        std::string::npos);
}

TEST_CASE("what cannot be included is an error at the pattern") {
  Folder folder("'x*'");
  std::filesystem::create_directory(folder.path("x.toml"));
  CHECK(printed(folder.load().faults).find("x.toml cannot be included: Is a directory") !=
        std::string::npos);
  Folder pipe("'p*'");
  REQUIRE(::mkfifo(pipe.path("p").c_str(), 0600) == 0);
  CHECK(places(pipe.load().faults) == Names{"E0102 1:12"});  // and does not wait for a writer
  CHECK(places(Folder("1, ''").load().faults) == Names{"E0106 1:12", "E0113 1:15"});
  CHECK(places(load_text(kSound + "include = 'a'\n", "f").faults).front() == "E0118 4:1");
}

TEST_CASE("included files do not include, and a text does not at all") {
  Folder folder("'a.toml'");
  folder.add("a.toml", "include = ['main.toml']\n" + service("a"));
  const LoadResult nested = folder.load();
  CHECK_FALSE(nested.config);
  CHECK(places(nested.faults) == Names{"E0118 1:1"});
  CHECK(nested.faults[0].file == folder.path("a.toml"));
  const LoadResult text = load_text("include = ['/etc/*']\n" + kSound, "f");
  CHECK(places(text.faults) == Names{"E0118 1:1"});
  CHECK(text.sources.size() == 1);
}

TEST_CASE("faults of all files come in one run, each with its own line") {
  Folder folder("'*.toml'", kSound + "x = 1\n");
  folder.add("a.toml", "a = = 1\n").add("b.toml", "b\0").add("c.toml", "# é\n\"é\" = 1\n");
  const LoadResult result = folder.load();
  CHECK_FALSE(result.config);
  CHECK(places(result.faults) == Names{"E0105 5:1", "E0101 1:5", "E0101 1:2", "E0105 2:1"});
  CHECK(result.faults[1].file == folder.path("a.toml"));
  CHECK(result.faults[3].source_line == "\"é\" = 1");
}

TEST_CASE("all files together are bounded") {
  Folder folder("'*.txt'");
  for (const char* name : {"a.txt", "b.txt", "c.txt"}) {
    folder.add(name, std::string(kMaxFileBytes / 2 - 1000, '#') + "\n");
  }
  const LoadResult result = folder.load();
  CHECK_FALSE(result.config);
  CHECK(places(result.faults) == Names{"E0103 1:12"});
  CHECK(printed(result.faults).find("c.txt there are more than 32 MiB") != std::string::npos);
}

}  // namespace
}  // namespace lb::config
