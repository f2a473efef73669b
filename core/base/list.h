// IndexList: a doubly linked list of slab cells, linked by 32-bit index instead of pointer.
//
// The links (8 bytes) live inside the cell; the list itself is 8 bytes and owns nothing. Every call
// is given an accessor `links(index) -> ListLinks&`, because only the caller knows which of a
// cell's links are meant. Lifetime: take a cell out before it is freed. One thread.
#ifndef ROOST_CORE_BASE_LIST_H_
#define ROOST_CORE_BASE_LIST_H_

#include <cstdint>

#include "core/base/check.h"
#include "core/base/handle.h"

namespace roost {

struct ListLinks {
  // In `next`: not in any list. Differs from kNoIndex, which ends a list.
  static constexpr uint32_t kUnlinked = kNoIndex - 1;

  uint32_t next = kUnlinked;
  uint32_t prev = kUnlinked;

  bool linked() const { return next != kUnlinked; }
};

static_assert(sizeof(ListLinks) == 8);

class IndexList {
 public:
  bool empty() const { return head_ == kNoIndex; }
  uint32_t front() const { return head_; }  // kNoIndex when empty
  uint32_t back() const { return tail_; }

  template <typename Access>
  void PushBack(Access&& links, uint32_t index) {
    ListLinks& own = links(index);
    ROOST_CHECK(!own.linked());
    own = {kNoIndex, tail_};
    (tail_ == kNoIndex ? head_ : links(tail_).next) = index;
    tail_ = index;
  }

  // Precondition: `index` is in this list.
  template <typename Access>
  void Remove(Access&& links, uint32_t index) {
    ListLinks& own = links(index);
    ROOST_CHECK(own.linked());
    if (own.prev == kNoIndex) {
      ROOST_CHECK(head_ == index);
      head_ = own.next;
    } else {
      links(own.prev).next = own.next;
    }
    if (own.next == kNoIndex) {
      ROOST_CHECK(tail_ == index);
      tail_ = own.prev;
    } else {
      links(own.next).prev = own.prev;
    }
    own = ListLinks{};
  }

  // Visits front to back. `visit(index)` may remove the cell it is given, but no other.
  template <typename Access, typename Visit>
  void ForEach(Access&& links, Visit&& visit) const {
    for (uint32_t i = head_; i != kNoIndex;) {
      const uint32_t next = links(i).next;
      visit(i);
      i = next;
    }
  }

 private:
  uint32_t head_ = kNoIndex;
  uint32_t tail_ = kNoIndex;
};

static_assert(sizeof(IndexList) == 8);

}  // namespace roost

#endif  // ROOST_CORE_BASE_LIST_H_
