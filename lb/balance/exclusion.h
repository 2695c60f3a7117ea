// The endpoints that a choice must pass over: tried by this connection, or full. A set of indices
// that is cheap to fill anew for each choice. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lb::balance {

class Exclusion {
 public:
  // Of the indices below `size`.
  explicit Exclusion(size_t size) : marks_(size) {}

  void assign(std::span<const uint32_t> indices) {
    is_empty_ = indices.empty();
    if (is_empty_) return;
    ++mark_;
    for (const uint32_t index : indices) marks_[index] = mark_;
  }

  bool is_empty() const { return is_empty_; }
  bool contains(uint32_t index) const { return !is_empty_ && marks_[index] == mark_; }

 private:
  bool is_empty_ = true;
  uint64_t mark_ = 0;
  std::vector<uint64_t> marks_;  // excluded where it is mark_
};

}  // namespace lb::balance
