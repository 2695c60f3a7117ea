// Smooth weighted round robin over many candidates: exact over every run of (sum of weights) picks,
// as SmoothWeighted is, but at a price that grows with the number of different weights and not of
// candidates. Candidates of one weight form a class. Classes take turns by the sums of their
// weights, the members of a class one after the other: a class is picked a whole number of rounds
// in each period, so its members are picked alike. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lb/balance/candidates.h"
#include "lb/util/cache_line.h"

namespace lb::balance {

class ClassOrder {
 public:
  // Orders that differ in `start` begin at different places.
  explicit ClassOrder(uint64_t start) : start_(start) {}

  // Goes on with these: what each has had too much or too little so far is kept, and the turn in a
  // class goes on after the one who had it last. They may be of another list, in which endpoints
  // have other indices.
  void assign(std::span<const Candidate> candidates);
  // How often that was done: who shares the order sees that somebody else has done it.
  uint64_t revision() const { return revision_; }

  // The index of the next candidate; there must be one.
  uint32_t pick();

 private:
  struct Class {
    uint32_t member_weight;
    int64_t weight;  // of all members
    int64_t credit = 0;
    size_t next = 0;                // into members
    std::vector<uint32_t> members;  // ascending
  };

  // What is left of the order so far, by index.
  struct Past {
    double lag_picks = 0;     // how many it should have had by now and has not
    uint32_t last = kNobody;  // who had the last turn in its class
  };

  static constexpr uint32_t kNobody = UINT32_MAX;

  std::vector<Past> past() const;
  // By the index in this list.
  std::vector<Past> past_of(std::span<const Candidate> candidates) const;
  // The first assign().
  void begin();
  void classify(std::span<const Candidate> candidates);
  void resume(const std::vector<Past>& past);
  Class& next_class();

  const uint64_t start_;
  uint64_t revision_ = 0;
  std::vector<const Endpoint*> endpoints_;  // by index; told apart only, for they may be gone
  int64_t total_weight_ = 0;
  // Each worker has its own, and writes it at each pick.
  std::vector<Class, util::CacheLineAllocator<Class>> classes_;
};

}  // namespace lb::balance
