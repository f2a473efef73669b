// Empties stores, or some of their addresses, that the operator wants empty.
//
//   begins --each user's turn, by a hash of its name--> told_ns
//          --who was busy--> end_ns: nobody is left
//
// What it is: a walk over all clients, again and again while anything is drained. A store that is
// drained as a whole: its clients are told BYE. An address of it: later sessions of the user go
// elsewhere, all in the same walk; feeds that have theirs there find another one (feeds.h,
// Move), and their clients stay and are told the difference; a client with a session of its own
// keeps it until told_ns, since it may park before, and is told BYE then. While no other address is
// there and answers all of them stay, also where each is drained by itself: only a store that is
// drained as a whole loses its last address. Whether names lead to an address that is drained makes
// no difference to those who are there. What it is not: it keeps nobody out (dialer.h does).
//
// Thread rule: its shard. Bound: kVisitsPerTurn clients in a turn.
#ifndef ROOST_CORE_SHARD_STORE_DRAINS_H_
#define ROOST_CORE_SHARD_STORE_DRAINS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/client/clients.h"
#include "core/park/feeds.h"
#include "core/shard/drain.h"
#include "core/store/dialer.h"

namespace roost {

struct StoreDrainPlan : DrainPlan {
  bool whole = false;  // the store; else those of its addresses that are drained
  bool operator==(const StoreDrainPlan&) const = default;
};

class StoreDrains {
 public:
  static constexpr uint32_t kVisitsPerTurn = 256;
  // By StoreIndex; none: nothing of the store is drained.
  using Plans = std::vector<std::optional<StoreDrainPlan>>;

  StoreDrains(Clients& clients, Feeds& feeds, const std::vector<std::unique_ptr<Dialer>>& dialers)
      : clients_(clients), feeds_(feeds), dialers_(dialers), leaving_(dialers.size()) {}

  // Which addresses are drained is said by the dialers; they are told which stores.
  void Set(Plans plans, uint64_t now_ns);
  // A part of a turn. True: more waits.
  bool Step(uint64_t now_ns);
  // When there is something to do; kNever without plans.
  uint64_t NextNs() const;
  // Clients of the store that the last whole walk has found and that are still to leave it, or an
  // address of it. Before there was one for its plan: all clients, since 0 means that it is empty.
  uint64_t leaving(StoreIndex store) const { return leaving_[store].found; }

 private:
  static constexpr uint64_t kPeriodNs = SecondsToNs(1);
  static constexpr uint64_t kLatePeriodNs = SecondsToNs(10);  // after the end
  struct Leaving {
    uint64_t found = 0;
    uint64_t counted = 0;  // by the walk under way
  };

  bool Wanted() const;
  void EndWalk(uint64_t now_ns);
  void Visit(uint32_t index, uint64_t now_ns);

  Clients& clients_;
  Feeds& feeds_;
  const std::vector<std::unique_ptr<Dialer>>& dialers_;
  Plans plans_;
  std::vector<Leaving> leaving_;  // by StoreIndex
  bool walking_ = false;
  uint32_t place_ = 0;
  uint64_t next_ns_ = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_STORE_DRAINS_H_
