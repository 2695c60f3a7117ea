#include "lb/config/read/name_rules.h"

#include <algorithm>
#include <cstddef>

#include "lb/net/address.h"

namespace lb::config {
namespace {

constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxSubdomain = 253;
constexpr size_t kMaxProtocol = 255;
constexpr size_t kMaxALPN = 255;
constexpr size_t kMaxURLPath = 1024;
constexpr size_t kMaxURLHost = 255;
constexpr size_t kMaxInterface = 15;  // IFNAMSIZ without its NUL

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

// Letters, digits and '-', neither first nor last a '-'.
bool is_word(std::string_view text, bool lower_only) {
  const auto fits = [lower_only](char c) {
    return is_digit(c) || (lower_only ? is_lower(c) : is_letter(c));
  };
  return !text.empty() && fits(text.front()) && fits(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return c == '-' || fits(c); });
}

bool is_label(std::string_view text) { return is_word(text, true); }

bool is_subdomain(std::string_view text) {
  for (size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!is_label(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
  }
  return is_label(text);
}

bool is_kind(std::string_view text) { return is_word(text, false) && is_letter(text.front()); }

bool is_protocol(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_word(text, false);
  return is_subdomain(text.substr(0, slash)) && is_word(text.substr(slash + 1), false);
}

// Letters, digits, '-', '_' and '.', a letter or a digit first and last.
bool is_label_word(std::string_view text) {
  const auto fits = [](char c) { return is_digit(c) || is_letter(c); };
  return !text.empty() && text.size() <= kMaxLabel && fits(text.front()) && fits(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return fits(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_label_word(text);
  return slash <= kMaxSubdomain && is_subdomain(text.substr(0, slash)) &&
         is_label_word(text.substr(slash + 1));
}

bool is_hostname(std::string_view text) {
  const bool is_ip = net::Address::parse(text, 1).ok();
  if (text.starts_with("*.")) text.remove_prefix(2);
  return !is_ip && is_subdomain(text);
}

// A name ends with a dot when no search domain may be put behind it.
bool is_dns_name(std::string_view text, bool has_underscores) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxSubdomain) return false;
  std::string_view label;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    if (dot != std::string_view::npos && rest.empty()) return false;
    const bool is_short = label.size() <= kMaxLabel;
    if (has_underscores && label.starts_with('_')) label.remove_prefix(1);
    if (!is_short || !is_word(label, false)) return false;
  }
  return !std::all_of(label.begin(), label.end(), is_digit);  // no top level domain is a number
}

bool is_graphic(char c) { return c > ' ' && c < 0x7F; }

bool is_url_path(std::string_view text) {
  return text.starts_with('/') && text.size() <= kMaxURLPath &&
         std::all_of(text.begin(), text.end(), is_graphic);
}

bool is_url_host(std::string_view text) {
  return text.size() <= kMaxURLHost &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_graphic(c) && c != '/'; });
}

// As the kernel's dev_valid_name().
bool is_interface(std::string_view text) {
  return text.size() <= kMaxInterface && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_graphic(c) && c != '/' && c != ':'; });
}

// The rules for what the API has no word for.
std::string broken_rule_of_ours(NameRule rule, std::string_view text) {
  switch (rule) {
    case NameRule::kDNSName:
      if (is_dns_name(text, false)) return "";
      return "must be a DNS name such as db.example.com, not an IP: parts of 1 to 63 letters, "
             "digits and '-', 253 characters in all";
    case NameRule::kRecordName:
      if (is_dns_name(text, true)) return "";
      return "must be the name of a DNS record such as _pg._tcp.example.com";
    case NameRule::kServerName:
      if (text.empty() || is_dns_name(text, false)) return "";
      return "must be a DNS name such as db.example.com, not an IP";
    case NameRule::kInterface:
      if (is_interface(text)) return "";
      return "must be the name of a network interface, which has at most 15 bytes";
    case NameRule::kURLPath:
      if (is_url_path(text)) return "";
      return "must begin with '/' and have at most 1024 characters, none of them a blank";
    case NameRule::kURLHost:
      if (is_url_host(text)) return "";
      return "must be a host, perhaps with a port, of at most 255 characters, none of them a blank";
    case NameRule::kALPN:
      if (!text.empty() && text.size() <= kMaxALPN) return "";
      return "must have 1 to 255 bytes";
    default:
      return "";
  }
}

}  // namespace

std::string broken_rule(NameRule rule, std::string_view text) {
  const auto has_length = [text](size_t max) { return !text.empty() && text.size() <= max; };
  switch (rule) {
    case NameRule::kText:
      return "";
    case NameRule::kNonEmpty:
      return text.empty() ? "must not be empty" : "";
    case NameRule::kObject:
    case NameRule::kSection:
      if (!has_length(kMaxSubdomain)) return "must have 1 to 253 characters";
      if (is_subdomain(text)) return "";
      return "must consist of lower case letters, digits, '-' and '.', and every part between "
             "dots must begin and end with a letter or a digit";
    case NameRule::kNamespace:
    case NameRule::kPort:
      if (!has_length(kMaxLabel)) return "must have 1 to 63 characters";
      if (is_label(text)) return "";
      return "must consist of lower case letters, digits and '-', and begin and end with a letter "
             "or a digit";
    case NameRule::kReference:
      return has_length(kMaxSubdomain) ? "" : "must have 1 to 253 characters";
    case NameRule::kGroup:
      if (text.empty() || (has_length(kMaxSubdomain) && is_subdomain(text))) return "";
      return "must be empty or a domain of at most 253 lower case characters";
    case NameRule::kKind:
      if (has_length(kMaxLabel) && is_kind(text)) return "";
      return "must be a word of 1 to 63 letters, digits and '-'";
    case NameRule::kProtocol:
      if (has_length(kMaxProtocol) && is_protocol(text)) return "";
      return "must be a protocol such as TCP, or a domain and a word such as example.com/mine";
    case NameRule::kHostname:
      if (has_length(kMaxSubdomain) && is_hostname(text)) return "";
      return "must be a DNS name in lower case such as db.example.com or *.example.com, not an IP";
    case NameRule::kLabelKey:
      if (is_label_key(text)) return "";
      return "must be a label's key such as team or example.com/team";
    case NameRule::kLabelValue:
      if (text.empty() || is_label_word(text)) return "";
      return "must be a label's value: at most 63 letters, digits, '-', '_' and '.', a letter or a "
             "digit first and last";
    default:
      return broken_rule_of_ours(rule, text);
  }
}

}  // namespace lb::config
