// One question over the control socket and its answer. Blocks, with a deadline: for the client's
// side only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lb::control {

struct ClientAnswer {
  int status = 0;  // of HTTP
  std::string body;
};

// `method` and `path` as in "POST", "/reload"; the body may be empty. The error says in words why
// there is no answer.
absl::StatusOr<ClientAnswer> ask_process(const std::string& socket, std::string_view method,
                                         std::string_view path, std::string_view body,
                                         int64_t timeout_ms);

}  // namespace lb::control
