// Against the vectors of the authors' reference implementation.
#include "lb/util/siphash.h"

#include <string>

#include "test/support/catch.h"

namespace lb::util {

TEST_CASE("siphash: the reference's vectors") {
  // The key is the bytes 0 to 15, and each message the bytes from 0 on, as many as it is long.
  const SipHash hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);
  const auto of_length = [&](size_t size_bytes) {
    std::string message;
    for (size_t i = 0; i < size_bytes; ++i) message.push_back(static_cast<char>(i));
    return hash.hash(message);
  };
  CHECK(of_length(0) == 0x726fdb47dd0e0e31);
  CHECK(of_length(1) == 0x74f839c593dc67fd);
  CHECK(of_length(7) == 0xab0200f58b01d137);
  CHECK(of_length(8) == 0x93f5f5799a932462);
  CHECK(of_length(15) == 0xa129ca6149be45e5);
  CHECK(of_length(63) == 0x958a324ceb064572);
}

TEST_CASE("siphash: a word is its eight bytes, the lowest first") {
  const SipHash hash(1, 2);
  CHECK(hash.hash(uint64_t{0x0807060504030201}) == hash.hash("\x01\x02\x03\x04\x05\x06\x07\x08"));
  CHECK(SipHash(1, 3).hash("x") != hash.hash("x"));
  CHECK(SipHash(2, 2).hash("x") != hash.hash("x"));
}

}  // namespace lb::util
