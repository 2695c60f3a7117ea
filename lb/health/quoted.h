// What a server has said, for people: in quotes, printable, and not endless.
#pragma once

#include <string>
#include <string_view>

namespace lb::health {

// `"-ERR\r\n"`; of more than kMaxQuotedBytes the beginning, with three dots behind.
std::string quoted(std::string_view bytes);

inline constexpr size_t kMaxQuotedBytes = 64;

}  // namespace lb::health
