// CRC32c (Castagnoli), as RFC 4960 appendix B and RFC 3720 have it: reflected, with ones before and
// after. A byte at a time, for what is as short as a header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lb::util {
namespace internal {

constexpr std::array<uint32_t, 256> make_crc32c_table() {
  constexpr uint32_t kPolynomial = 0x82f6'3b78;  // with its bits turned around
  std::array<uint32_t, 256> table = {};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

inline constexpr std::array<uint32_t, 256> kCrc32cTable = make_crc32c_table();

}  // namespace internal

constexpr uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    const auto index = static_cast<uint8_t>(crc ^ static_cast<uint8_t>(byte));
    crc = (crc >> 8) ^ internal::kCrc32cTable[index];
  }
  return ~crc;
}

}  // namespace lb::util
