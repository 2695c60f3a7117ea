#include "test/support/byte_stream.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "test/support/failure.h"

namespace lb::test {

// Any word can be made without those before it (splitmix64 of its index), and four gigabytes a
// second of it leave the time to the sockets.
uint64_t ByteStream::word_at(uint64_t index) const {
  uint64_t z = seed_ + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void ByteStream::fill(std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t word = word_at(offset_ / sizeof(uint64_t));
    const size_t skip = offset_ % sizeof(uint64_t);
    const size_t count = std::min(sizeof(word) - skip, out.size() - done);
    std::memcpy(out.data() + done, reinterpret_cast<const char*>(&word) + skip, count);
    done += count;
    offset_ += count;
  }
}

bool ByteStream::matches(std::span<const std::byte> in) {
  std::array<std::byte, 4096> expected;
  while (!in.empty()) {
    const size_t count = std::min(in.size(), expected.size());
    const uint64_t start = offset_;
    fill(std::span(expected).first(count));
    const auto [wrong, unused] =
        std::mismatch(in.begin(), in.begin() + static_cast<long>(count), expected.begin());
    const auto good = static_cast<size_t>(wrong - in.begin());
    if (good < count) {
      offset_ = start + good;
      return false;
    }
    in = in.subspan(count);
  }
  return true;
}

struct Digest::Context {
  Context() : md(EVP_MD_CTX_new()) {}
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  EVP_MD_CTX* md;
};

Digest::Digest() : context_(std::make_unique<Context>()) {
  if (EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) != 1) throw Failure("no SHA-256");
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->md, bytes.data(), bytes.size());
}

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->md, digest.data(), &size);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace lb::test
