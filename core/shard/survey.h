// Gathers a shard's figures: the sums that it keeps, and what only a walk over its clients and
// feeds tells.
//
// What it is not: it is no picture of one moment; clients and feeds that come and go meanwhile are
// counted or not. Bound: kCellsPerStep clients or kFeedsPerStep feeds in a step, well below a
// millisecond.
#ifndef ROOST_CORE_SHARD_SURVEY_H_
#define ROOST_CORE_SHARD_SURVEY_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/park/feed_table.h"
#include "core/shard/figures.h"
#include "core/shard/jobs.h"

namespace roost {

// Ends before its shard does.
class Survey {
 public:
  static constexpr uint32_t kCellsPerStep = 2048;
  static constexpr uint32_t kFeedsPerStep = 256;

  // True: figures() has all.
  bool Step(Shard& shard);
  const ShardFigures& figures() const { return figures_; }

 private:
  bool StepClients(Shard& shard);
  bool StepFeeds(Shard& shard);

  enum class At : uint8_t { kClients, kFeeds, kDone };
  At at_ = At::kClients;
  uint32_t next_cell_ = 0;
  std::optional<FeedWalk> feeds_;
  ShardFigures figures_;
};

// The surveys of all shards, for one who waits for them.
class SurveyOfAll {
 public:
  explicit SurveyOfAll(size_t shards) : answers_(shards), left_(shards) {}
  // To be posted at shard number `index`. `all` outlives it.
  static std::shared_ptr<ShardJob> Part(std::shared_ptr<SurveyOfAll> all, size_t index);
  // By shard; empty when one of them ends, or has not answered after wait_ns.
  std::vector<ShardFigures> Await(uint64_t wait_ns);

 private:
  class Job;
  void Answer(size_t index, const ShardFigures& figures);
  void Fail();

  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<ShardFigures> answers_;
  size_t left_;
  bool failed_ = false;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_SURVEY_H_
