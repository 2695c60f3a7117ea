// ClientHellos for tests: those of OpenSSL, and how they can be cut.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lb::test {

struct HelloOptions {
  std::string server_name = {};
  std::vector<std::string> protocols = {};  // of ALPN
  int max_version = 0;                      // TLS1_VERSION to TLS1_3_VERSION; 0 = the newest
  // Of an extension that nobody knows: the hello is so much longer.
  size_t extra_bytes = 0;
};

// The first flight of a client of OpenSSL's; throws when there is none. It differs each time.
std::string make_client_hello(const HelloOptions& options);

// The same hello in records of at most so many bytes each, their headers not counted.
std::string in_records(std::string_view hello, size_t record_bytes);

}  // namespace lb::test
