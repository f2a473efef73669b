#include "tools/load/progress.h"

#include <gtest/gtest.h>

#include "tools/load/series.h"

namespace roost::load {
namespace {

TEST(Progress, TellsPhaseCountsRateAndTimeLeft) {
  ProgressLine line;
  ProgressState state{.phase = RunPhase::kRamp, .seconds = 0, .idle = 0, .clients = 1000};
  EXPECT_EQ(line.Tell(state), "   0 s  ramp     0 of 1000 idle, 0 of 0 messages, 0 of 0 events");
  state.seconds = 2, state.idle = 200;
  EXPECT_EQ(line.Tell(state),
            "   2 s  ramp     200 of 1000 idle, 0 of 0 messages, 0 of 0 events, 100/s, 8 s left");
}

TEST(Progress, TheRateIsThatOfTheLastSecondsOfThisPhase) {
  ProgressLine line;
  ProgressState state{.phase = RunPhase::kRamp, .clients = 100'000};
  // 1,000 a second for ten seconds, then nothing more.
  for (int s = 0; s <= 10; ++s) {
    state.seconds = s, state.idle = static_cast<uint64_t>(s) * 1000;
    line.Tell(state);
  }
  EXPECT_NE(line.Tell(state).find(", 1000/s, 90 s left"), std::string::npos);
  for (int s = 11; s <= 14; ++s) {
    state.seconds = s;
    line.Tell(state);
  }
  EXPECT_EQ(line.Tell(state).find("/s"), std::string::npos);
  state.phase = RunPhase::kDeliver;
  state.seconds = 20, state.deliveries = 50, state.ordered = 100;
  EXPECT_EQ(line.Tell(state).find("/s"), std::string::npos);  // one look is no rate
  state.seconds = 21, state.deliveries = 60;
  EXPECT_NE(line.Tell(state).find(", 10/s, 4 s left"), std::string::npos);
}

TEST(Series, KeepsTheWholeRunInABoundedNumberOfPoints) {
  Series series;
  for (int i = 0; i < 1'000'000; ++i) {
    series.Add({.seconds = i * 0.02, .idle = static_cast<uint64_t>(i)});
  }
  const auto& points = series.points();
  ASSERT_LT(points.size(), Series::kMostPoints);
  ASSERT_GE(points.size(), Series::kMostPoints / 3);
  EXPECT_EQ(points.front().idle, 0u);
  EXPECT_GT(points.back().seconds, 19'900);
  const double step = points[1].seconds - points[0].seconds;
  for (size_t i = 1; i < points.size(); ++i) {
    EXPECT_NEAR(points[i].seconds - points[i - 1].seconds, step, step / 4) << i;
  }
}

}  // namespace
}  // namespace roost::load
