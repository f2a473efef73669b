// Whose turn it is to be told of an event.
//
// What it is: cells that events gave something to be told, event by event; of a crowd kInARow are
// taken and then it goes behind the others, so that whoever comes later waits for a few of the
// crowd and not for all. What it is not: it sends nothing and does not know whether a cell is still
// there.
//
// Lifetime: a member of Clients. Thread rule: the shard's thread. Memory: 8 bytes for each cell
// that waits, and an allocation for each event.
#ifndef ROOST_CORE_CLIENT_NEWS_H_
#define ROOST_CORE_CLIENT_NEWS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "core/base/handle.h"
#include "proto/check.h"

namespace roost {

class News {
 public:
  static constexpr size_t kInARow = 16;

  struct Next {
    Handle cell;
    bool ends_row;      // the one after it is told of another event, or there is none
    bool ends_event;    // all who were queued for this event have been taken
    uint64_t heard_ns;  // as in Push
  };

  bool empty() const { return events_.empty(); }

  // Those who are to be told of one event, in order, and when it was heard; none is no event.
  void Push(std::vector<Handle> cells, uint64_t heard_ns) {
    if (!cells.empty()) events_.push_back({.cells = std::move(cells), .heard_ns = heard_ns});
  }

  // Precondition: !empty().
  Next Take() {
    ROOST_CHECK(!events_.empty());
    Event& event = events_.front();
    Next next{.cell = event.cells[event.taken++], .heard_ns = event.heard_ns};
    next.ends_event = event.taken == event.cells.size();
    next.ends_row = next.ends_event || event.taken % kInARow == 0;
    if (next.ends_row) {
      if (!next.ends_event) events_.push_back(std::move(event));
      events_.pop_front();
    }
    return next;
  }

 private:
  struct Event {
    std::vector<Handle> cells;
    size_t taken = 0;
    uint64_t heard_ns = 0;
  };

  std::deque<Event> events_;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_NEWS_H_
