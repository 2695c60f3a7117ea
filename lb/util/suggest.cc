#include "lb/util/suggest.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace lb::util {
namespace {

// Bounds the work on garbage: no key of ours is that long.
constexpr size_t kMaxWordLength = 64;

// "parent_refs", "ParentRefs" and "parent-refs" are one word.
std::string fold(std::string_view word) {
  std::string folded;
  folded.reserve(word.size());
  for (const char c : word) {
    if (c == '_' || c == '-') continue;
    folded.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return folded;
}

// Optimal string alignment: Levenshtein's distance with swaps of neighbours as one step.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({changed, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string_view suggest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > kMaxWordLength) return {};
  const std::string folded = fold(word);
  size_t nearest = std::max<size_t>(1, folded.size() / 3) + 1;
  std::string_view best;
  for (const std::string_view candidate : candidates) {
    const size_t distance = edit_distance(folded, fold(candidate));
    // A word of one or two letters is one step away from any other: that is no likeness.
    if (distance < nearest && distance < folded.size()) {
      nearest = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace lb::util
