// What clients were told of each message's flags, as 32 bits: for mailboxes without MODSEQ, so that
// after a loss of the driver only what differs is told.
//
// One entry for each message of the feed's view, by position: 4 bytes beside about one bit of the
// view, where a table by UID would take three times that. Expunges move what is behind them, which
// even for a million messages takes less than reading their lines from the store. What was never
// learned at the end takes nothing; 0 stands for not known, which only means: told again.
//
// A hash covers the set of flags: order and case do not count, \Recent is not in it (it belongs to
// one session). Not against malice: whoever can make two sets collide hides a change from himself.
//
// Bound: kMost messages; those behind are not known.
#ifndef ROOST_CORE_FEED_FLAG_HASHES_H_
#define ROOST_CORE_FEED_FLAG_HASHES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/imap/uid_set.h"

namespace roost {

class FlagHashes {
 public:
  static constexpr uint32_t kMost = 1 << 20;

  // Never 0.
  static uint32_t Of(std::string_view flags);

  // 0: not known. Positions count from 1.
  uint32_t At(uint32_t position) const {
    return position == 0 || position > hashes_.size() ? 0 : hashes_[position - 1];
  }
  void Set(uint32_t position, uint32_t hash);
  // Messages left; `numbers` are their positions before any of them did.
  void Remove(const UidSet& numbers);
  void Clear() { std::vector<uint32_t>().swap(hashes_); }
  // The first of `count` positions that is not known; 0: none, as far as kMost reaches.
  uint32_t FirstUnknown(uint32_t count) const;

  // What was found out by searching: `covered` are the messages that had the chance to be found,
  // `found` those that have each flag. Sets what is not known yet.
  void Learn(const UidSet& view, const UidSet& covered,
             const std::vector<std::pair<std::string, UidSet>>& found);

  size_t memory() const { return hashes_.capacity() * sizeof(uint32_t); }

 private:
  std::vector<uint32_t> hashes_;
};

}  // namespace roost

#endif  // ROOST_CORE_FEED_FLAG_HASHES_H_
