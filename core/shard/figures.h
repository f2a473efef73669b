// What a shard tells of itself: counts and sums, no names of users or mailboxes.
//
// Pure values. kFigures names those that are one number each, once for all who show them.
#ifndef ROOST_CORE_SHARD_FIGURES_H_
#define ROOST_CORE_SHARD_FIGURES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/client/services.h"
#include "core/io/io.h"
#include "core/park/feeds.h"
#include "core/store/dialer.h"
#include "core/stream/stream.h"

namespace roost {

// Bytes, as the allocator counts.
struct MemoryFigures {
  uint64_t cells = 0;  // of clients, mapped: those that are free included
  uint64_t users = 0;
  uint64_t feeds = 0;     // with their drivers and hashes of flags
  uint64_t sessions = 0;  // of feeds
  uint64_t views = 0;     // heap of feeds' and their sessions'; small ones have none
  uint64_t logs = 0;
};

// A moment's figures of one shard; what is found by a walk (survey.h), of several turns.
struct ShardFigures {
  uint64_t clients = 0;
  uint64_t entering = 0, attached = 0, parked = 0, asleep = 0, idling = 0;  // by a walk
  uint64_t users = 0;
  uint64_t draining = 0;    // 1: it is
  uint64_t listeners = 0;   // open
  uint64_t log_events = 0;  // by a walk
  // By a walk; by their driver.
  uint64_t feeds_idling = 0, feeds_notified = 0, feeds_polling = 0, feeds_without = 0;
  DialerStats sessions;
  std::vector<DialerStats> stores;  // the same, by StoreIndex
  FeedStats feeds;
  ClientStats client_stats;
  LookupStats lookups;
  StreamStats streams;
  IoStats io;
  MemoryFigures memory;  // feeds, sessions, views and logs by a walk

  ShardFigures& operator+=(const ShardFigures& other);
};

struct FigureName {
  const char* name;
  uint64_t& (*of)(ShardFigures&);
};

// In the order in which they are shown.
std::span<const FigureName> FigureNames();

}  // namespace roost

#endif  // ROOST_CORE_SHARD_FIGURES_H_
