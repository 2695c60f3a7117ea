// The patterns for names: the API's, and those of what is not the API's.
#pragma once

#include <string>
#include <string_view>

namespace lb::config {

enum class NameRule {
  kText,        // anything, even nothing
  kNonEmpty,    // anything else
  kObject,      // of an object: a DNS subdomain of 1..253
  kSection,     // of a listener or a rule: as kObject (the API's SectionName)
  kNamespace,   // a DNS label of 1..63
  kPort,        // of a service port: as kNamespace
  kReference,   // of an object elsewhere: 1..253 of anything; a wrong one is simply not found
  kGroup,       // "" or a DNS subdomain
  kKind,        // letters, digits and '-', 1..63, a letter first
  kProtocol,    // a word or "domain/word", 1..255
  kHostname,    // a DNS name of 1..253, perhaps with "*." in front; no IP
  kLabelKey,    // "domain/word" or "word", the word of 1..63
  kLabelValue,  // "" or a word of 1..63
  kDNSName,     // of hosts (RFC 1123): labels of 1..63, 253 in all, in any case; no IP
  kRecordName,  // of any DNS record: as kDNSName, and a label may begin with '_'
  kServerName,  // "" or a kDNSName
  kInterface,   // "" or the name of a network interface: 1..15 bytes
  kURLPath,     // what a request asks for: '/' and then anything printable but blanks
  kURLHost,     // "" or 1..255 of anything printable but blanks and '/'
  kALPN,        // of a protocol: 1..255 bytes
};

// What is wrong with `text`, as the end of a sentence that begins with the key ("must be ..."); ""
// when nothing is.
std::string broken_rule(NameRule rule, std::string_view text);

}  // namespace lb::config
