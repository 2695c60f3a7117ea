// The handshake against a server of OpenSSL's in the same process, byte for byte, without sockets.
#include "lb/health/tls_dialogue.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "test/support/catch.h"

namespace lb::health {
namespace {

using Kind = DialogueStep::Kind;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

// Knows a key and a certificate that nobody trusts, and one protocol: "h2".
class Server {
 public:
  explicit Server(int version = TLS1_3_VERSION)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()), context_(SSL_CTX_new(TLS_method())) {
    X509_gmtime_adj(X509_getm_notBefore(certificate_.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate_.get()), 3600);
    X509_set_pubkey(certificate_.get(), key_.get());
    REQUIRE(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set_alpn_select_cb(context_.get(), select_protocol, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }

  std::string hear(std::string_view bytes) {
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    char byte = 0;
    // The handshake first, and then what the client says behind it.
    if (SSL_do_handshake(ssl_.get()) == 1) {
      const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
      server_name = name != nullptr ? name : "";
      is_done = true;
      SSL_read(ssl_.get(), &byte, 1);
      heard_goodbye = (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    }
    BIO* const out = SSL_get_wbio(ssl_.get());
    std::string answer(BIO_ctrl_pending(out), '\0');
    if (!answer.empty()) BIO_read(out, answer.data(), static_cast<int>(answer.size()));
    return answer;
  }

  bool is_done = false;
  bool heard_goodbye = false;
  std::string server_name;

 private:
  static int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_bytes,
                             const unsigned char* in, unsigned int in_bytes, void* argument) {
    static_cast<void>(ssl);
    static_cast<void>(argument);
    static constexpr unsigned char kKnown[] = {2, 'h', '2'};
    const int found = SSL_select_next_proto(const_cast<unsigned char**>(out), out_bytes, kKnown,
                                            sizeof(kKnown), in, in_bytes);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  Owned<EVP_PKEY, EVP_PKEY_free> key_;
  Owned<X509, X509_free> certificate_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> ssl_;
};

// The last step; the server's bytes come in pieces.
DialogueStep talk(const config::TLSCheck& check, Server& server, size_t piece_bytes = 1 << 20) {
  const TLSContext context;
  TLSDialogue dialogue(context, check);
  DialogueStep step = dialogue.begin();
  std::string from_server = server.hear(step.send);
  while (step.kind == Kind::kMore && !from_server.empty()) {
    const std::string piece = from_server.substr(0, piece_bytes);
    from_server.erase(0, piece.size());
    step = dialogue.on_bytes(piece);
    from_server += server.hear(step.send);
  }
  return step;
}

}  // namespace

TEST_CASE("tls dialogue: a handshake with a certificate that nobody trusts succeeds") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t piece_bytes : {size_t{1}, size_t{100}, size_t{1} << 20}) {
      Server server(version);
      CHECK(talk({}, server, piece_bytes).kind == Kind::kSuccess);
      CHECK(server.is_done);
      CHECK(server.heard_goodbye);
      CHECK(server.server_name.empty());
    }
  }
}

TEST_CASE("tls dialogue: the name and the protocols that are asked for") {
  Server server;
  CHECK(talk({.server_name = "db.example.com", .alpn = {"http/1.1", "h2"}}, server).kind ==
        Kind::kSuccess);
  CHECK(server.server_name == "db.example.com");
  Server other;
  const DialogueStep step = talk({.server_name = "", .alpn = {"http/1.1"}}, other);
  CHECK(step.kind == Kind::kFailure);
  CHECK(step.why == "TLS handshake: tlsv1 alert no application protocol");
}

TEST_CASE("tls dialogue: what does not talk TLS, talks too much or goes") {
  const TLSContext context;
  TLSDialogue plain(context, {});
  CHECK(plain.begin().kind == Kind::kMore);
  const DialogueStep step = plain.on_bytes("220 smtp.example.com ESMTP\r\n");
  CHECK(step.kind == Kind::kFailure);
  CHECK(step.why == "TLS handshake: wrong version number");

  TLSDialogue endless(context, {});
  endless.begin();
  // A handshake record that is never whole.
  CHECK(endless.on_bytes(std::string("\x16\x03\x03\x40\x00\x02\x01", 7)).kind == Kind::kMore);
  CHECK(endless.on_bytes(std::string(kMaxDialogueBytes, '\0')).why ==
        "TLS handshake: longer than 64 KiB");

  TLSDialogue gone(context, {});
  gone.begin();
  CHECK(gone.missing() == "the TLS handshake is not over");
  CHECK(gone.on_end().why == "TLS handshake: ended by the server");
}

}  // namespace lb::health
