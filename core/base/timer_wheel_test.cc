#include "core/base/timer_wheel.h"

#include <map>
#include <optional>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace roost {
namespace {

constexpr int kPlenty = 1 << 30;

// A wheel over a vector of links, with a tick of one nanosecond unless told otherwise.
struct Bench {
  explicit Bench(uint32_t count, uint64_t now_ns = 0, uint64_t tick_ns = 1)
      : cells(count), wheel(now_ns, tick_ns) {}

  auto links() {
    return [this](uint32_t i) -> TimerLinks& { return cells[i]; };
  }
  void Arm(uint32_t index, uint64_t deadline) { wheel.Arm(links(), index, deadline); }
  void Cancel(uint32_t index) { wheel.Cancel(links(), index); }
  std::vector<uint32_t> Advance(uint64_t now, int budget = kPlenty) {
    std::vector<uint32_t> fired;
    wheel.Advance(links(), now, budget, [&](uint32_t index) { fired.push_back(index); });
    return fired;
  }

  std::vector<TimerLinks> cells;
  TimerWheel wheel;
};

using Indexes = std::vector<uint32_t>;

TEST(TimerWheelTest, FiresAtTheDeadlineAndNotBefore) {
  for (const uint64_t start : {uint64_t{0}, uint64_t{255}, uint64_t{65'000}, uint64_t{0xfffffff0},
                               uint64_t{0x123456789abc}}) {
    for (const uint64_t delay : {1u, 2u, 255u, 256u, 257u, 65'535u, 65'536u, 70'000u, 1u << 24,
                                 (1u << 24) + 12'345, (1u << 31) - 1}) {
      Bench bench(1, start);
      bench.Arm(0, start + delay);
      EXPECT_EQ(bench.wheel.DeadlineNs(bench.cells[0]), start + delay);
      EXPECT_LE(bench.wheel.NextDeadlineNs(), start + delay);
      EXPECT_EQ(bench.Advance(start + delay - 1), Indexes{}) << start << "+" << delay;
      EXPECT_TRUE(bench.cells[0].armed());
      EXPECT_EQ(bench.Advance(start + delay), Indexes{0}) << start << "+" << delay;
      EXPECT_FALSE(bench.cells[0].armed());
      EXPECT_EQ(bench.wheel.NextDeadlineNs(), kNever);
    }
  }
}

TEST(TimerWheelTest, DeadlinesAreRoundedUpToATick) {
  Bench bench(2, 0, 10);
  bench.Arm(0, 11);
  bench.Arm(1, 20);
  EXPECT_EQ(bench.wheel.NextDeadlineNs(), 20u);
  EXPECT_EQ(bench.Advance(19), Indexes{});
  EXPECT_EQ(bench.Advance(20).size(), 2u);
}

TEST(TimerWheelTest, WhatIsDueAlreadyFiresAtTheNextTick) {
  Bench bench(1, 1000);
  bench.Arm(0, 5);
  EXPECT_EQ(bench.Advance(1000), Indexes{});
  EXPECT_EQ(bench.Advance(1001), Indexes{0});
}

TEST(TimerWheelTest, ArmingAgainMovesAndNeverCancels) {
  Bench bench(1);
  bench.Arm(0, 100);
  bench.Arm(0, 5000);
  EXPECT_EQ(bench.wheel.size(), 1u);
  EXPECT_EQ(bench.Advance(4999), Indexes{});
  EXPECT_EQ(bench.Advance(5000), Indexes{0});
  bench.Arm(0, 6000);
  bench.Arm(0, kNever);
  EXPECT_EQ(bench.wheel.size(), 0u);
  EXPECT_EQ(bench.Advance(10'000), Indexes{});
}

TEST(TimerWheelTest, FarDeadlinesAreBroughtForwardToTheHorizon) {
  Bench bench(1, 77);
  bench.Arm(0, kNever - 1);
  EXPECT_EQ(bench.Advance(77 + (1ull << 31) - 2), Indexes{});
  EXPECT_EQ(bench.Advance(77 + (1ull << 31) - 1), Indexes{0});
}

TEST(TimerWheelTest, AClockJumpDoesNotMakeEverythingDueInOneTurn) {
  constexpr uint32_t kCount = 10'000;
  Bench bench(kCount);
  Rng rng(1);
  for (uint32_t i = 0; i < kCount; ++i) bench.Arm(i, rng.Between(1, 1 << 28));
  const uint64_t jumped = 1ull << 40;
  size_t fired = 0;
  int turns = 0;
  while (bench.wheel.size() != 0) {
    const size_t now_fired = bench.Advance(jumped, 100).size();
    ASSERT_LE(now_fired, 100u);
    fired += now_fired;
    ++turns;
    if (bench.wheel.size() != 0) {
      ASSERT_LE(bench.wheel.NextDeadlineNs(), jumped);
    }
  }
  EXPECT_EQ(fired, kCount);
  EXPECT_GE(turns, 100);
  EXPECT_LE(turns, 500);  // at most three moves down per timer, and its firing
}

TEST(TimerWheelTest, ClockThatGoesBackIsNoTime) {
  Bench bench(1, 1000);
  bench.Arm(0, 1010);
  EXPECT_EQ(bench.Advance(3), Indexes{});
  EXPECT_EQ(bench.Advance(1010), Indexes{0});
}

TEST(TimerWheelTest, FiringMayArmAndCancelOthersAndItself) {
  Bench bench(3);
  bench.Arm(0, 300);
  bench.Arm(1, 300);
  bench.Arm(2, 300);
  int fired = 0;
  const auto fire = [&](uint32_t index) {
    ++fired;
    for (uint32_t i = 0; i < 3; ++i) bench.Cancel(i);
    bench.Arm(index, 0);
  };
  EXPECT_EQ(bench.wheel.Advance(bench.links(), 300, kPlenty, fire), 1);
  EXPECT_EQ(bench.wheel.Advance(bench.links(), 310, kPlenty, fire), 10);
  EXPECT_EQ(fired, 11);
}

// The wheel against a sorted map, with jumps of all sizes, over the wrap of the 32-bit tick.
TEST(TimerWheelTest, BehavesLikeASortedListOfDeadlines) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Rng rng(seed);
    constexpr uint32_t kCount = 200;
    uint64_t now = seed % 3 == 0 ? 0xffffffffull - rng.Below(100'000) : rng.Below(1ull << 40);
    Bench bench(kCount, now);
    std::map<uint32_t, uint64_t> armed;
    for (int step = 0; step < 2000; ++step) {
      const auto index = static_cast<uint32_t>(rng.Below(kCount));
      const uint64_t range = uint64_t{1} << rng.Below(31);
      switch (rng.Below(4)) {
        case 0:
        case 1:
          armed[index] = now + 1 + rng.Below(range);
          bench.Arm(index, armed[index]);
          break;
        case 2:
          bench.Cancel(index);
          armed.erase(index);
          break;
        case 3: {
          now += rng.Below(rng.Chance(0.05) ? range : 600);
          std::set<uint32_t> expected;
          for (const auto& [i, deadline] : armed) {
            if (deadline <= now) expected.insert(i);
          }
          const auto fired = bench.Advance(now);
          ASSERT_EQ(std::set<uint32_t>(fired.begin(), fired.end()), expected) << seed;
          ASSERT_EQ(fired.size(), expected.size());
          for (uint32_t i : fired) armed.erase(i);
          break;
        }
      }
      ASSERT_EQ(bench.wheel.size(), armed.size());
      uint64_t earliest = kNever;
      for (const auto& [i, deadline] : armed) {
        ASSERT_EQ(bench.wheel.DeadlineNs(bench.cells[i]), deadline);
        earliest = std::min(earliest, deadline);
      }
      ASSERT_LE(bench.wheel.NextDeadlineNs(), earliest);
      ASSERT_EQ(bench.wheel.NextDeadlineNs() == kNever, armed.empty());
      ASSERT_TRUE(armed.empty() || bench.wheel.NextDeadlineNs() > now);
    }
  }
}

TEST(TimersTest, FireGivesTheOwnerAndEndsTheId) {
  Timers timers(0, 1);
  TimerId id = timers.Arm(10, 77);
  ASSERT_NE(id, 0u);
  std::vector<uint64_t> owners;
  const auto fire = [&](uint64_t owner) { owners.push_back(owner); };
  EXPECT_EQ(timers.Advance(9, kPlenty, fire), 0);
  EXPECT_EQ(timers.Advance(10, kPlenty, fire), 1);
  EXPECT_EQ(owners, std::vector<uint64_t>{77});
  EXPECT_FALSE(timers.Rearm(id, 20));
  EXPECT_EQ(timers.size(), 0u);
  timers.Cancel(&id);
  EXPECT_EQ(id, 0u);
}

TEST(TimersTest, CancelClearsTheIdAndRearmMoves) {
  Timers timers(0, 1);
  TimerId a = timers.Arm(10, 1);
  const TimerId b = timers.Arm(10, 2);
  EXPECT_TRUE(timers.Rearm(b, 50));
  timers.Cancel(&a);
  EXPECT_EQ(a, 0u);
  std::vector<uint64_t> owners;
  const auto fire = [&](uint64_t owner) { owners.push_back(owner); };
  timers.Advance(49, kPlenty, fire);
  EXPECT_TRUE(owners.empty());
  timers.Advance(50, kPlenty, fire);
  EXPECT_EQ(owners, std::vector<uint64_t>{2});
  EXPECT_EQ(timers.NextDeadlineNs(), kNever);
}

TEST(TimersTest, ADeadIdDoesNothingToTheNextUserOfItsNode) {
  Timers timers(0, 1);
  TimerId old = timers.Arm(10, 1);
  TimerId copy = old;
  timers.Cancel(&old);
  const TimerId fresh = timers.Arm(10, 2);
  EXPECT_NE(copy, fresh);
  timers.Cancel(&copy);
  EXPECT_EQ(timers.size(), 1u);
}

}  // namespace
}  // namespace roost
