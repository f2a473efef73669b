// TimerWheel: deadlines of a shard's objects, four levels of 256 slots, O(1) to arm and cancel.
//
// Intrusive: the links (12 bytes) live inside the object's slab cell, and each call is given an
// accessor `links(index) -> TimerLinks&`. Timers, at the end of this file, is the same wheel for
// things without a cell of their own. It reads no clock: Advance is told the time.
//
// All lists are headed by a number, and the first element's `prev` names its head, so that a timer
// can be taken out without knowing when it was put in. A timer lies at the level of the highest
// byte in which its deadline differs from the wheel's present tick; when the present reaches that
// slot, its timers come one level down.
//
// Invariants
//  1. A timer fires at the first Advance whose time is not before its deadline, budget permitting,
//  and
//     never early. Deadlines are rounded up to a tick.
//  2. One Advance moves or fires at most `budget` timers, whatever the clock did; the rest is due
//  in the
//     next. A timer armed from inside `fire` never fires at the tick that is being worked on.
//  3. Deadlines lie at most 2^31 - 1 ticks ahead (248 days at 10 ms); later ones are brought
//  forward to
//     that. The 32-bit tick in the links may wrap.
//
// One thread. 4.2 KiB.
#ifndef ROOST_CORE_BASE_TIMER_WHEEL_H_
#define ROOST_CORE_BASE_TIMER_WHEEL_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/handle.h"
#include "core/base/slab.h"

namespace roost {

struct TimerLinks {
  static constexpr uint32_t kNotArmed = UINT32_MAX;  // in `prev`

  uint32_t next = kNoIndex;
  uint32_t prev = kNotArmed;
  uint32_t deadline_tick = 0;

  bool armed() const { return prev != kNotArmed; }
};

static_assert(sizeof(TimerLinks) == 12);

class TimerWheel {
 public:
  static constexpr uint64_t kDefaultTickNs = 10 * kNsPerMs;

  explicit TimerWheel(uint64_t now_ns, uint64_t tick_ns = kDefaultTickNs)
      : tick_ns_(tick_ns), now_(now_ns / tick_ns) {
    ROOST_CHECK(tick_ns != 0);
    heads_.fill(kNoIndex);
  }

  uint32_t size() const { return size_; }

  // Arms, or arms anew. kNever cancels.
  template <typename Access>
  void Arm(Access&& links, uint32_t index, uint64_t deadline_ns) {
    Cancel(links, index);
    if (deadline_ns == kNever) return;
    const uint64_t tick = deadline_ns / tick_ns_ + (deadline_ns % tick_ns_ != 0 ? 1 : 0);
    const uint64_t ahead = tick <= now_ ? 1 : tick - now_;
    links(index).deadline_tick =
        static_cast<uint32_t>(now_ + (ahead < kMostTicks ? ahead : kMostTicks));
    Place(links, index);
    ++size_;
  }

  // Does nothing when not armed.
  template <typename Access>
  void Cancel(Access&& links, uint32_t index) {
    if (!links(index).armed()) return;
    Unlink(links, index);
    --size_;
  }

  // When the object's timer is due; kNever when it is not armed.
  uint64_t DeadlineNs(const TimerLinks& links) const {
    if (!links.armed()) return kNever;
    const auto ahead = static_cast<int32_t>(links.deadline_tick - static_cast<uint32_t>(now_));
    return (now_ + static_cast<uint64_t>(static_cast<int64_t>(ahead))) * tick_ns_;
  }

  // Fires what is due at now_ns: `fire(index)`, with the timer no longer armed. `fire` may arm,
  // cancel and free anything. Time that went back is taken for no time. Returns how many fired.
  template <typename Access, typename Fire>
  int Advance(Access&& links, uint64_t now_ns, int budget, Fire&& fire) {
    const uint64_t target = std::max(now_, now_ns / tick_ns_);
    int fired = 0;
    while (true) {
      for (uint32_t level = kLevels - 1; level > 0; --level) {
        while (heads_[kPending + level] != kNoIndex) {
          if (budget-- <= 0) return fired;
          const uint32_t index = heads_[kPending + level];
          Unlink(links, index);
          Place(links, index);
        }
      }
      while (heads_[kPending] != kNoIndex) {
        if (budget-- <= 0) return fired;
        const uint32_t index = heads_[kPending];
        Unlink(links, index);
        --size_;
        ++fired;
        fire(index);
      }
      const uint64_t next = NextTick();
      if (next > target) break;
      now_ = next;
      OpenSlots(links);
    }
    now_ = target;
    return fired;
  }

  // When Advance should be called next: never after the earliest deadline, sometimes before it
  // (then a slot is only brought one level down). kNever when nothing is armed.
  uint64_t NextDeadlineNs() const {
    for (uint32_t level = 0; level < kLevels; ++level) {
      if (heads_[kPending + level] != kNoIndex) return now_ * tick_ns_;
    }
    const uint64_t next = NextTick();
    return next == kNever ? kNever : next * tick_ns_;
  }

 private:
  static constexpr uint32_t kLevels = 4;
  static constexpr uint32_t kSlots = 256;
  static constexpr uint32_t kPending =
      kLevels * kSlots;                           // lists that are being worked off, by level
  static constexpr uint32_t kHeadBit = 1u << 31;  // in `prev`: the number of a head
  static constexpr uint64_t kMostTicks = (uint64_t{1} << 31) - 1;
  static_assert(kMaxSlabCells < kHeadBit);

  template <typename Access>
  void Push(Access&& links, uint32_t head, uint32_t index) {
    TimerLinks& own = links(index);
    own.next = heads_[head];
    own.prev = kHeadBit | head;
    if (own.next != kNoIndex) links(own.next).prev = index;
    heads_[head] = index;
    MarkSlot(head);
  }

  template <typename Access>
  void Unlink(Access&& links, uint32_t index) {
    TimerLinks& own = links(index);
    if (own.next != kNoIndex) links(own.next).prev = own.prev;
    if ((own.prev & kHeadBit) != 0) {
      heads_[own.prev & ~kHeadBit] = own.next;
      MarkSlot(own.prev & ~kHeadBit);
    } else {
      links(own.prev).next = own.next;
    }
    own.next = kNoIndex;
    own.prev = TimerLinks::kNotArmed;
  }

  // Keeps the bit of a slot equal to "its list is not empty".
  void MarkSlot(uint32_t head) {
    if (head >= kPending) return;
    const uint64_t bit = uint64_t{1} << (head % 64);
    heads_[head] == kNoIndex ? filled_[head / 64] &= ~bit : filled_[head / 64] |= bit;
  }

  template <typename Access>
  void Place(Access&& links, uint32_t index) {
    const uint32_t deadline = links(index).deadline_tick;
    const uint32_t differs = deadline ^ static_cast<uint32_t>(now_);
    if (differs == 0) {
      Push(links, kPending, index);
      return;
    }
    const uint32_t level = static_cast<uint32_t>(31 - std::countl_zero(differs)) / 8;
    Push(links, level * kSlots + ((deadline >> (8 * level)) & 255), index);
  }

  // Moves the lists of the slots that begin at now_ to the pending lists, which are empty.
  template <typename Access>
  void OpenSlots(Access&& links) {
    for (uint32_t level = 0; level < kLevels; ++level) {
      const uint32_t from = level * kSlots + (static_cast<uint32_t>(now_ >> (8 * level)) & 255);
      const uint32_t first = heads_[from];
      if (first != kNoIndex) {
        heads_[from] = kNoIndex;
        MarkSlot(from);
        heads_[kPending + level] = first;
        links(first).prev = kHeadBit | (kPending + level);
      }
      const uint64_t above = (uint64_t{1} << (8 * (level + 1))) - 1;
      if ((now_ & above) != 0) break;  // no slot of the next level begins here
    }
  }

  // The next tick at which a slot has to be opened; kNever when all are empty. A lower level always
  // comes first: its slots lie before the next boundary of the level above.
  uint64_t NextTick() const {
    for (uint32_t level = 0; level < kLevels; ++level) {
      const uint32_t present = static_cast<uint32_t>(now_ >> (8 * level)) & 255;
      const uint32_t distance = DistanceToFilled(level, present);
      if (distance == 0) continue;
      return ((now_ >> (8 * level)) + distance) << (8 * level);
    }
    return kNever;
  }

  // Slots from `present` to the next filled one, going round; 0 when all are empty.
  uint32_t DistanceToFilled(uint32_t level, uint32_t present) const {
    for (uint32_t step = 1; step < kSlots;) {
      const uint32_t slot = (present + step) & 255;
      const uint64_t rest = filled_[level * (kSlots / 64) + slot / 64] >> (slot % 64);
      if (rest != 0) return step + static_cast<uint32_t>(std::countr_zero(rest));
      step += 64 - slot % 64;
    }
    return 0;
  }

  const uint64_t tick_ns_;
  uint64_t now_;  // in ticks: everything up to here was opened
  uint32_t size_ = 0;
  std::array<uint32_t, kPending + kLevels> heads_;
  std::array<uint64_t, kPending / 64> filled_ = {};
};

// Names a timer of Timers: 8 bits of generation, 24 of index. 0: none.
using TimerId = uint32_t;

// Timers: a wheel with its own nodes (24 bytes each), for owners that are named by a number.
//
// Arm gives a TimerId, which is dead once the timer has fired or was cancelled; the
// owner forgets it then. A dead id does nothing (but in one of 255 cases where its node
// was used again: forget it).
class Timers {
 public:
  explicit Timers(uint64_t now_ns, uint64_t tick_ns = TimerWheel::kDefaultTickNs)
      : wheel_(now_ns, tick_ns) {}

  // 0 when there is no room for another timer.
  [[nodiscard]] TimerId Arm(uint64_t deadline_ns, uint64_t owner) {
    const auto ref = nodes_.New();
    if (!ref) return 0;
    ref->owner = owner;
    wheel_.Arm(links(), ref.index, deadline_ns);
    return IdOf(ref.index);
  }

  // Cancels and clears *id. Does nothing for 0 or a dead id.
  void Cancel(TimerId* id) {
    const uint32_t index = IndexOf(*id);
    *id = 0;
    if (index == kNoIndex) return;
    wheel_.Cancel(links(), index);
    nodes_.Free(index);
  }

  // Moves the deadline. False for 0 or a dead id: Arm a new one.
  [[nodiscard]] bool Rearm(TimerId id, uint64_t deadline_ns) {
    const uint32_t index = IndexOf(id);
    if (index == kNoIndex) return false;
    wheel_.Arm(links(), index, deadline_ns);
    return true;
  }

  // Calls fire(owner) for what is due, at most `budget` moves. Returns how many fired.
  template <typename Fire>
  int Advance(uint64_t now_ns, int budget, Fire&& fire) {
    return wheel_.Advance(links(), now_ns, budget, [&](uint32_t index) {
      const uint64_t owner = nodes_[index].owner;
      nodes_.Free(index);
      fire(owner);
    });
  }

  uint64_t NextDeadlineNs() const { return wheel_.NextDeadlineNs(); }
  uint32_t size() const { return nodes_.size(); }

 private:
  struct Node {
    TimerLinks links;
    uint32_t generation = 0;
    uint64_t owner = 0;
  };
  static_assert(sizeof(Node) == 24);

  static uint32_t ShortGeneration(uint32_t generation) { return 1 + generation % 255; }

  struct NodeLinks {
    Slab<Node>* nodes;
    TimerLinks& operator()(uint32_t index) const { return (*nodes)[index].links; }
  };
  NodeLinks links() { return {&nodes_}; }

  TimerId IdOf(uint32_t index) const {
    return ShortGeneration(nodes_[index].generation) << 24 | index;
  }

  uint32_t IndexOf(TimerId id) const {
    const uint32_t index = id & (kMaxSlabCells - 1);
    if (id == 0 || !nodes_.IsLive(index) || IdOf(index) != id) return kNoIndex;
    return index;
  }

  Slab<Node> nodes_;
  TimerWheel wheel_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_TIMER_WHEEL_H_
