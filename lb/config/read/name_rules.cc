#include "lb/config/read/name_rules.h"

#include <algorithm>
#include <cstddef>

#include "lb/net/address.h"

namespace lb::config {
namespace {

constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxSubdomain = 253;
constexpr size_t kMaxProtocol = 255;

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
  }
  return "";
}

}  // namespace lb::config
