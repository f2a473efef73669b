// One question at all shards, asked from another thread.
//
// What it is: a job for each shard, the same work in slices, and how many are still at it, for one
// who waits. What it is not: it carries no answers; what is asked puts them where it knows, each
// shard's by its index.
//
// Lifetime: its parts', and whoever waits. One who waits no longer leaves them at it, so what is
// asked owns what it refers to. Thread rule: a slice and what lets go of it run on the shard's
// thread (the latter on the asker's, when the shard does not run); Await any other.
#ifndef ROOST_CORE_SHARD_ASKING_H_
#define ROOST_CORE_SHARD_ASKING_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "core/shard/jobs.h"

namespace roost {

class Asking {
 public:
  // True: this shard has done it. Else again in its next turn.
  using Slice = std::function<bool(uint32_t index, Shard& shard)>;
  // This shard will not do it, or no more of it: what is kept of the shard must go.
  using Dropped = std::function<void(uint32_t index)>;

  Asking(Slice slice, uint32_t shards, Dropped dropped = {});
  // To be posted at shard number `index`, once at each.
  static std::shared_ptr<ShardJob> Part(std::shared_ptr<Asking> all, uint32_t index);
  // True: all have done it. False: some were dropped, or are still at it after wait_ns.
  bool Await(std::optional<uint64_t> wait_ns = {});

 private:
  class Job;
  void Ended(bool done);

  const Slice slice_;
  const Dropped dropped_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t left_;
  bool all_done_ = true;  // of those that ended
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_ASKING_H_
