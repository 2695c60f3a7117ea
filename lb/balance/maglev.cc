#include "lb/balance/maglev.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <utility>

#include "lb/util/siphash.h"

namespace lb::balance {
namespace {

constexpr uint32_t kFree = UINT32_MAX;

// What each use of the seed is hashed with, so that they are independent.
constexpr uint64_t kOffsetKey = 1;
constexpr uint64_t kSkipKey = 2;
constexpr uint64_t kChecksumKey = 3;

// The order in which an entry wants the slots: a walk over all of them.
class Preference {
 public:
  Preference(const std::string& name, uint32_t size, uint64_t seed) : size_(size) {
    at_ = static_cast<uint32_t>(util::SipHash(seed, kOffsetKey).hash(name) % size);
    if (size == 1) return;
    skip_ = static_cast<uint32_t>(util::SipHash(seed, kSkipKey).hash(name) % (size - 1) + 1);
    // Of a size that is no prime, some skips would come back before they have been everywhere.
    while (std::gcd(skip_, size) != 1) ++skip_;
  }

  uint32_t next() {
    const uint32_t slot = at_;
    at_ = static_cast<uint32_t>((uint64_t{at_} + skip_) % size_);
    return slot;
  }

 private:
  uint32_t size_;
  uint32_t at_ = 0;
  uint32_t skip_ = 1;
};

// Entry `entry` takes its k-th slot when it is the first by (k - 1/2) / weight, which rounds shares
// to the nearest whole slot.
struct Turn {
  uint32_t entry;
  uint64_t half_count;  // 2 * k - 1
  uint64_t weight;

  // For a queue whose top is the greatest. Whole numbers, so that no machine rounds otherwise.
  friend bool operator<(const Turn& a, const Turn& b) {
    const uint64_t left = a.half_count * b.weight;
    const uint64_t right = b.half_count * a.weight;
    return left != right ? left > right : a.entry > b.entry;
  }
};

std::vector<uint32_t> fill(const std::vector<MaglevEntry>& entries, uint32_t size, uint64_t seed) {
  std::vector<Preference> preferences;
  preferences.reserve(entries.size());
  std::priority_queue<Turn> turns;
  for (uint32_t i = 0; i < entries.size(); ++i) {
    preferences.emplace_back(entries[i].name, size, seed);
    turns.push({i, 1, entries[i].weight});
  }
  std::vector<uint32_t> slots(size, kFree);
  for (uint32_t left = size; left > 0; --left) {
    Turn turn = turns.top();
    turns.pop();
    uint32_t slot = preferences[turn.entry].next();
    while (slots[slot] != kFree) slot = preferences[turn.entry].next();
    slots[slot] = turn.entry;
    turn.half_count += 2;
    turns.push(turn);
  }
  return slots;
}

uint32_t checksum_of(const std::vector<MaglevEntry>& entries, const std::vector<uint32_t>& slots) {
  std::string text;
  for (const MaglevEntry& entry : entries) text += entry.name + '\n';
  uint64_t sum = util::SipHash(slots.size(), kChecksumKey).hash(text);
  for (const uint32_t slot : slots) sum = util::SipHash(sum, kChecksumKey).hash(uint64_t{slot});
  return static_cast<uint32_t>(sum);
}

}  // namespace

Maglev::Maglev(std::vector<MaglevEntry> entries, uint32_t size, uint64_t seed)
    : entries_(std::move(entries)), seed_(seed) {
  std::erase_if(entries_, [](const MaglevEntry& entry) { return entry.weight == 0; });
  std::sort(entries_.begin(), entries_.end(),
            [](const MaglevEntry& a, const MaglevEntry& b) { return a.name < b.name; });
  if (!entries_.empty()) slots_ = fill(entries_, size, seed);
  checksum_ = checksum_of(entries_, slots_);
}

}  // namespace lb::balance
