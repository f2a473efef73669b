// A shard's clients or feeds, a row of JSON for each, for one who asks for them by name.
//
// Place: Server::Post -> Step (the shard, a slice in each turn) -> Take (who asked) -> control
// socket. What it is not: for metrics; rows name users and mailboxes. No secret and nothing of a
// message is in them.
//
// Thread rule: Step and Drop on the shard's thread, the rest on that of the asker. Bounds:
// kVisitsPerStep rows looked at in a turn; kMostWaiting bytes of rows that were not taken yet, then
// the walk waits.
#ifndef ROOST_CORE_SHARD_LISTING_H_
#define ROOST_CORE_SHARD_LISTING_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/park/feed_table.h"
#include "core/shard/jobs.h"

namespace roost {

struct ClientCell;

class Listing final : public ShardJob {
 public:
  static constexpr uint32_t kVisitsPerStep = 512;
  static constexpr size_t kMostWaiting = 64 * 1024;

  enum class What : uint8_t { kClients, kFeeds };
  // `user`: only those with exactly this login; empty: all.
  Listing(What what, uint32_t shard, std::string user)
      : what_(what), shard_(shard), user_(std::move(user)) {}

  enum class Taken : uint8_t {
    kSome,  // one row at least
    kOver,  // none: that was all
    kFailed,
  };
  // Waits for rows, wait_ns at most (then kFailed).
  Taken Take(std::vector<std::string>* rows, uint64_t wait_ns);
  // No more is wanted.
  void Cancel();

  Progress Step(Shard& shard) override;
  void Drop() override;

 private:
  enum class State : uint8_t { kUnderWay, kOver, kFailed, kCancelled };

  bool VisitClients(Shard& shard, std::vector<std::string>* rows);
  bool VisitFeeds(Shard& shard, std::vector<std::string>* rows);
  std::string Row(Shard& shard, const ClientCell& cell) const;
  std::string Row(Shard& shard, const Feed& feed) const;

  const What what_;
  const uint32_t shard_;
  const std::string user_;
  // The shard's.
  uint32_t next_cell_ = 0;
  std::optional<FeedWalk> walk_;
  // Both.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> rows_;
  size_t bytes_ = 0;  // of rows_
  State state_ = State::kUnderWay;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_LISTING_H_
