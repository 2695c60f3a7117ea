// An HTTP/1.1 GET whose answer must have one of the expected statuses (RFC 9112). Nothing is read
// behind the status line: what the answer holds is not the check's concern.
#pragma once

#include <string>

#include "lb/config/service.h"
#include "lb/health/dialogue.h"

namespace lb::health {

class HTTPDialogue final : public Dialogue {
 public:
  // `host` is for a check that names none. `check` must outlive it.
  HTTPDialogue(const config::HTTPCheck& check, std::string host);

  DialogueStep begin() override;
  DialogueStep on_bytes(std::string_view bytes) override;
  DialogueStep on_end() override;
  std::string missing() const override;

 private:
  // Longer lines, and more of them before the answer proper, are no answer.
  static constexpr size_t kMaxHeadBytes = 8 * 1024;

  DialogueStep judge(int status) const;

  const config::HTTPCheck& check_;
  const std::string host_;
  std::string head_;  // what has come of the answer that is being read
  size_t heard_bytes_ = 0;
};

// The status of "HTTP/1.1 200 OK", without its line end; -1 when it is no status line.
int parse_status_line(std::string_view line);

}  // namespace lb::health
