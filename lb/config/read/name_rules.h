// The API's patterns for names.
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
};

// What is wrong with `text`, as the end of a sentence that begins with the key ("must be ..."); ""
// when nothing is.
std::string broken_rule(NameRule rule, std::string_view text);

}  // namespace lb::config
