#include "core/shard/survey.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

TEST(Survey, TakesClientsAndFeedsInSlices) {
  ScriptedWorld world;
  for (uint32_t i = 0; i < Survey::kCellsPerStep + 1; ++i) world.Connect();
  Survey survey;
  int steps = 1;
  while (!survey.Step(world.shard())) ++steps;
  EXPECT_EQ(steps, 3);  // two of clients, one of feeds
  EXPECT_EQ(survey.figures().entering, Survey::kCellsPerStep + 1);
  EXPECT_EQ(survey.figures().clients, Survey::kCellsPerStep + 1);
}

TEST(Survey, CountsFeedsByWhatTheirDriverHears) {
  ScriptedWorld world;
  world.LogInAndPark({1, 2});
  const ShardFigures f = world.figures();
  EXPECT_EQ(f.feeds_idling, 1u);
  EXPECT_EQ(f.feeds_polling, 0u);
  EXPECT_EQ(f.feeds_without, 0u);
  EXPECT_GT(f.memory.feeds, 200u);
  EXPECT_GT(f.memory.users, 100u);
}

TEST(Survey, MayBeLeftInTheMiddle) {
  ScriptedWorld world;
  world.LogInAndPark({1});
  {
    Survey survey;
    EXPECT_FALSE(survey.Step(world.shard()));
  }
  EXPECT_EQ(world.figures().parked, 1u);
}

}  // namespace
}  // namespace roost
