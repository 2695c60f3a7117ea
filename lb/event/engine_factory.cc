#include "lb/event/engine_factory.h"

#include <sys/utsname.h>

#include <system_error>

#include "fmt/format.h"
#include "lb/event/engine_self_test.h"
#include "lb/event/epoll_engine.h"
#include "lb/event/liburing_version.h"
#ifdef SLUICE_HAVE_URING
#include "lb/event/uring_engine.h"
#include "lb/event/uring_receives.h"
#endif

namespace lb::event {
namespace {

absl::StatusOr<std::unique_ptr<Engine>> make_uring_engine(
    [[maybe_unused]] const EngineOptions& options) {
#ifdef SLUICE_HAVE_URING
  return UringEngine::create(options);
#else
  return absl::UnavailableError("this binary was built without liburing");
#endif
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> make_engine(EngineKind kind, const EngineOptions& options) {
  try {
    if (kind == EngineKind::kUring) return make_uring_engine(options);
    return std::make_unique<EpollEngine>(options);
  } catch (const std::system_error& error) {
    return absl::UnavailableError(error.what());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory for the buffers");
  }
}

std::string_view to_string(EngineKind kind) {
  return kind == EngineKind::kUring ? "io_uring" : "epoll";
}

std::string_view features_of(EngineKind kind) {
  if (kind == EngineKind::kEpoll) return "edge_triggered,eventfd";
#ifdef SLUICE_HAVE_URING
  static const bool has_multishot_recv = UringReceives::is_supported();
  if (has_multishot_recv) {
    return "defer_taskrun,single_issuer,buffer_ring,multishot_accept,multishot_recv";
  }
#endif
  return "defer_taskrun,single_issuer,buffer_ring,multishot_accept";
}

absl::Status test_uring() {
  EngineOptions options;
  options.max_buffers = 64;
  options.submission_entries = 64;
  options.completion_entries = 256;
  absl::StatusOr<std::unique_ptr<Engine>> engine = make_engine(EngineKind::kUring, options);
  if (!engine.ok()) return engine.status();
  return self_test(**engine);
}

std::string kernel_release() {
  utsname names = {};
  return uname(&names) == 0 ? names.release : "unknown";
}

}  // namespace lb::event
