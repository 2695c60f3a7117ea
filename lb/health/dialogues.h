// Makes the dialogue that a check asks for. Control thread.
#pragma once

#include <memory>

#include "lb/config/service.h"
#include "lb/health/dialogue.h"
#include "lb/health/tls_dialogue.h"
#include "lb/net/address.h"

namespace lb::health {

class Dialogues {
 public:
  // With the server at `address`. `check`, and this object, must outlive the dialogue.
  std::unique_ptr<Dialogue> make(const config::ActiveCheck& check, const net::Address& address);

 private:
  std::unique_ptr<TLSContext> tls_;  // once it is needed
};

}  // namespace lb::health
