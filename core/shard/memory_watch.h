// When to look at the memory that the process has, when to give back what was freed, and what
// follows from it.
//
// What it is: the decision. What it is not: it measures and gives back by what it is given
// (core/base/resident.h), and tells no shard (server.h).
//
// What is free counts for nothing. To give it back is work: it is done at once only before anybody
// is turned away, else once in kPurgeNs; and no level is entered before.
//
// Thread rule: one thread at a time.
#ifndef ROOST_CORE_SHARD_MEMORY_WATCH_H_
#define ROOST_CORE_SHARD_MEMORY_WATCH_H_

#include <cstdint>
#include <functional>

#include "core/base/clock.h"
#include "core/shard/memory_level.h"

namespace roost {

class MemoryWatch {
 public:
  static constexpr uint64_t kLookNs = kNsPerSecond;
  static constexpr uint64_t kPurgeNs = SecondsToNs(10);

  struct Seen {
    MemoryLevel level = MemoryLevel::kPlenty;
    bool sheds = false;  // some clients are to go now
    uint64_t used = 0;   // 0: it did not look
  };
  // To be called now and then; does nothing until kLookNs have passed. limit 0: none. `resident`:
  // 0 where it is not known.
  Seen Step(uint64_t now_ns, uint64_t limit, const std::function<uint64_t()>& resident,
            const std::function<void()>& give_back);

 private:
  MemoryLevel level_ = MemoryLevel::kPlenty;
  uint64_t looked_ns_ = 0, purged_ns_ = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_MEMORY_WATCH_H_
