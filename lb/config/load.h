// The way in: from a TOML file to a validated Config, with every fault found in one run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/fault.h"
#include "lb/config/model.h"
#include "lb/config/read/file_text.h"

namespace lb::config {

struct LoadResult {
  std::optional<Config> config;  // absent exactly when a fault is an error
  std::vector<Fault> faults;     // sorted by position, located; warnings, too
  std::vector<Source> sources;   // the file, what it includes and the endpoints files, for locate()
                                 // on later findings, such as those of attach()
};

// Never throws; a file that cannot be read is a fault like any other. `served` is what a running
// process serves, for what stays of it where an endpoints file is broken (endpoints_update.h).
LoadResult load_file(const std::string& path, const LoadResult* served = nullptr);

// `name` stands for the file's name in the faults. A text cannot name other files.
LoadResult load_text(std::string_view text, std::string_view name);

// Every key that the reader knows, as "gateways[].listeners[].port", sorted. For documents that
// must name them all.
std::vector<std::string> known_keys();

}  // namespace lb::config
