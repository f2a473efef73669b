#include "core/store/dialer.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

TEST(Dialer, LetsALoginWaitWhileTheUserHasAllItsSessions) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions_per_user = 2;
  world.LogIn();
  world.LogIn();
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN ann secret");
  world.HearsNothing(third, 1);
  EXPECT_EQ(world.figures().sessions.waiting, 1u);
  const size_t other = world.LogIn("bob");  // holds up nobody else
  EXPECT_FALSE(world.closed(other));
  world.Cut(0);
  world.HearsBeginning(third, "l OK");
  EXPECT_EQ(world.figures().sessions.open, 3u);
}

TEST(Dialer, RefusesWhoWaitedTooLong) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions_per_user = 2;
  world.config().stores[0].queue_s = 3;
  world.LogIn();
  world.LogIn();
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN ann secret");
  world.HearsNothing(third, 2);
  world.HearsBeginning(third, "l NO [LIMIT]");
  EXPECT_EQ(world.figures().sessions.refused, 1u);
  EXPECT_EQ(world.figures().sessions.waiting, 0u);
}

TEST(Dialer, RefusesTheNewestWhenTheQueueIsFull) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.config().stores[0].queue_max = 1;
  world.LogIn("ann");
  const size_t second = world.Connect();
  world.Say(second, "l LOGIN bob secret");
  world.HearsNothing(second, 0.5);
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN eve secret");
  world.HearsBeginning(third, "l NO [LIMIT]");
  world.Cut(0);
  world.HearsBeginning(second, "l OK");
}

TEST(Dialer, PushesOutTheNewestOfTheLongestLineWhenTheQueueIsFull) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.config().stores[0].queue_max = 3;
  world.LogIn("ann");
  std::vector<size_t> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(world.Connect());
    world.Say(greedy.back(), "l LOGIN bob secret");
    world.Pass(0.1);
  }
  const size_t modest = world.Connect();
  world.Say(modest, "l LOGIN eve secret");
  world.HearsBeginning(greedy[2], "l NO [LIMIT]");
  world.HearsNothing(greedy[1], 0.2);
  world.HearsNothing(modest, 0.2);
  EXPECT_EQ(world.figures().sessions.waiting, 3u);
}

TEST(Dialer, ServesUserByUserWhateverEachAsksFor) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  std::vector<size_t> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(world.Connect());
    world.Say(greedy.back(), "l LOGIN bob secret");
  }
  const size_t modest = world.Connect();
  world.Say(modest, "l LOGIN eve secret");
  world.HearsNothing(modest, 0.5);
  world.Cut(0);
  world.HearsBeginning(greedy[0], "l OK");
  world.Cut(1);
  world.HearsBeginning(modest, "l OK");  // before bob's second
  world.HearsNothing(greedy[1], 0.5);
}

TEST(Dialer, ClosesAnUnusedSessionForOneThatIsNeeded) {
  ScriptedWorld world;
  world.config().parking.pool_keep_s = 600;
  world.config().parking.quiet_park_s = 5;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  world.Pass(7);  // parked with nothing selected: its session is kept for the next wake
  EXPECT_EQ(world.figures().parked, 1u);
  EXPECT_EQ(world.sessions_open(), 1u);
  world.LogIn("bob");
  EXPECT_EQ(world.figures().sessions.open, 1u);
}

TEST(Dialer, GivesThePlaceOfWhoLeftToTheNext) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  const size_t second = world.Connect();
  world.Say(second, "l LOGIN bob secret");
  world.Pass(0.5);
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN eve secret");
  world.Pass(0.5);
  world.Hang(second);
  world.Pass(0.5);
  world.Cut(0);
  world.HearsBeginning(third, "l OK");
}

}  // namespace
}  // namespace roost
