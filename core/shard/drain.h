// The pace of a drain: when listeners close, and when how many clients are told BYE.
//
//   begins --accepting_ns--> listeners close --clients are told one by one--> told_ns
//          --those who were busy--> end_ns: whoever is left is told at once
//
// What it is: arithmetic on times. What it is not: it tells nobody anything (shard.h), reads no
// clock. Pure but for the random numbers it is given. Thread rule: none.
#ifndef ROOST_CORE_SHARD_DRAIN_H_
#define ROOST_CORE_SHARD_DRAIN_H_

#include <cstdint>

#include "core/base/rng.h"

namespace roost {

struct DrainPlan {
  uint64_t accepting_ns = 0;  // until then new connections are taken
  uint64_t told_ns = 0;       // by then everybody's turn has come
  uint64_t end_ns = 0;        // nobody stays longer

  // All of it within `over_s`, which includes the time while connections are still taken; of that
  // at most half of the whole.
  static DrainPlan Make(uint64_t now_ns, uint64_t over_s, uint64_t accepting_s);
  bool operator==(const DrainPlan&) const = default;
};

// Spreads the clients of one shard over a plan: evenly, each after a pause between half and one and
// a half of what would be even.
class DrainPace {
 public:
  // What one turn is given; a shard with more to tell goes on in the next.
  static constexpr uint32_t kPerTurn = 256;

  DrainPace(const DrainPlan& plan, uint64_t seed);

  // How many of the `left` clients whose turn has not come are to be told now; kPerTurn at most.
  uint32_t Take(uint64_t now_ns, uint32_t left);
  // When Take has something to say again.
  uint64_t NextNs() const { return next_ns_; }

 private:
  const DrainPlan plan_;
  Rng rng_;
  uint64_t next_ns_;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_DRAIN_H_
