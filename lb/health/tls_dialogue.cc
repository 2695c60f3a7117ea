#include "lb/health/tls_dialogue.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <vector>

#include "fmt/format.h"

namespace lb::health {
namespace {

// The names as they are on the wire: each behind its length (RFC 7301 section 3.1).
std::vector<unsigned char> alpn_list(const std::vector<std::string>& protocols) {
  std::vector<unsigned char> list;
  for (const std::string& protocol : protocols) {
    list.push_back(static_cast<unsigned char>(protocol.size()));
    list.insert(list.end(), protocol.begin(), protocol.end());
  }
  return list;
}

std::string last_error() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return fmt::format("TLS handshake: {}", reason != nullptr ? reason : "failed");
}

}  // namespace

TLSContext::TLSContext() : context_(SSL_CTX_new(TLS_client_method())) {
  if (context_ == nullptr) return;
  SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
  // An old server is alive, too.
  SSL_CTX_set_security_level(context_, 0);
  SSL_CTX_set_min_proto_version(context_, 0);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
}

TLSContext::~TLSContext() { SSL_CTX_free(context_); }

TLSDialogue::TLSDialogue(const TLSContext& context, const config::TLSCheck& check) {
  if (context.get() == nullptr) return;
  ssl_ = SSL_new(context.get());
  if (ssl_ == nullptr) return;
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl_, in, out);
  SSL_set_connect_state(ssl_);
  bool is_ready = in != nullptr && out != nullptr;
  if (!check.server_name.empty()) {
    is_ready &= SSL_set_tlsext_host_name(ssl_, check.server_name.c_str()) == 1;
  }
  if (const std::vector<unsigned char> list = alpn_list(check.alpn); !list.empty()) {
    is_ready &= SSL_set_alpn_protos(ssl_, list.data(), static_cast<unsigned>(list.size())) == 0;
  }
  if (is_ready) return;
  SSL_free(ssl_);
  ssl_ = nullptr;
}

TLSDialogue::~TLSDialogue() { SSL_free(ssl_); }

DialogueStep TLSDialogue::begin() {
  return ssl_ != nullptr ? go_on() : DialogueStep::failure(last_error());
}

DialogueStep TLSDialogue::on_bytes(std::string_view bytes) {
  heard_bytes_ += bytes.size();
  if (heard_bytes_ > kMaxDialogueBytes) {
    return DialogueStep::failure(
        fmt::format("TLS handshake: longer than {} KiB", kMaxDialogueBytes / 1024));
  }
  BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  return go_on();
}

DialogueStep TLSDialogue::on_end() {
  return DialogueStep::failure("TLS handshake: ended by the server");
}

std::string TLSDialogue::missing() const { return "the TLS handshake is not over"; }

DialogueStep TLSDialogue::go_on() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    SSL_shutdown(ssl_);  // says goodbye: a server may complain of who just goes
    return DialogueStep::success(take_output());
  }
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return DialogueStep::more(take_output());
  return DialogueStep::failure(last_error());
}

std::string TLSDialogue::take_output() {
  BIO* const out = SSL_get_wbio(ssl_);
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

}  // namespace lb::health
