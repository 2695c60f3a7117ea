// What a TLS client says before anything else, its ClientHello (RFC 8446 section 4.1.2; the same
// shape since TLS 1.0): whom it wants, and in which protocols it would talk. A pure function of the
// first bytes of a stream. Nothing is decrypted, for nothing of it is secret.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace lb::net {

struct ClientHello {
  // The host name of the server_name extension (RFC 6066 section 3), as it was sent. Empty without
  // one, and when it is no name: then somebody might mean to write into a log.
  std::string server_name = {};
  // The protocols of the ALPN extension (RFC 7301 section 3.1), the preferred one first. Names that
  // have no meaning (GREASE, RFC 8701) or are not printable are left out.
  std::vector<std::string> protocols = {};
};

struct HelloReading {
  enum class Outcome {
    kNeedsMore,  // so far it could be one
    kNone,       // whatever follows, it is none, or a longer one than kMaxHelloBytes
    kFound,
  };

  Outcome outcome = Outcome::kNone;
  // Of kNeedsMore: how long the stream must be at least before it can be told, from its beginning;
  // more than is there and at most kMaxHelloBytes.
  size_t needed_bytes = 0;
  ClientHello hello = {};  // of kFound
};

// Of the stream, with the headers of its records. Keys for the time after quantum computers make a
// hello of some 2 KiB; this is far above all that clients send.
inline constexpr size_t kMaxHelloBytes = 65536;

// Of a name in DNS.
inline constexpr size_t kMaxServerNameBytes = 255;

// Reads a stream from its beginning; to be asked again, with all of it, when more has come. Lengths
// that contradict each other end it as soon as they are there. What follows the hello does not
// matter.
HelloReading read_client_hello(std::span<const std::byte> stream);

}  // namespace lb::net
