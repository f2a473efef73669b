#include "core/client/parking_switches.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

Config TwoStores() {
  Config config;
  config.stores.resize(2);
  config.stores[0].name = "a";
  config.stores[1].name = "b";
  return config;
}

TEST(ParkingSwitches, LetsEverybodyParkUnlessTold) {
  const ParkingSwitches switches(TwoStores());
  EXPECT_TRUE(switches.Allow(0, "ann", "Phone"));
  EXPECT_TRUE(switches.Allow(1, "ann", ""));
}

TEST(ParkingSwitches, AreForAllForAStoreForAUserAndForAKindOfClient) {
  Config config = TwoStores();
  config.stores[1].parking = false;
  config.parking.except_users = {"ann"};
  config.parking.except_clients = {"mac OS X"};
  const ParkingSwitches switches(config);
  EXPECT_FALSE(switches.Allow(1, "bob", ""));
  EXPECT_FALSE(switches.Allow(0, "ann", ""));
  EXPECT_TRUE(switches.Allow(0, "Ann", ""));  // names are the exact bytes
  EXPECT_FALSE(switches.Allow(0, "bob", "Mac OS X Mail"));
  EXPECT_TRUE(switches.Allow(0, "bob", "Thunderbird"));
  config.parking.enabled = false;
  EXPECT_FALSE(ParkingSwitches(config).Allow(0, "bob", "Thunderbird"));
}

TEST(ParkingSwitches, KnowAClientByWhatItSaidWhileItWasParked) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1, 2}});
  const std::string idle = world.ParkFirst(client, 0, {1, 2});
  world.Say(client, "DONE");
  world.HearUntil(client, "i");
  world.config().parking.except_clients = {"phone"};
  world.TakeSwitches();
  world.Say(client, "d ID (\"name\" \"Phone 3\")");
  world.HearUntil(client, "d");
  world.Say(client, "u UID FETCH 1 (FLAGS)");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, idle + " OK done");
  EXPECT_EQ(world.NextAsked(0), "u UID FETCH 1 (FLAGS)");
  world.Tell(0, "u OK done");
  world.HearUntil(client, "u");
  world.StartIdle(client, "j");
  world.Asked(0, "IDLE");
}

// What it was told of flags is then the last that it knows for sure (RFC 7162, 3.2).
TEST(ParkingSwitches, LeaveTheModseqOfTheStoresAnswerToIdle) {
  ScriptedWorld world;
  world.config().parking.enabled = false;
  world.TakeSwitches();
  const size_t client = world.LogIn();
  world.Enable(client, 0, "CONDSTORE");
  world.Select(client, 0, {.uids = {1, 2}});
  const auto idle_hears = [&](const std::string& answer) {
    world.StartIdle(client);
    const std::string tag = world.Asked(0, "IDLE");
    world.Tell(0, "+ idling");
    world.Tell(0, "* 2 FETCH (UID 2 MODSEQ (9) FLAGS ())");
    EXPECT_EQ(world.Hear(client), "* 2 FETCH (UID 2 MODSEQ (9) FLAGS ())");
    world.Say(client, "DONE");
    EXPECT_EQ(world.NextAsked(0), "DONE");
    world.Tell(0, tag + answer);
    return world.Hear(client);
  };
  EXPECT_EQ(idle_hears(" OK [HIGHESTMODSEQ 5] done"), "i OK [HIGHESTMODSEQ 5] Idle completed.");
  EXPECT_EQ(idle_hears(" OK done"), "i OK Idle completed.");
}

TEST(ParkingSwitches, KeepAClientOnItsOwnSessionInIdle) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1, 2}});
  world.config().parking.except_clients = {"phone"};
  world.TakeSwitches();
  world.Say(client, "d ID (\"name\" \"Phone 3\")");
  world.HearUntil(client, "d");
  world.StartIdle(client);
  world.Asked(0, "IDLE");  // no list, no feed
  world.Tell(0, "+ idling");
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(client), "* 1 EXPUNGE");
  EXPECT_EQ(world.figures().parked, 0u);
}

TEST(ParkingSwitches, LeaveThoseAlreadyParkedUntilTheyAct) {
  ScriptedWorld world;
  const size_t client = world.LogIn();
  world.Say(client, "d ID (\"name\" \"Phone 3\")");
  world.HearUntil(client, "d");
  world.Select(client, 0, {.uids = {1, 2}});
  const std::string idle = world.ParkFirst(client, 0, {1, 2});
  world.Pass(1);
  EXPECT_EQ(world.figures().asleep, 1u);
  world.config().parking.except_clients = {"phone"};
  world.TakeSwitches();
  world.Pass(1);
  EXPECT_EQ(world.figures().parked, 1u);
  world.Say(client, "DONE");
  world.HearUntil(client, "i");
  world.Say(client, "f UID FETCH 1:* (FLAGS)");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, idle + " OK done");
  EXPECT_EQ(world.NextAsked(0), "f UID FETCH 1:* (FLAGS)");
  world.Tell(0, "f OK done");
  EXPECT_EQ(world.Hear(client), "f OK done");
  world.Say(client, "i IDLE");  // it is known by its name, though it slept
  EXPECT_EQ(world.Hear(client), "+ idling");
  world.Asked(0, "IDLE");
}

}  // namespace
}  // namespace roost
