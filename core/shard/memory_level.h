// How short of memory the process is: limits.max_memory_mib against what it has.
//
//   kPlenty --85 %--> kSparing --90 %--> kFull --100 %--> kShedding
//
// kSparing: what is kept for later is given up: sessions of the pools, freed memory. kFull: nobody
// new is taken, and /readyz says so. kShedding: clients are told BYE, some each second, those with
// a session of their own first. A level is left when kStayPercent less is in use than made it so.
//
// What it is: arithmetic. What it is not: it measures nothing (core/base/resident.h), and does
// nothing (server.h, shard.h).
#ifndef ROOST_CORE_SHARD_MEMORY_LEVEL_H_
#define ROOST_CORE_SHARD_MEMORY_LEVEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roost {

enum class MemoryLevel : uint8_t { kPlenty, kSparing, kFull, kShedding };

// Per cent of the limit from which on it is that level.
inline constexpr std::array<uint64_t, 4> kMemoryPercent = {0, 85, 90, 100};
inline constexpr uint64_t kMemoryStayPercent = 5;
// Of a shard's clients that are told BYE in each second of kShedding; one at least.
inline constexpr uint32_t kShedPercent = 2;

// limit 0: none. used 0: not known, so that nothing changes.
constexpr MemoryLevel NextMemoryLevel(MemoryLevel now, uint64_t used, uint64_t limit) {
  if (used == 0 && limit != 0) return now;
  size_t level = 0;
  for (size_t i = 1; limit != 0 && i < kMemoryPercent.size(); ++i) {
    const uint64_t stay = i <= static_cast<size_t>(now) ? kMemoryStayPercent : 0;
    if (used / 100 >= limit / 10'000 * (kMemoryPercent[i] - stay)) level = i;
  }
  return static_cast<MemoryLevel>(level);
}

// As in the log.
constexpr std::string_view MemoryLevelName(MemoryLevel level) {
  constexpr std::array<std::string_view, 4> kNames = {"plenty", "sparing", "full", "shedding"};
  return kNames[static_cast<size_t>(level)];
}

}  // namespace roost

#endif  // ROOST_CORE_SHARD_MEMORY_LEVEL_H_
