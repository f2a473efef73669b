// How clients go when an operator sends a user away, and when memory has run out. Of the others:
// login_age_test.cc, rerouted_test.cc, and draining_test.cc and store_drains_test.cc in core/shard.
#include "core/client/partings.h"

#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};
constexpr std::string_view kKicked = "* BYE [UNAVAILABLE] Disconnected by the administrator";
constexpr std::string_view kShed =
    "* BYE [UNAVAILABLE] The server is short of memory; please connect again later";

class PartingsTest : public ::testing::Test {
 protected:
  void Shed(uint32_t count = 1) { world_.shard().client_table().partings().Shed(count); }

  ScriptedWorld world_;
};

TEST_F(PartingsTest, KickTheUsersClientsAndNobodyElses) {
  const size_t parked = world_.LogInAndPark(kUids);
  const size_t attached = world_.LogInAndSelect({.uids = kUids});
  const size_t other = world_.LogIn("bob");
  EXPECT_EQ(world_.Kick("ann"), 2u);
  world_.HearsLast(parked, kKicked);
  world_.HearsLast(attached, kKicked);
  EXPECT_EQ(world_.Kick("ann"), 0u);
  world_.Pass(20);
  EXPECT_FALSE(world_.closed(other));
  EXPECT_EQ(world_.figures().clients, 1u);
}

TEST_F(PartingsTest, KickAfterTheCommandOrATimeWhateverComesFirst) {
  const size_t quick = world_.LogInAndSelect({.uids = kUids});
  const size_t stuck = world_.LogInAndSelect({.uids = kUids});
  world_.Say(quick, "a NOOP");
  world_.Say(stuck, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  EXPECT_EQ(world_.NextAsked(1), "a NOOP");
  EXPECT_EQ(world_.Kick("ann"), 2u);
  world_.Pass(3);
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(quick), "a OK done");
  world_.HearsLast(quick, kKicked);
  world_.Pass(5);
  EXPECT_FALSE(world_.closed(stuck));
  world_.Pass(3);
  world_.HearsLast(stuck, kKicked);
}

TEST_F(PartingsTest, KickWhoIsLoggingIn) {
  world_.HoldLogins(true);
  const size_t client = world_.Connect();
  world_.Say(client, "a LOGIN ann secret");
  world_.Pass(0.1);
  EXPECT_EQ(world_.Kick("ann"), 1u);
  world_.HearsLast(client, kKicked);
}

TEST_F(PartingsTest, ShedThoseFirstWhoTakeMost) {
  const size_t parked = world_.LogInAndPark(kUids);
  const size_t busy = world_.LogInAndSelect({.uids = kUids}, "bob");
  world_.Say(busy, "f FETCH 1 (FLAGS)");
  world_.NextAsked(1);
  const size_t attached = world_.LogIn("eve");
  const size_t entering = world_.Connect();
  const auto told = [&](size_t client) {
    EXPECT_EQ(world_.Hear(client), kShed);
    world_.Pass(0.1);
    EXPECT_TRUE(world_.closed(client));
  };
  Shed();
  told(attached);
  Shed();
  told(entering);
  EXPECT_FALSE(world_.closed(busy));
  Shed();
  told(busy);
  EXPECT_EQ(world_.figures().clients, 1u);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(parked), "* 1 EXPUNGE");
  Shed();
  told(parked);
  const ClientStats stats = world_.figures().client_stats;
  EXPECT_EQ(world_.figures().clients, 0u);
  EXPECT_EQ(stats.shed, 4u);
  EXPECT_EQ(stats.limits[static_cast<size_t>(ClientLimit::kMemory)], 4u);
  Shed();  // nobody is left
  world_.Pass(1);
  world_.Connect();
  world_.Pass(1);
  EXPECT_EQ(world_.figures().clients, 1u);
}

// What it was: the search began anew each time, and never came to those who are looked for last.
TEST_F(PartingsTest, ShedParkedClientsThoughTheyAreAskedToAgainBeforeThat) {
  for (int i = 0; i < 300; ++i) world_.StartIdle(world_.LogIn());
  world_.Pass(1);
  EXPECT_EQ(world_.figures().parked, 300u);
  for (int i = 0; i < 20; ++i) {
    Shed();
    world_.shard().Turn(world_.shard().now_ns());
  }
  EXPECT_GT(world_.figures().client_stats.shed, 0u);
}

}  // namespace
}  // namespace roost
