// IP addresses as they stand in a file: checked, and brought into one spelling.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lb/config/read/reader.h"
#include "lb/net/address.h"

namespace lb::config {

// The one spelling of an IP ("::1" for "0:0::1"), so that equal addresses are equal texts; `text`
// itself when it is not an IP.
std::string canonical_ip(std::string_view text);

// The IP that somebody wrote with something around it ("1.2.3.4:80", "[::1]", "10.0.0.0/8"); ""
// when there is none.
std::string_view inner_ip(std::string_view text);

// Reports it at `key` when `text` is not an IP, with the IP inside it where one is easy to see.
void check_ip(Reader& reader, std::string_view key, std::string_view text);

// "127.0.0.1:80" or "[::1]:80", with a port of 1..65535; else nothing.
std::optional<net::Address> parse_ip_port(std::string_view text);

}  // namespace lb::config
