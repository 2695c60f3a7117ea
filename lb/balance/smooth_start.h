// Where smooth weighted round robin stands after so many picks: its state, which is a credit for
// each weight. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lb::balance {

// After `picks`, of which whole periods lead nowhere; about there where a period is too long to be
// walked. The sum of the weights may be 2^62.
std::vector<int64_t> credits_after(uint64_t picks, std::span<const int64_t> weights);

}  // namespace lb::balance
