#include "core/base/life.h"

#include <memory>
#include <utility>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(Life, IsWatchedUntilItEnds) {
  auto life = std::make_unique<Life>();
  const Life::Watch watch = life->watch();
  const Life::Watch copy = watch;  // NOLINT: that is what is tested
  EXPECT_FALSE(watch.expired());
  EXPECT_FALSE(copy.expired());
  life.reset();
  EXPECT_TRUE(watch.expired());
  EXPECT_TRUE(copy.expired());
}

TEST(Life, MayBeWatchedAgainAfterTheLastWatchIsGone) {
  Life life;
  { const Life::Watch first = life.watch(); }
  const Life::Watch second = life.watch();
  EXPECT_FALSE(second.expired());
}

TEST(Life, WatchesOfNothingAreExpired) {
  EXPECT_TRUE(Life::Watch().expired());
  Life life;
  Life::Watch watch = life.watch();
  const Life::Watch moved = std::move(watch);
  EXPECT_FALSE(moved.expired());
  EXPECT_TRUE(watch.expired());  // NOLINT: that is what is tested
}

}  // namespace
}  // namespace roost
