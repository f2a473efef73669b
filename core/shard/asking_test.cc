#include "core/shard/asking.h"

#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

bool AtOnce(uint32_t, Shard&) { return true; }
bool Never(uint32_t, Shard&) { return false; }

TEST(Asking, IsOverOnceAllHaveDoneIt) {
  ScriptedWorld world;
  ShardJobs jobs;
  jobs.Open();
  int steps = 0;
  const auto all = std::make_shared<Asking>([&](uint32_t, Shard&) { return ++steps > 2; }, 2);
  EXPECT_TRUE(jobs.Post(Asking::Part(all, 0)));
  while (jobs.Step(world.shard()) != ShardJob::Progress::kDone) {
  }
  EXPECT_EQ(steps, 3);
  EXPECT_FALSE(all->Await(0));
  EXPECT_TRUE(jobs.Post(Asking::Part(all, 1)));
  EXPECT_EQ(jobs.Step(world.shard()), ShardJob::Progress::kDone);
  EXPECT_TRUE(all->Await());
}

TEST(Asking, FailsWhereAShardDoesNotRunOrEnds) {
  ScriptedWorld world;
  ShardJobs jobs;
  const auto never = std::make_shared<Asking>(AtOnce, 1);
  EXPECT_FALSE(jobs.Post(Asking::Part(never, 0))) << "not begun yet";
  EXPECT_FALSE(never->Await());
  jobs.Open();
  const auto begun = std::make_shared<Asking>(Never, 1);
  jobs.Post(Asking::Part(begun, 0));
  jobs.Step(world.shard());
  const auto posted = std::make_shared<Asking>(AtOnce, 1);
  jobs.Post(Asking::Part(posted, 0));
  jobs.Close();
  EXPECT_FALSE(begun->Await());
  EXPECT_FALSE(posted->Await());
}

TEST(Asking, HasWhatIsDroppedLetGoOfAndNothingThatWasDone) {
  ScriptedWorld world;
  ShardJobs jobs;
  jobs.Open();
  std::vector<uint32_t> dropped;
  const auto all = std::make_shared<Asking>([](uint32_t index, Shard&) { return index == 0; }, 3,
                                            [&](uint32_t index) { dropped.push_back(index); });
  for (const uint32_t index : {0, 1}) jobs.Post(Asking::Part(all, index));
  jobs.Step(world.shard());
  jobs.Post(Asking::Part(all, 2));
  jobs.Close();
  EXPECT_EQ(dropped, (std::vector<uint32_t>{2, 1}));
  EXPECT_FALSE(all->Await());
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
