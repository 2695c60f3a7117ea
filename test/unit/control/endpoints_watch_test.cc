// What the watch tells of: every kind of change once, with its end, and never what it was not asked
// to follow.
#include "lb/control/endpoints_watch.h"

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "lb/event/engine_factory.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/support/temp_dir.h"

namespace lb::control {
namespace {

namespace fs = std::filesystem;

struct Watching {
  Watching() {
    auto made = event::make_engine(event::EngineKind::kEpoll, {});
    REQUIRE(made.ok());
    engine = *std::move(made);
    watch = std::make_unique<EndpointsWatch>(*engine, [this](const EndpointsWatch::Paths& paths) {
      told.insert(paths.begin(), paths.end());
      return wants_again ? paths : EndpointsWatch::Paths();
    });
  }

  // Turns the loop for so long, or until something is told.
  void run(int64_t for_ms) {
    const util::MonoTimeMs end_ms = util::mono_now_ms() + for_ms;
    while (told.empty() && util::mono_now_ms() < end_ms) engine->run_once(end_ms);
  }
  // What is told next, waiting for it.
  std::set<std::string> next() {
    run(test::patience(std::chrono::seconds(5)).count());
    return std::exchange(told, {});
  }
  // What is told within some looks.
  std::set<std::string> meanwhile() {
    run(700);
    return std::exchange(told, {});
  }

  std::unique_ptr<event::Engine> engine;
  std::set<std::string> told;
  bool wants_again = false;
  std::unique_ptr<EndpointsWatch> watch;
};

using Set = std::set<std::string>;

TEST_CASE("every way in which a file changes is told of, once") {
  test::TempDir dir;
  const std::string file = dir.write("e", "a");
  Watching watching;
  watching.watch->follow({file, file});
  CHECK(watching.next() == Set{file});
  CHECK(watching.meanwhile().empty());

  dir.write("e", "b");  // in place, and no longer than before
  CHECK(watching.next() == Set{file});
  fs::rename(dir.write("new", "c"), file);
  CHECK(watching.next() == Set{file});
  fs::remove(file);
  CHECK(watching.next() == Set{file});
  CHECK(watching.meanwhile().empty());
  dir.write("e", "c");
  CHECK(watching.next() == Set{file});
  CHECK(watching.meanwhile().empty());
}

TEST_CASE("a link that is moved anywhere along the path is a change, and so is a folder") {
  test::TempDir dir;
  for (const char* version : {"v1", "v2"}) {
    fs::create_directories(dir.path(version));
    dir.write(std::string(version) + "/e", "same");
  }
  fs::create_symlink("v1", dir.path("data"));
  fs::create_symlink("data/e", dir.path("e"));
  const std::string in_new_folder = dir.path("later") + "/e";
  Watching watching;
  watching.watch->follow({dir.path("e"), in_new_folder});
  CHECK(watching.next() == Set{dir.path("e"), in_new_folder});

  fs::create_symlink("v2", dir.path("data.new"));
  fs::rename(dir.path("data.new"), dir.path("data"));
  CHECK(watching.next() == Set{dir.path("e")});
  fs::create_directories(dir.path("later"));
  dir.write("later/e", "x");
  CHECK(watching.next() == Set{in_new_folder});
}

TEST_CASE("who is not followed any more is not told of, and who wants it is told again") {
  test::TempDir dir;
  const std::string one = dir.write("one", "1");
  const std::string two = dir.write("two", "2");
  Watching watching;
  watching.watch->follow({one});
  CHECK(watching.next() == Set{one});
  watching.watch->follow({two});
  CHECK(watching.next() == Set{two});
  dir.write("one", "11");
  CHECK(watching.meanwhile().empty());

  watching.wants_again = true;
  dir.write("two", "22");
  CHECK(watching.next() == Set{two});
  CHECK(watching.next() == Set{two});
  watching.wants_again = false;
  CHECK(watching.next() == Set{two});
  CHECK(watching.meanwhile().empty());
  watching.watch->follow({});
  dir.write("two", "222");
  CHECK(watching.meanwhile().empty());
}

TEST_CASE("a file that never rests is told of all the same") {
  test::TempDir dir;
  const std::string file = dir.write("e", "");
  Watching watching;
  watching.watch->follow({file});
  CHECK(watching.next() == Set{file});
  const util::MonoTimeMs end_ms =
      util::mono_now_ms() + test::patience(std::chrono::seconds(10)).count();
  std::string text;
  while (watching.told.empty() && util::mono_now_ms() < end_ms) {
    dir.write("e", text += "x");
    watching.engine->run_once(util::mono_now_ms() + 20);
  }
  CHECK(watching.told == Set{file});
}

}  // namespace
}  // namespace lb::control
