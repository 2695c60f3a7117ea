#include "test/support/client_hello.h"

#include <openssl/ssl.h>

#include <memory>

#include "test/support/failure.h"

namespace lb::test {
namespace {

constexpr size_t kRecordHeaderBytes = 5;
// Not assigned to anybody.
constexpr unsigned kUnknownExtension = 0xfabc;

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

struct FreeConnection {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

int add_extra(SSL*, unsigned, unsigned, const unsigned char** out, size_t* size_bytes, X509*,
              size_t, int*, void* argument) {
  const auto& extra = *static_cast<const std::string*>(argument);
  *out = reinterpret_cast<const unsigned char*>(extra.data());
  *size_bytes = extra.size();
  return 1;
}

void require(bool holds) {
  if (!holds) throw Failure("OpenSSL makes no such hello");
}

std::string list_of(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    list += static_cast<char>(protocol.size());
    list += protocol;
  }
  return list;
}

size_t record_bytes(std::string_view record) {
  return static_cast<size_t>(static_cast<unsigned char>(record[3])) << 8 |
         static_cast<unsigned char>(record[4]);
}

}  // namespace

std::string make_client_hello(const HelloOptions& options) {
  std::string extra(options.extra_bytes, 'x');
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_client_method()));
  require(context != nullptr);
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  require(SSL_CTX_set_max_proto_version(context.get(), options.max_version) == 1);
  if (!extra.empty()) {
    require(SSL_CTX_add_custom_ext(context.get(), kUnknownExtension, SSL_EXT_CLIENT_HELLO,
                                   add_extra, nullptr, &extra, nullptr, nullptr) == 1);
  }
  const std::unique_ptr<SSL, FreeConnection> ssl(SSL_new(context.get()));
  require(ssl != nullptr);
  if (!options.server_name.empty()) {
    require(SSL_set_tlsext_host_name(ssl.get(), options.server_name.c_str()) == 1);
  }
  if (const std::string list = list_of(options.protocols); !list.empty()) {
    require(SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(list.data()),
                                static_cast<unsigned>(list.size())) == 0);
  }
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  std::string hello(BIO_ctrl_pending(out), '\0');
  require(!hello.empty());
  BIO_read(out, hello.data(), static_cast<int>(hello.size()));
  return hello;
}

std::string in_records(std::string_view hello, size_t record_bytes_at_most) {
  const std::string start(hello.substr(0, 3));  // type and version
  std::string message;
  while (!hello.empty()) {
    const size_t size_bytes = record_bytes(hello);
    message += hello.substr(kRecordHeaderBytes, size_bytes);
    hello.remove_prefix(kRecordHeaderBytes + size_bytes);
  }
  std::string records;
  for (size_t at = 0; at < message.size(); at += record_bytes_at_most) {
    const std::string fragment = message.substr(at, record_bytes_at_most);
    records += start;
    records += static_cast<char>(fragment.size() >> 8);
    records += static_cast<char>(fragment.size() & 0xff);
    records += fragment;
  }
  return records;
}

}  // namespace lb::test
