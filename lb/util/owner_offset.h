// Where the owner of an embedded member is, in half the size of a pointer: connections are many,
// and each embeds several members that must find back to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/util/assert.h"

namespace lb::util {

class OwnerOffset {
 public:
  // The owner moves with the member, or neither does.
  void set(const void* member, const void* owner) {
    const ptrdiff_t distance_bytes =
        reinterpret_cast<intptr_t>(owner) - reinterpret_cast<intptr_t>(member);
    distance_bytes_ = static_cast<int32_t>(distance_bytes);
    LB_ASSERT(distance_bytes_ == distance_bytes);
  }

  void* owner_of(void* member) const { return static_cast<std::byte*>(member) + distance_bytes_; }

 private:
  int32_t distance_bytes_ = 0;
};

}  // namespace lb::util
