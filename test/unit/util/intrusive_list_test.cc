// The list against a std::list under random work, and its rules one by one.
#include "lb/util/intrusive_list.h"

#include <algorithm>
#include <list>
#include <vector>

#include "lb/util/random.h"
#include "test/support/catch.h"
#include "test/support/scale.h"

namespace lb::util {
namespace {

struct FirstTag {};
struct SecondTag {};

struct Item : ListNode<FirstTag>, ListNode<SecondTag> {
  explicit Item(int new_value) : value(new_value) {}
  int value;
};

using FirstList = IntrusiveList<Item, FirstTag>;
using SecondList = IntrusiveList<Item, SecondTag>;
using FirstNode = ListNode<FirstTag>;

std::vector<int> values_of(const FirstList& list) {
  std::vector<int> values;
  for (const Item* item = list.front(); item != nullptr; item = list.next(*item)) {
    values.push_back(item->value);
  }
  return values;
}

}  // namespace

TEST_CASE("intrusive_list: keeps the order of push_back and pops from the front") {
  FirstList list;
  CHECK(list.empty());
  CHECK(list.front() == nullptr);
  CHECK(list.pop_front() == nullptr);
  Item one(1);
  Item two(2);
  Item three(3);
  list.push_back(one);
  list.push_back(two);
  list.push_back(three);
  CHECK(values_of(list) == std::vector<int>{1, 2, 3});
  static_cast<FirstNode&>(two).unlink();
  CHECK_FALSE(two.FirstNode::is_linked());
  CHECK(values_of(list) == std::vector<int>{1, 3});
  CHECK(list.pop_front() == &one);
  CHECK(list.pop_front() == &three);
  CHECK(list.empty());
}

TEST_CASE("intrusive_list: an object is in one list per tag") {
  FirstList first;
  SecondList second;
  Item item(7);
  first.push_back(item);
  CHECK(item.ListNode<FirstTag>::is_linked());
  CHECK_FALSE(item.ListNode<SecondTag>::is_linked());
  second.push_back(item);
  CHECK(first.pop_front() == &item);
  CHECK(second.front() == &item);
  item.ListNode<SecondTag>::unlink();
  CHECK(second.empty());
}

TEST_CASE("intrusive_list: splice_back empties the other list, even an empty one") {
  FirstList list;
  FirstList other;
  list.splice_back(other);
  CHECK(list.empty());
  Item one(1);
  Item two(2);
  Item three(3);
  list.push_back(one);
  list.splice_back(other);
  CHECK(values_of(list) == std::vector<int>{1});
  other.push_back(two);
  other.push_back(three);
  list.splice_back(other);
  CHECK(other.empty());
  CHECK(values_of(list) == std::vector<int>{1, 2, 3});
  other.splice_back(list);
  CHECK(values_of(other) == std::vector<int>{1, 2, 3});
  while (other.pop_front() != nullptr) {
  }
}

TEST_CASE("intrusive_list: random work gives what std::list gives") {
  Random random(test::test_seed());
  FirstList list;
  std::list<int> model;
  std::list<Item> items;
  for (int i = 0; i < 200; ++i) items.emplace_back(i);
  const auto rounds = test::scaled(20000, 2000);
  for (uint64_t round = 0; round < rounds; ++round) {
    Item& item = *std::next(items.begin(), static_cast<long>(random.below(items.size())));
    if (item.FirstNode::is_linked()) {
      item.FirstNode::unlink();
      model.remove(item.value);
    } else if (random.one_in(3) && !model.empty()) {
      REQUIRE(list.pop_front()->value == model.front());
      model.pop_front();
    } else {
      list.push_back(item);
      model.push_back(item.value);
    }
    if (round % 64 == 0) REQUIRE(values_of(list) == std::vector<int>(model.begin(), model.end()));
  }
  while (list.pop_front() != nullptr) {
  }
}

}  // namespace lb::util
