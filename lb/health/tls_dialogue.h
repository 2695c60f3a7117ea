// A TLS handshake to its end, without a look at the certificate: the check asks whether the server
// is alive, and the clients, who talk through to it, see to the rest. OpenSSL does the work between
// two buffers in memory; it never sees a socket.
#pragma once

#include <memory>
#include <string>

#include "lb/config/service.h"
#include "lb/health/dialogue.h"

struct ssl_ctx_st;
struct ssl_st;

namespace lb::health {

// What all handshakes share; expensive to make.
class TLSContext {
 public:
  TLSContext();
  TLSContext(const TLSContext&) = delete;
  TLSContext& operator=(const TLSContext&) = delete;
  ~TLSContext();

  // Null when there is no memory for it, as in everything that is made from it.
  ssl_ctx_st* get() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

class TLSDialogue final : public Dialogue {
 public:
  // `context` must outlive it.
  TLSDialogue(const TLSContext& context, const config::TLSCheck& check);
  TLSDialogue(const TLSDialogue&) = delete;
  TLSDialogue& operator=(const TLSDialogue&) = delete;
  ~TLSDialogue() override;

  DialogueStep begin() override;
  DialogueStep on_bytes(std::string_view bytes) override;
  DialogueStep on_end() override;
  std::string missing() const override;

 private:
  DialogueStep go_on();
  // What OpenSSL wants to send.
  std::string take_output();

  ssl_st* ssl_ = nullptr;
  size_t heard_bytes_ = 0;
};

}  // namespace lb::health
