// One thing that is wrong with a configuration, and how it is printed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lb/config/fault_code.h"
#include "lb/config/position.h"
#include "lb/config/status/reason.h"

namespace lb::config {

enum class Severity {
  kError,    // class A: the file is refused as a whole
  kWarning,  // class B and advice: the file loads, the rest is served
};

struct Fault {
  FaultCode code = FaultCode::kSyntax;
  Severity severity = Severity::kError;
  SourcePosition where;
  std::string message;
  std::string suggestion;         // what was probably meant; may be empty
  Reason reason = Reason::kNone;  // what a condition would say; class B only
  std::string file;               // filled in by locate(), as is the next
  std::string source_line;  // without its newline; empty when the fault is the file's as a whole
};

// A text that was read, kept so that faults found later can be shown in it.
struct Source {
  std::string name;
  std::string text;
};

// Fills in `file` and `source_line` of every fault and sorts the faults by position, stably.
void locate(std::vector<Fault>& faults, const std::vector<Source>& sources);

// How a fault at `here` names another place: "line 4", or "other.toml:4" in another file.
std::string place_text(SourcePosition place, SourcePosition here,
                       const std::vector<Source>& sources);

// Whatever stands in a file must not steer the terminal or split a line of the log: control
// characters become \x1b and the like.
std::string printable(std::string_view text);

// "E0105", "W0307".
std::string code_text(const Fault& fault);

// `file:line:col: error[E0105]: message`, then the source line, a caret line, and `  did you mean
// "x"?`; each only where there is something to say. Ends with a newline. Needs locate() first.
std::string format(const Fault& fault);

}  // namespace lb::config
