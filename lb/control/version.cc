#include <absl/base/config.h>

#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "lb/control/commands.h"
#include "lb/event/engine_factory.h"
#include "lb/event/liburing_version.h"

namespace lb::control {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

#ifdef ABSL_LTS_RELEASE_VERSION
constexpr int kAbslVersion = ABSL_LTS_RELEASE_VERSION;
#else
constexpr int kAbslVersion = 0;
#endif

}  // namespace

int version_command(const Options& options) {
  const absl::Status uring = event::test_uring();
  const std::string uring_text =
      uring.ok() ? fmt::format("available: {}", features_of(event::EngineKind::kUring))
                 : "not available: " + std::string(uring.message());
  const std::string fmt_version =
      fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
  if (options.json) {
    const nlohmann::json json = {
        {"version", SLUICE_VERSION},
        {"compiler", kCompiler},
        {"kernel", event::kernel_release()},
        {"libraries",
         {{"liburing", SLUICE_LIBURING_VERSION}, {"abseil", kAbslVersion}, {"fmt", fmt_version}}},
        {"engines", {{"io_uring", uring.ok()}, {"epoll", true}}},
        {"io_uring", uring_text}};
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  fmt::print(
      "sluice {}\n"
      "compiler   {}\n"
      "libraries  liburing {}, abseil {}, fmt {}\n"
      "kernel     {}\n"
      "io_uring   {}\n"
      "epoll      available: {}\n",
      SLUICE_VERSION, kCompiler, SLUICE_LIBURING_VERSION, kAbslVersion, fmt_version,
      event::kernel_release(), uring_text, features_of(event::EngineKind::kEpoll));
  return 0;
}

}  // namespace lb::control
