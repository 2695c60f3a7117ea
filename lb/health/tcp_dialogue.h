// Send and expect: sends bytes, then waits until all patterns have come, one behind the other, with
// anything between them. Without patterns a connection is enough.
#pragma once

#include <string>

#include "lb/config/service.h"
#include "lb/health/dialogue.h"

namespace lb::health {

class TCPDialogue final : public Dialogue {
 public:
  // `check` must outlive it.
  explicit TCPDialogue(const config::TCPCheck& check) : check_(check) {}

  DialogueStep begin() override;
  DialogueStep on_bytes(std::string_view bytes) override;
  DialogueStep on_end() override;
  std::string missing() const override;

 private:
  const config::TCPCheck& check_;
  size_t next_ = 0;        // the first pattern that has not come
  std::string unmatched_;  // the end of what has come, as much as a pattern could begin in
  std::string heard_;      // the beginning of it, for people
  size_t heard_bytes_ = 0;
};

}  // namespace lb::health
