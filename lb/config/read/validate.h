// Class A checks of objects among each other: what the API server would refuse at admission because
// two things collide. What one object alone can get wrong is checked where it is read (schema.h).
#pragma once

#include <vector>

#include "lb/config/model.h"
#include "lb/config/read/fault_list.h"

namespace lb::config {

// Linear in the size of the configuration. Objects and fields that already have a fault (an empty
// name, port 0) are passed over, so that one mistake is reported once. `sources` give their names
// to the other of two places.
void validate(const Config& config, const std::vector<Source>& sources, FaultList& faults);

// The part of it that is about the endpoints of one service.
void check_endpoints(const Service& service, const std::vector<Source>& sources, FaultList& faults);

}  // namespace lb::config
