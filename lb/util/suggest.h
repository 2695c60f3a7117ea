// "Did you mean": the known word that is nearest to a mistyped one.
#pragma once

#include <string_view>
#include <vector>

namespace lb::util {

// The candidate that `word` was probably meant to be, or "" when none is near. Words that differ
// only in case, '_' and '-' are the nearest; then counts the number of letters inserted, dropped,
// changed or swapped, at most one for every three of the word. Ties go to the earlier candidate.
// The result views into `candidates`.
std::string_view suggest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace lb::util
