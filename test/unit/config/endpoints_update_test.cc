// Endpoints files within a load, and after it: whose fault is whose, and what stays when a file
// breaks.
#include "lb/config/read/endpoints_update.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "lb/config/read/endpoints_file.h"
#include "test/support/catch.h"
#include "test/support/temp_dir.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

using Strings = std::vector<std::string>;

// A folder with a configuration whose service "s" has 10.0.0.1 and what is in the file "e".
class Folder {
 public:
  explicit Folder(std::string_view endpoints = "[{ address = '10.0.0.1' }]") { main(endpoints); }

  const Folder& main(std::string_view endpoints, std::string_view file = "e") const {
    std::string text = kSound;
    const std::string_view own = "endpoints = [{ address = '10.0.0.1' }]";
    text.replace(text.find(own), own.size(),
                 fmt::format("endpoints = {}, endpointsFile = '{}'", endpoints, file));
    dir_.write("main.toml", text);
    return *this;
  }
  const Folder& write(std::string_view text) const {
    dir_.write("e", text);
    return *this;
  }
  const Folder& remove() const {
    std::filesystem::remove(dir_.path("e"));
    return *this;
  }
  std::string path(const std::string& name) const { return dir_.path(name); }
  LoadResult load(const LoadResult* served = nullptr) const {
    return load_file(path("main.toml"), served);
  }

 private:
  test::TempDir dir_;
};

// The service's endpoints, "10.0.0.1:80"; port 0 is the target port.
Strings endpoints_of(const LoadResult& loaded) {
  INFO(printed(loaded.faults));
  REQUIRE(loaded.config);
  Strings out;
  for (const Endpoint& endpoint : loaded.config->services.front().endpoints) {
    out.push_back(fmt::format("{}:{}", endpoint.address, endpoint.port));
  }
  return out;
}

const EndpointsFile& file_of(const LoadResult& loaded) {
  return loaded.config->services.front().endpoints_file;
}

// The text of the line in which the service's last endpoint says it stands.
std::string line_of_last(const LoadResult& loaded) {
  std::vector<Fault> fault(1);
  fault.front().where = loaded.config->services.front().endpoints.back().where;
  locate(fault, loaded.sources);
  return fault.front().source_line;
}

TEST_CASE("a file's endpoints come behind those of the configuration") {
  Folder folder;
  folder.write("# two\n10.0.0.2\n10.0.0.3:80\n");
  const LoadResult loaded = folder.load();
  CHECK(endpoints_of(loaded) == Strings{"10.0.0.1:0", "10.0.0.2:0", "10.0.0.3:80"});
  CHECK(loaded.faults.empty());
  CHECK(file_of(loaded).path == folder.path("e"));
  CHECK(line_of_last(loaded) == "10.0.0.3:80");
  CHECK(endpoints_of(folder.main("[]").load()) == Strings{"10.0.0.2:0", "10.0.0.3:80"});
  CHECK(endpoints_of(folder.main("[]", folder.path("e")).load()).size() == 2);
  CHECK(endpoints_of(folder.write("# nobody\n").load()).empty());
}

TEST_CASE("a path is relative to the file that names it") {
  test::TempDir dir;
  std::filesystem::create_directories(dir.path("conf.d"));
  dir.write("main.toml", "include = ['conf.d/*.toml']\n" + kSound);
  dir.write("conf.d/more.toml",
            "[[services]]\nname = 't'\nports = [{ port = 1 }]\nendpointsFile = 'e'\n");
  dir.write("conf.d/e", "10.0.0.9\n");
  const LoadResult loaded = load_file(dir.path("main.toml"));
  INFO(printed(loaded.faults));
  REQUIRE(loaded.config);
  REQUIRE(loaded.config->services.at(1).endpoints.size() == 1);
  CHECK(loaded.config->services.at(1).endpoints.front().address == "10.0.0.9");
}

TEST_CASE("a broken file is an error where nothing was served from it") {
  Folder folder;
  LoadResult loaded = folder.write("10.0.0.2\n10.0.0.3:x\nweb\n").load();
  CHECK_FALSE(loaded.config);
  CHECK(places(loaded.faults) == Strings{"E0110 2:10", "E0116 3:1"});
  CHECK(loaded.faults.front().file == folder.path("e"));
  CHECK(printed(loaded.faults).find("10.0.0.3:x\n         ^\n") != std::string::npos);

  // The endpoint that is there twice is the later one, and the other file is named.
  loaded = folder.write("10.0.0.2\n10.0.0.1:1\n").load();
  CHECK(places(loaded.faults) == Strings{"E0210 2:1"});
  CHECK(loaded.faults.front().message.ends_with("first at " + folder.path("main.toml") + ":3"));
  CHECK(places(folder.write("::1\n0::1\n").load().faults) == Strings{"E0210 2:1"});

  // A fault of the file as a whole is at the key.
  const Strings at_key = places(folder.main("[]", "/").load().faults);
  REQUIRE(at_key.size() == 1);
  CHECK(at_key.front().starts_with("E0102 3:"));
  const std::string large(kMaxEndpointsFileBytes, '#');
  CHECK(folder.main("[]").write(large).load().config);
  CHECK(places(folder.write(large + "#").load().faults).front().starts_with("E0103 3:"));
}

TEST_CASE("a file that is not there yet is a warning") {
  Folder folder;
  for (const char* name : {"e", "no/such/folder/e"}) {
    const LoadResult loaded = folder.main("[{ address = '10.0.0.1' }]", name).load();
    CHECK(endpoints_of(loaded) == Strings{"10.0.0.1:0"});
    REQUIRE(loaded.faults.size() == 1);
    CHECK(places(loaded.faults).front().starts_with("W0319 3:"));
    CHECK(file_of(loaded).error == folder.path(name) + ": No such file or directory");
  }
  CHECK(folder.main("[]").write("").load().faults.size() == 1);
}

TEST_CASE("a text is in no folder, and so has no endpoints file") {
  const LoadResult loaded =
      load_text(kSound + "[[x]]\n[defaults.service]\nendpointsFile = 'e'\n", "f");
  CHECK(places(loaded.faults).size() == 2);  // a key of services only
  std::string text = kSound;
  text.replace(text.find("endpoints ="), 11, "endpointsFile = '/e', endpoints =");
  CHECK(places(load_text(text, "f").faults).front().starts_with("E0117 3:"));
}

TEST_CASE("a reload keeps what is served where the file is broken or gone") {
  Folder folder;
  const LoadResult served = folder.write("10.0.0.2\n").load();
  for (const std::string bad : {"10.0.0.7\n\nbad\n", "10.0.0.5:1\n", ""}) {
    folder.main("[{ address = '10.0.0.5' }]").write(bad);
    const LoadResult loaded = folder.load(&served);
    CHECK(endpoints_of(loaded) == Strings{"10.0.0.5:0", "10.0.0.2:0"});
    REQUIRE(loaded.faults.size() == 1);
    CHECK(loaded.faults.front().severity == Severity::kWarning);
    CHECK(line_of_last(loaded) == "10.0.0.2");
    // And so on, however often.
    CHECK(endpoints_of(folder.load(&loaded)) == Strings{"10.0.0.5:0", "10.0.0.2:0"});
    CHECK(endpoints_of(folder.write("10.0.0.8\n").load(&loaded)).back() == "10.0.0.8:0");
  }
  LoadResult broken = folder.write("10.0.0.7\n\nbad\n").load(&served);
  CHECK(places(broken.faults) == Strings{"W0319 3:1"});
  CHECK(broken.faults.front().source_line == "bad");
  CHECK(file_of(broken).error.starts_with(folder.path("e") + ":3:1: an endpoint must be"));
  CHECK(endpoints_of(folder.remove().load(&served)).size() == 2);
  // A file of another name has nothing to keep, and what stays may clash with what is new.
  folder.write("bad\n");
  std::filesystem::copy_file(folder.path("e"), folder.path("other"));
  CHECK_FALSE(folder.main("[]", "other").load(&served).config);
  CHECK(places(folder.main("[{ address = '10.0.0.2' }]").load(&served).faults).back() ==
        "E0210 1:1");
}

TEST_CASE("an update says what is new in a file, and nothing when nothing is") {
  Folder folder;
  LoadResult served = folder.write("10.0.0.2\n").load();
  CHECK(read_update(served, 0).is_same);

  EndpointsUpdate update = read_update((folder.write("10.0.0.3\n10.0.0.4\n"), served), 0);
  CHECK_FALSE(update.is_same);
  CHECK(update.error.empty());
  apply_update(std::move(update), served);
  CHECK(endpoints_of(served) == Strings{"10.0.0.1:0", "10.0.0.3:0", "10.0.0.4:0"});
  CHECK(line_of_last(served) == "10.0.0.4");
  CHECK(read_update(served, 0).is_same);

  update = read_update((folder.write("10.0.0.3\n10.0.0.1\n"), served), 0);
  CHECK(update.error.starts_with(folder.path("e") + ":2:1: duplicate endpoint 10.0.0.1"));
  CHECK_FALSE(update.is_same);
  served.config->services.front().endpoints_file.error = update.error;
  CHECK(read_update(served, 0).is_same);
  update = read_update((folder.remove(), served), 0);
  CHECK(update.error == folder.path("e") + ": No such file or directory");
  CHECK_FALSE(update.is_transient);
  std::filesystem::create_directories(folder.path("e"));
  update = read_update(served, 0);
  CHECK(update.error == folder.path("e") + ": Is a directory");
  CHECK(update.is_transient);
  folder.remove();

  // As it was before it broke: nothing new but that it is well.
  update = read_update((folder.write("10.0.0.3\n10.0.0.4\n"), served), 0);
  CHECK_FALSE(update.is_same);
  apply_update(std::move(update), served);
  CHECK(file_of(served).error.empty());
  CHECK(endpoints_of(served).size() == 3);
}

}  // namespace
}  // namespace lb::config
