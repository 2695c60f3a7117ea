// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash of bytes that is the same on every machine,
// and that nobody can steer who does not know the key. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lb::util {

class SipHash {
 public:
  SipHash(uint64_t key0, uint64_t key1) : key0_(key0), key1_(key1) {}

  uint64_t hash(std::string_view bytes) const {
    State state(key0_, key1_);
    const size_t whole = bytes.size() / kWordBytes * kWordBytes;
    for (size_t at = 0; at < whole; at += kWordBytes) {
      state.absorb(little_endian(bytes.substr(at, kWordBytes)));
    }
    state.absorb(little_endian(bytes.substr(whole)) | (static_cast<uint64_t>(bytes.size()) << 56));
    return state.finish();
  }

  // As the eight bytes of `word`, the lowest first.
  uint64_t hash(uint64_t word) const {
    State state(key0_, key1_);
    state.absorb(word);
    state.absorb(uint64_t{kWordBytes} << 56);
    return state.finish();
  }

 private:
  static constexpr size_t kWordBytes = 8;

  struct State {
    State(uint64_t key0, uint64_t key1)
        : v0(key0 ^ 0x736f6d6570736575),
          v1(key1 ^ 0x646f72616e646f6d),
          v2(key0 ^ 0x6c7967656e657261),
          v3(key1 ^ 0x7465646279746573) {}

    void absorb(uint64_t word) {
      v3 ^= word;
      round();
      round();
      v0 ^= word;
    }

    uint64_t finish() {
      v2 ^= 0xff;
      for (int i = 0; i < 4; ++i) round();
      return v0 ^ v1 ^ v2 ^ v3;
    }

    void round() {
      v0 += v1;
      v1 = rotate(v1, 13) ^ v0;
      v0 = rotate(v0, 32);
      v2 += v3;
      v3 = rotate(v3, 16) ^ v2;
      v0 += v3;
      v3 = rotate(v3, 21) ^ v0;
      v2 += v1;
      v1 = rotate(v1, 17) ^ v2;
      v2 = rotate(v2, 32);
    }

    static uint64_t rotate(uint64_t value, int bits) {
      return (value << bits) | (value >> (64 - bits));
    }

    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
  };

  // Of at most eight bytes.
  static uint64_t little_endian(std::string_view bytes) {
    uint64_t word = 0;
    for (size_t i = bytes.size(); i > 0; --i) {
      word = (word << 8) | static_cast<unsigned char>(bytes[i - 1]);
    }
    return word;
  }

  uint64_t key0_;
  uint64_t key1_;
};

}  // namespace lb::util
