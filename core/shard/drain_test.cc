#include "core/shard/drain.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/clock.h"

namespace roost {
namespace {

constexpr uint64_t kStart = 1000 * kNsPerSecond;

TEST(DrainPlan, KeepsWithinItsTime) {
  const DrainPlan plan = DrainPlan::Make(kStart, 600, 5);
  EXPECT_EQ(plan.accepting_ns, kStart + SecondsToNs(5));
  EXPECT_EQ(plan.end_ns, kStart + SecondsToNs(600));
  EXPECT_EQ(plan.told_ns, kStart + SecondsToNs(570));
}

TEST(DrainPlan, AcceptsForHalfOfAShortTimeAtMost) {
  const DrainPlan plan = DrainPlan::Make(kStart, 4, 5);
  EXPECT_EQ(plan.accepting_ns, kStart + SecondsToNs(2));
  EXPECT_EQ(plan.told_ns, kStart + MsToNs(3800));
  EXPECT_EQ(plan.end_ns, kStart + SecondsToNs(4));
}

TEST(DrainPlan, MayBeAtOnce) {
  const DrainPlan plan = DrainPlan::Make(kStart, 0, 5);
  EXPECT_EQ(plan.accepting_ns, kStart);
  EXPECT_EQ(plan.end_ns, kStart);
}

// Who are told in each second of the plan, when it is asked each `step_ns`.
std::vector<uint32_t> ToldBySecond(const DrainPlan& plan, uint32_t clients, uint64_t step_ns) {
  DrainPace pace(plan, 7);
  std::vector<uint32_t> told((plan.end_ns - kStart) / kNsPerSecond + 1);
  for (uint64_t now = kStart; now <= plan.end_ns; now += step_ns) {
    const uint32_t due = pace.Take(now, clients);
    EXPECT_LE(due, clients);
    EXPECT_LE(due, DrainPace::kPerTurn);
    EXPECT_TRUE(now >= plan.accepting_ns || due == 0);
    clients -= due;
    told[(now - kStart) / kNsPerSecond] += due;
  }
  EXPECT_EQ(clients, 0u);
  return told;
}

TEST(DrainPace, SpreadsClientsEvenly) {
  const DrainPlan plan = DrainPlan::Make(kStart, 105, 5);
  const std::vector<uint32_t> told = ToldBySecond(plan, 9500, MsToNs(10));
  for (size_t second = 6; second < 94; ++second) {
    EXPECT_NEAR(told[second], 100, 15) << second;
  }
  for (size_t second = 96; second < told.size(); ++second) EXPECT_EQ(told[second], 0u) << second;
}

TEST(DrainPace, DoesNotTickLikeAClock) {
  const DrainPlan plan = DrainPlan::Make(kStart, 100, 0);
  DrainPace pace(plan, 7);
  std::vector<uint64_t> pauses;
  uint64_t now = kStart;
  for (uint32_t left = 90; left > 0; --left) {
    ASSERT_EQ(pace.Take(now, left), 1u);
    pauses.push_back(pace.NextNs() - now);
    now = pace.NextNs();
  }
  uint64_t shortest = kNever, longest = 0;
  for (size_t i = 0; i + 10 < pauses.size(); ++i) {
    shortest = std::min(shortest, pauses[i]);
    longest = std::max(longest, pauses[i]);
  }
  EXPECT_LT(shortest, MsToNs(700));
  EXPECT_GT(longest, MsToNs(1300));
  EXPECT_LE(now, plan.told_ns);
}

TEST(DrainPace, CatchesUpWhenItsTurnsWereLateABatchAtATime) {
  const DrainPlan plan = DrainPlan::Make(kStart, 10, 0);
  DrainPace pace(plan, 7);
  uint32_t left = 100'000;
  const uint64_t now = kStart + SecondsToNs(5);
  EXPECT_EQ(pace.Take(now, left), DrainPace::kPerTurn);
  EXPECT_LE(pace.NextNs(), now);
}

TEST(DrainPace, HasAPlaceForWhoeverComesLater) {
  const DrainPlan plan = DrainPlan::Make(kStart, 10, 0);
  DrainPace pace(plan, 7);
  EXPECT_EQ(pace.Take(kStart, 0), 0u);
  EXPECT_EQ(pace.Take(plan.told_ns + 1, 3), 3u);
}

}  // namespace
}  // namespace roost
