// The files that a file takes in: `include = ["conf.d/*.toml"]` at its top level.
//
// A pattern is a path with the shell's wildcards, relative to the folder of the file it stands in.
// Its matches are read in the order of their bytes, each file once however many patterns match it,
// and never the including file itself. What is included includes nothing.
//
// [[arrays]] at the top level are put one behind the other; tables are merged key by key, and a key
// that two files set is a fault.
#pragma once

#include <string>
#include <vector>

#include "lb/config/read/fault_list.h"
#include "lb/config/read/file_text.h"
#include "lb/config/read/toml_value.h"

namespace lb::config {

inline constexpr size_t kMaxFiles = 10'000;

// Reads and parses what `root`, the content of sources[0], includes, appends it to `sources` and
// merges it into `root`. A file that cannot be had or parsed is an error, a pattern without a match
// a warning; a path without wildcards that does not exist is an error, too.
void merge_includes(TOMLTable& root, FileId main_file, std::vector<Source>& sources,
                    FaultList& faults);

// Appends the text to `sources` and parses it. False, with an error, when it is not TOML.
bool parse_source(Source source, std::vector<Source>& sources, FaultList& faults,
                  TOMLTable& parsed);

}  // namespace lb::config
