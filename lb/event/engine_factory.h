// Chooses and makes engines. Which one a kernel allows is found out by trying: containers, sysctls
// and old kernels deny io_uring in different ways (EPERM, ENOSYS, EINVAL, ENOMEM).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/event/engine.h"

namespace lb::event {

enum class EngineKind { kEpoll, kUring };

// Made in the thread that will run it. Fails with a reason that an operator understands.
absl::StatusOr<std::unique_ptr<Engine>> make_engine(EngineKind kind, const EngineOptions& options);

// Whether this kernel runs the io_uring engine correctly: makes a ring as the engine does and sends
// bytes through it. The error says what was denied.
absl::Status test_uring();

// "io_uring", "epoll".
std::string_view to_string(EngineKind kind);

// What of the kernel the engine is built on, separated by commas. It asks for all of it
// or fails, but for multishot_recv (Linux 6.17): without it each receive is armed anew.
std::string_view features_of(EngineKind kind);

// The running kernel, as uname(2) has it: half of every answer about io_uring.
std::string kernel_release();

}  // namespace lb::event
