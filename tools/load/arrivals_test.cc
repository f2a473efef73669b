#include "tools/load/arrivals.h"

#include <set>

#include <gtest/gtest.h>

namespace roost::load {
namespace {

constexpr RetryPolicy kPolicy{.first_ns = SecondsToNs(1), .longest_ns = SecondsToNs(10), .most = 6};

TEST(Arrivals, ComeInOrderAtTheirRate) {
  Arrivals arrivals(10, kPolicy);
  for (uint32_t i = 0; i < 5; ++i) arrivals.Add(i);
  arrivals.Begin(SecondsToNs(1));
  Visit visit;
  ASSERT_TRUE(arrivals.Next(SecondsToNs(1), &visit));
  EXPECT_FALSE(arrivals.Next(SecondsToNs(1) + MsToNs(99), &visit));
  // Nobody had time for them: they were due all the same.
  for (uint32_t i = 1; i < 4; ++i) {
    ASSERT_TRUE(arrivals.Next(SecondsToNs(9), &visit));
    EXPECT_EQ(visit.client, i);
    EXPECT_EQ(visit.first_ns, SecondsToNs(1) + MsToNs(100) * i);
  }
  EXPECT_EQ(arrivals.Forget(), 1u);
  EXPECT_FALSE(arrivals.Next(SecondsToNs(9), &visit));
}

TEST(Arrivals, WithoutARateAllAreDueAtOnce) {
  Arrivals arrivals(0, kPolicy);
  for (uint32_t i = 0; i < 2; ++i) arrivals.Add(i);
  arrivals.Begin(SecondsToNs(1));
  Visit visit;
  for (uint32_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(arrivals.Next(SecondsToNs(i), &visit));
    EXPECT_EQ(visit.first_ns, SecondsToNs(1));
  }
}

TEST(Arrivals, ThoseWhoReturnGoFirstTheEarliestOfAll) {
  Arrivals arrivals(0, kPolicy);
  arrivals.Add(1);
  arrivals.Begin(0);
  arrivals.Return(8, Visit::Why::kStorm, SecondsToNs(3));
  arrivals.Return(9, Visit::Why::kHabit, SecondsToNs(2));
  Visit visit;
  ASSERT_TRUE(arrivals.Next(SecondsToNs(4), &visit));
  EXPECT_EQ(visit.client, 9u);
  EXPECT_EQ(visit.why, Visit::Why::kHabit);
  ASSERT_TRUE(arrivals.Next(SecondsToNs(4), &visit));
  EXPECT_EQ(visit.client, 8u);
  EXPECT_EQ(visit.first_ns, SecondsToNs(3));
  ASSERT_TRUE(arrivals.Next(SecondsToNs(4), &visit));
  EXPECT_EQ(visit.client, 1u);
  EXPECT_FALSE(arrivals.Next(kNever, &visit));
}

TEST(Arrivals, ARetryIsTheSameVisit) {
  Arrivals arrivals(0, kPolicy);
  arrivals.Begin(0);
  arrivals.Return(3, Visit::Why::kStorm, 5);
  Visit visit;
  uint64_t now = 5;
  for (uint32_t tries = 0; tries < kPolicy.most; ++tries) {
    ASSERT_TRUE(arrivals.Next(now, &visit));
    EXPECT_EQ(visit.tries, tries);
    EXPECT_EQ(visit.first_ns, 5u);
    ASSERT_TRUE(arrivals.Retry(visit, now));
    Visit none;
    EXPECT_FALSE(arrivals.Next(now, &none));
    now += SecondsToNs(10);
  }
  ASSERT_TRUE(arrivals.Next(now, &visit));
  EXPECT_FALSE(arrivals.Retry(visit, now));
}

TEST(Arrivals, WaitsDoubleUpToABoundAndAreSpreadOverTheirSecondHalf) {
  const uint64_t expected_s[] = {1, 2, 4, 8, 10, 10, 10};
  for (uint32_t tries = 1; tries <= 7; ++tries) {
    const uint64_t most = SecondsToNs(expected_s[tries - 1]);
    std::set<uint64_t> tenths;
    for (uint32_t client = 0; client < 1000; ++client) {
      const uint64_t delay = kPolicy.Delay(client, tries);
      EXPECT_GE(delay, most / 2);
      EXPECT_LE(delay, most);
      tenths.insert((delay - most / 2) * 10 / (most / 2 + 1));
    }
    EXPECT_EQ(tenths.size(), 10u) << tries;
  }
  EXPECT_LE(kPolicy.Delay(1, 4'000'000'000u), SecondsToNs(10));
}

}  // namespace
}  // namespace roost::load
