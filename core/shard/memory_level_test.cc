#include "core/shard/memory_level.h"

#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

constexpr uint64_t kLimit = uint64_t{1} << 31;
constexpr uint64_t kPercent = kLimit / 100;

using enum MemoryLevel;

TEST(MemoryLevel, IsPlentyWithoutALimit) {
  EXPECT_EQ(NextMemoryLevel(kPlenty, UINT64_MAX, 0), kPlenty);
  EXPECT_EQ(NextMemoryLevel(kShedding, UINT64_MAX, 0), kPlenty);
}

// What it was: a look that failed was taken for plenty.
TEST(MemoryLevel, StaysWhileItIsNotKnownHowMuchIsUsed) {
  for (const MemoryLevel now : {kPlenty, kSparing, kFull, kShedding}) {
    EXPECT_EQ(NextMemoryLevel(now, 0, kLimit), now);
    EXPECT_EQ(NextMemoryLevel(now, 0, 0), kPlenty);
  }
}

TEST(MemoryLevel, RisesAtItsThresholds) {
  EXPECT_EQ(NextMemoryLevel(kPlenty, kPercent, kLimit), kPlenty);
  EXPECT_EQ(NextMemoryLevel(kPlenty, 84 * kPercent, kLimit), kPlenty);
  EXPECT_EQ(NextMemoryLevel(kPlenty, 86 * kPercent, kLimit), kSparing);
  EXPECT_EQ(NextMemoryLevel(kSparing, 89 * kPercent, kLimit), kSparing);
  EXPECT_EQ(NextMemoryLevel(kSparing, 91 * kPercent, kLimit), kFull);
  EXPECT_EQ(NextMemoryLevel(kFull, 99 * kPercent, kLimit), kFull);
  EXPECT_EQ(NextMemoryLevel(kFull, kLimit, kLimit), kShedding);
  EXPECT_EQ(NextMemoryLevel(kPlenty, 3 * kLimit, kLimit), kShedding);
}

TEST(MemoryLevel, FallsOnlyWhenThereIsRoomAgain) {
  EXPECT_EQ(NextMemoryLevel(kShedding, 96 * kPercent, kLimit), kShedding);
  EXPECT_EQ(NextMemoryLevel(kShedding, 94 * kPercent, kLimit), kFull);
  EXPECT_EQ(NextMemoryLevel(kFull, 86 * kPercent, kLimit), kFull);
  EXPECT_EQ(NextMemoryLevel(kFull, 84 * kPercent, kLimit), kSparing);
  EXPECT_EQ(NextMemoryLevel(kSparing, 81 * kPercent, kLimit), kSparing);
  EXPECT_EQ(NextMemoryLevel(kSparing, 79 * kPercent, kLimit), kPlenty);
  EXPECT_EQ(NextMemoryLevel(kShedding, 10 * kPercent, kLimit), kPlenty);
}

// Whatever the level was, use that does not change settles in one step.
TEST(MemoryLevel, DoesNotFlap) {
  for (uint64_t percent = 1; percent < 120; ++percent) {
    for (const MemoryLevel before : {kPlenty, kSparing, kFull, kShedding}) {
      const MemoryLevel once = NextMemoryLevel(before, percent * kPercent, kLimit);
      EXPECT_EQ(NextMemoryLevel(once, percent * kPercent, kLimit), once) << percent;
    }
  }
}

}  // namespace
}  // namespace roost
