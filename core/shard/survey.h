// Gathers a shard's figures: the sums that it keeps, and what only a walk over its clients and
// feeds tells.
//
// What it is not: it is no picture of one moment; clients and feeds that come and go meanwhile are
// counted or not. Bound: kCellsPerStep clients or kFeedsPerStep feeds in a step, well below a
// millisecond.
#ifndef ROOST_CORE_SHARD_SURVEY_H_
#define ROOST_CORE_SHARD_SURVEY_H_

#include <cstdint>
#include <optional>

#include "core/park/feed_table.h"
#include "core/shard/figures.h"

namespace roost {

class Shard;

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

}  // namespace roost

#endif  // ROOST_CORE_SHARD_SURVEY_H_
