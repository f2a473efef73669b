#include "core/shard/memory_watch.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

using enum MemoryLevel;

class MemoryWatchTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kPercent = 10 << 20;
  static constexpr uint64_t kLimit = 100 * kPercent;

  MemoryLevel Step(uint64_t second, uint64_t limit = kLimit) {
    seen_ = watch_.Step(
        SecondsToNs(second), limit,
        [this] {
          ++looks_;
          return used_;
        },
        [this] {
          ++purges_;
          used_ -= free_;
          free_ = 0;
        });
    return seen_.level;
  }

  MemoryWatch watch_;
  MemoryWatch::Seen seen_;
  uint64_t used_ = 0, free_ = 0;
  int looks_ = 0, purges_ = 0;
};

TEST_F(MemoryWatchTest, LooksOnceASecondAndNotWithoutALimit) {
  used_ = 50 * kPercent;
  EXPECT_EQ(Step(100), kPlenty);
  EXPECT_EQ(Step(100), kPlenty);
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(Step(101), kPlenty);
  EXPECT_EQ(looks_, 2);
  EXPECT_EQ(Step(102, 0), kPlenty);
  EXPECT_EQ(looks_, 2);
  EXPECT_EQ(purges_, 0);
}

TEST_F(MemoryWatchTest, CountsWhatIsFreeForNothing) {
  used_ = 120 * kPercent;
  free_ = 60 * kPercent;
  EXPECT_EQ(Step(100), kPlenty);
  EXPECT_EQ(purges_, 1);
  EXPECT_FALSE(seen_.sheds);
  EXPECT_EQ(seen_.used, 60 * kPercent);
}

TEST_F(MemoryWatchTest, GivesBackOnceInAWhileOnly) {
  used_ = 87 * kPercent;
  free_ = 5 * kPercent;
  EXPECT_EQ(Step(100), kPlenty);
  used_ = 87 * kPercent;
  for (uint64_t second = 101; second < 110; ++second) {
    EXPECT_EQ(Step(second), kPlenty) << "what is free might be as much";
  }
  EXPECT_EQ(purges_, 1);
  EXPECT_EQ(Step(110), kSparing);
  EXPECT_EQ(purges_, 2);
}

TEST_F(MemoryWatchTest, GivesBackAtOnceBeforeAnybodyIsTurnedAway) {
  used_ = 87 * kPercent;
  EXPECT_EQ(Step(100), kSparing);
  used_ = 91 * kPercent;
  EXPECT_EQ(Step(101), kFull);
  EXPECT_EQ(purges_, 2);
  EXPECT_EQ(Step(102), kFull);
  EXPECT_EQ(purges_, 2) << "those who are turned away are already";
  used_ = 101 * kPercent;
  for (uint64_t second = 103; second < 106; ++second) {
    EXPECT_EQ(Step(second), kShedding);
    EXPECT_TRUE(seen_.sheds);
  }
  EXPECT_EQ(purges_, 5);
}

TEST_F(MemoryWatchTest, ShedsOnceForEachLookThatTellsSomething) {
  used_ = 101 * kPercent;
  EXPECT_EQ(Step(100), kShedding);
  EXPECT_TRUE(seen_.sheds);
  EXPECT_EQ(Step(100), kShedding);
  EXPECT_FALSE(seen_.sheds);
  used_ = 0;  // not known
  EXPECT_EQ(Step(101), kShedding);
  EXPECT_FALSE(seen_.sheds);
  used_ = 50 * kPercent;
  EXPECT_EQ(Step(102), kPlenty);
  EXPECT_FALSE(seen_.sheds);
}

TEST_F(MemoryWatchTest, IsPlentyAgainOnceTheLimitIsGone) {
  used_ = 101 * kPercent;
  EXPECT_EQ(Step(100), kShedding);
  EXPECT_EQ(Step(101, 0), kPlenty);
  EXPECT_FALSE(seen_.sheds);
}

}  // namespace
}  // namespace roost
