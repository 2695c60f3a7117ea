// The endpoints that services take from files of their own, `endpointsFile`: at a load, and again
// whenever such a file has changed.
//
// What is served outlives a bad file. Where a service was served from the same file before, a file
// that is broken or gone leaves it the endpoints that it has, and that is reported; only a service
// that has none from it yet takes a broken file as an error of the configuration. A file that is
// not there, or of no size, which is how one looks before its first writer has written, is never an
// error: it may come later.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lb/config/load.h"
#include "lb/config/read/fault_list.h"

namespace lb::config {

// The step of a load: puts each service's endpoints of its file behind its own, and the file's text
// into `sources`. The paths are made relative to the folder of the file that names them; a text
// without a folder (`is_file` false) cannot name any. `served` may be null.
void take_in_endpoints(Config& config, bool is_file, const LoadResult* served,
                       std::vector<Source>& sources, FaultList& faults);

// What a service's file has to say against what is served from it.
struct EndpointsUpdate {
  size_t service = 0;  // index into Config::services
  std::string text;
  std::vector<Endpoint> endpoints;
  std::string error;          // why they cannot be taken, as file:line:column: message
  bool is_same = false;       // as it is served already
  bool is_transient = false;  // the error may go without the file changing: no descriptor, say
};

// Reads the file of a service that has one. `served` has a config.
EndpointsUpdate read_update(const LoadResult& served, size_t service);

// Replaces what the service had from its file. The update must be without an error.
void apply_update(EndpointsUpdate update, LoadResult& loaded);

}  // namespace lb::config
