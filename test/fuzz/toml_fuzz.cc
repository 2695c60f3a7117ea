// Any bytes as a configuration: no crash, no endless loop; a configuration exactly when there are
// no errors, faults that point into the text and print as text, and what loads compiles.
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/attach.h"
#include "lb/config/load.h"
#include "lb/proxy/snapshot.h"
#include "test/fuzz/fuzz_target.h"

namespace lb::fuzz {
namespace {

void check_fault(const config::Fault& fault) {
  require(!fault.message.empty(), "a fault says what it is");
  require(fault.where.line == 0 || fault.where.column > 0, "a line has a column");
  for (const char c : config::format(fault)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_text = (byte >= 0x20 && byte != 0x7F) || c == '\n' || c == '\t';
    require(is_text, "faults print as text");
  }
}

}  // namespace

void fuzz_one(const uint8_t* data, size_t size_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(data), size_bytes);
  const config::LoadResult loaded = config::load_text(text, "f.toml");
  bool has_error = false;
  for (const config::Fault& fault : loaded.faults) {
    has_error = has_error || fault.severity == config::Severity::kError;
    check_fault(fault);
  }
  require(loaded.config.has_value() != has_error, "a configuration, or errors");
  if (!loaded.config) return;
  config::Attachment attachment = config::attach(*loaded.config);
  locate(attachment.findings, loaded.sources);
  for (const config::Fault& finding : attachment.findings) {
    require(finding.severity == config::Severity::kWarning, "findings are warnings");
    check_fault(finding);
  }
  require(proxy::compile(*loaded.config, attachment, nullptr).ok(), "what loads compiles");
}

}  // namespace lb::fuzz
