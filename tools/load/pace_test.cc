#include "tools/load/pace.h"

#include <gtest/gtest.h>

namespace roost::load {
namespace {

TEST(Pace, WhatIsDoneLateWasDueWhenItWasDue) {
  Pace pace(1000);
  pace.Begin(SecondsToNs(5));
  EXPECT_EQ(pace.Take(SecondsToNs(5)), SecondsToNs(5));
  EXPECT_FALSE(pace.Due(SecondsToNs(5) + MsToNs(1) - 1));
  // Nobody came for a second: all of these were due in it.
  const uint64_t now = SecondsToNs(6);
  for (uint64_t i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(pace.Due(now)) << i;
    EXPECT_EQ(pace.Take(now), SecondsToNs(5) + MsToNs(i));
  }
  EXPECT_FALSE(pace.Due(now));
}

TEST(Pace, ARateThatDividesNothingEvenlyDoesNotDrift) {
  Pace pace(7);
  pace.Begin(0);
  uint64_t last = 0;
  for (int i = 0; i <= 7'000'000; ++i) last = pace.Take(kNever);
  EXPECT_NEAR(static_cast<double>(last), 1e6 * kNsPerSecond, 1000);
}

TEST(Pace, AfterNothingWasToDoThereIsNoDebt) {
  Pace pace(10);
  pace.Begin(SecondsToNs(1));
  pace.Take(SecondsToNs(1));
  pace.Begin(SecondsToNs(1));  // at once again: not before the rate allows it
  EXPECT_EQ(pace.next_ns(), SecondsToNs(1) + MsToNs(100));
  pace.Begin(SecondsToNs(9));
  EXPECT_EQ(pace.Take(SecondsToNs(9)), SecondsToNs(9));
  EXPECT_FALSE(pace.Due(SecondsToNs(9)));
}

TEST(Pace, WithoutARateEverythingIsDueNow) {
  Pace pace(0);
  pace.Begin(5);
  for (uint64_t now : {7u, 7u, 8u}) {
    EXPECT_TRUE(pace.Due(now));
    EXPECT_EQ(pace.Take(now), now);
  }
}

}  // namespace
}  // namespace roost::load
