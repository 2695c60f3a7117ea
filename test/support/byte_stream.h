// Deterministic pseudo-random bytes, and a digest of what went by. A stream is known by its seed,
// so either side of a connection can make it, check it at any offset and say where it went wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lb::test {

class ByteStream {
 public:
  explicit ByteStream(uint64_t seed) : seed_(seed) {}

  // The next bytes of the stream.
  void fill(std::span<std::byte> out);

  // Whether `in` is what comes next, and moves on. False leaves offset() at the first wrong byte.
  bool matches(std::span<const std::byte> in);

  uint64_t offset() const { return offset_; }

 private:
  uint64_t word_at(uint64_t index) const;

  uint64_t seed_;
  uint64_t offset_ = 0;
};

// SHA-256 of everything added.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::span<const std::byte> bytes);
  // In hexadecimal. Ends the digest.
  std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace lb::test
