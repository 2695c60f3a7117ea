// A doubly linked list whose links live in the elements: no allocation, O(1) unlinking. The list
// owns nothing; an element must leave it before it is destroyed. One thread.
#pragma once

#include "lb/util/assert.h"

namespace lb::util {

// Base of an element. `Tag` tells apart the lists that one object can be in at a time.
template <typename Tag>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { LB_ASSERT(!is_linked()); }

  bool is_linked() const { return next_ != nullptr; }

  void unlink() {
    LB_ASSERT(is_linked());
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;

  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
};

// A list of `T`, which derives from ListNode<Tag>.
template <typename T, typename Tag>
class IntrusiveList {
 public:
  using Node = ListNode<Tag>;

  IntrusiveList() { head_.prev_ = head_.next_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    LB_ASSERT(empty());
    head_.prev_ = head_.next_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }

  // The analyzer takes what was freed after pop_front() to be the first still.
  // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
  T* front() const { return empty() ? nullptr : static_cast<T*>(head_.next_); }

  // The element after `element`, or null at the end.
  T* next(const T& element) const {
    const Node& node = element;
    return node.next_ == &head_ ? nullptr : static_cast<T*>(node.next_);
  }

  void push_back(T& element) {
    Node& node = element;
    LB_ASSERT(!node.is_linked());
    node.prev_ = head_.prev_;
    node.next_ = &head_;
    head_.prev_->next_ = &node;
    head_.prev_ = &node;
  }

  T* pop_front() {
    if (empty()) return nullptr;
    T* element = front();
    static_cast<Node*>(element)->unlink();
    return element;
  }

  // Moves all elements of `other` to the end of this list.
  void splice_back(IntrusiveList& other) {
    if (other.empty()) return;
    Node* first = other.head_.next_;
    Node* last = other.head_.prev_;
    other.head_.prev_ = other.head_.next_ = &other.head_;
    first->prev_ = head_.prev_;
    last->next_ = &head_;
    head_.prev_->next_ = first;
    head_.prev_ = last;
  }

 private:
  Node head_;
};

}  // namespace lb::util
