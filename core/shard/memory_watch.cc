#include "core/shard/memory_watch.h"

namespace roost {

MemoryWatch::Seen MemoryWatch::Step(uint64_t now_ns, uint64_t limit,
                                    const std::function<uint64_t()>& resident,
                                    const std::function<void()>& give_back) {
  const MemoryLevel before = level_;
  if (now_ns - looked_ns_ < kLookNs) return {before};
  looked_ns_ = now_ns;
  if (limit == 0 && before == MemoryLevel::kPlenty) return {before};
  uint64_t used = resident();
  const MemoryLevel seen = NextMemoryLevel(before, used, limit);
  const bool turns_away =
      seen == MemoryLevel::kShedding || (seen == MemoryLevel::kFull && seen > before);
  const bool purges = turns_away || now_ns - purged_ns_ >= kPurgeNs;
  if (seen != MemoryLevel::kPlenty && purges) {
    give_back();
    purged_ns_ = now_ns;
    used = resident();
  } else if (seen > before) {
    return {before};
  }
  level_ = NextMemoryLevel(before, used, limit);
  return {level_, level_ == MemoryLevel::kShedding && used != 0, used};
}

}  // namespace roost
