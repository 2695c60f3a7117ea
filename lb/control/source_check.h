// Whether this host can be what the services' `source` keys want it to be: asked once for each
// configuration, so that an operator reads it at the start and not from clients. Control thread.
#pragma once

#include "lb/config/model.h"
#include "lb/util/log.h"

namespace lb::control {

// A line for each source that connections cannot be made from now. Some may be there later, so
// nothing else follows from it.
void warn_of_sources(const config::Config& config, util::Log& log);

}  // namespace lb::control
