// Questions to a shard from other threads, answered a slice in each turn.
//
// What it is: the one way to look into a running shard. What it is not: a way to hold one up; a job
// does a bounded part of its work in each Step and keeps nothing of the shard but what Drop lets go
// of.
//
// Thread rule: ShardJob::Step and Drop on the shard's thread (Drop on the asker's, when the shard
// does not run). ShardJobs::Post any thread, the rest the shard's.
#ifndef ROOST_CORE_SHARD_JOBS_H_
#define ROOST_CORE_SHARD_JOBS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace roost {

class Shard;

class ShardJob {
 public:
  enum class Progress : uint8_t {
    kMore,   // to be continued in the next turn
    kWaits,  // the same, but whoever asked must take something first
    kDone,   // Step and Drop are called no more
  };
  virtual ~ShardJob() = default;
  virtual Progress Step(Shard& shard) = 0;
  // It will not be done: the shard ends.
  virtual void Drop() = 0;
};

class ShardJobs {
 public:
  using Progress = ShardJob::Progress;

  // False, and dropped, unless the shard runs.
  bool Post(const std::shared_ptr<ShardJob>& job) {
    {
      std::lock_guard lock(mutex_);
      if (open_) {
        posted_.push_back(job);
        some_.store(true, std::memory_order_relaxed);
        return true;
      }
    }
    job->Drop();
    return false;
  }

  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
  }

  // A part of each. kDone: there is none.
  Progress Step(Shard& shard) {
    if (some_.load(std::memory_order_relaxed)) {
      std::lock_guard lock(mutex_);
      some_.store(false, std::memory_order_relaxed);
      jobs_.insert(jobs_.end(), posted_.begin(), posted_.end());
      posted_.clear();
    }
    Progress all = Progress::kDone;
    std::erase_if(jobs_, [&](const std::shared_ptr<ShardJob>& job) {
      const Progress progress = job->Step(shard);
      if (progress == Progress::kDone) return true;
      if (all != Progress::kMore) all = progress;
      return false;
    });
    return all;
  }

  // The shard ends; nothing is taken any more.
  void Close() {
    std::lock_guard lock(mutex_);
    open_ = false;
    for (const auto& job : posted_) job->Drop();
    for (const auto& job : jobs_) job->Drop();
    posted_.clear();
    jobs_.clear();
  }

 private:
  std::mutex mutex_;
  bool open_ = false;
  std::vector<std::shared_ptr<ShardJob>> posted_;
  std::atomic<bool> some_{false};
  std::vector<std::shared_ptr<ShardJob>> jobs_;  // the shard's thread only
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_JOBS_H_
