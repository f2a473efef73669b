#include "core/shard/survey.h"

#include <atomic>
#include <thread>

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

TEST(SurveyOfAll, HasNoAnswerUnlessAllHave) {
  const auto all = std::make_shared<SurveyOfAll>(2);
  ScriptedWorld world;
  ShardJobs jobs;
  jobs.Open();
  EXPECT_TRUE(jobs.Post(SurveyOfAll::Part(all, 0)));
  while (jobs.Step(world.shard()) != ShardJob::Progress::kDone) {
  }
  EXPECT_TRUE(all->Await(0).empty());
  EXPECT_TRUE(jobs.Post(SurveyOfAll::Part(all, 1)));
  while (jobs.Step(world.shard()) != ShardJob::Progress::kDone) {
  }
  EXPECT_EQ(all->Await(0).size(), 2u);
}

TEST(SurveyOfAll, HasNoneWhenAShardEnds) {
  ScriptedWorld world;
  ShardJobs jobs;
  const auto never = std::make_shared<SurveyOfAll>(1);
  EXPECT_FALSE(jobs.Post(SurveyOfAll::Part(never, 0))) << "not begun yet";
  EXPECT_TRUE(never->Await(UINT32_MAX).empty());
  jobs.Open();
  const auto begun = std::make_shared<SurveyOfAll>(1);
  jobs.Post(SurveyOfAll::Part(begun, 0));
  jobs.Step(world.shard());
  const auto posted = std::make_shared<SurveyOfAll>(1);
  jobs.Post(SurveyOfAll::Part(posted, 0));
  jobs.Close();
  EXPECT_TRUE(begun->Await(UINT32_MAX).empty());
  EXPECT_TRUE(posted->Await(UINT32_MAX).empty());
}

class Counting final : public ShardJob {
 public:
  explicit Counting(Progress progress) : progress_(progress) {}
  Progress Step(Shard&) override {
    ++steps;
    return steps < 3 ? progress_ : Progress::kDone;
  }
  void Drop() override { dropped = true; }
  int steps = 0;
  bool dropped = false;

 private:
  const Progress progress_;
};

TEST(ShardJobs, StepsEachInTurnAndTellsWhetherToHurry) {
  ScriptedWorld world;
  ShardJobs jobs;
  jobs.Open();
  const auto slow = std::make_shared<Counting>(ShardJob::Progress::kWaits);
  const auto quick = std::make_shared<Counting>(ShardJob::Progress::kMore);
  jobs.Post(slow);
  EXPECT_EQ(jobs.Step(world.shard()), ShardJob::Progress::kWaits);
  jobs.Post(quick);
  EXPECT_EQ(jobs.Step(world.shard()), ShardJob::Progress::kMore);
  EXPECT_EQ(jobs.Step(world.shard()), ShardJob::Progress::kMore);
  EXPECT_EQ(slow->steps, 3);
  EXPECT_EQ(jobs.Step(world.shard()), ShardJob::Progress::kDone);
  EXPECT_EQ(quick->steps, 3);
  jobs.Close();
  EXPECT_FALSE(quick->dropped);
}

}  // namespace
}  // namespace roost
