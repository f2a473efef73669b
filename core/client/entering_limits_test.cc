// What an address may do before it has logged in, and how often.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr std::string_view kTooMany = "* BYE [UNAVAILABLE] Too many connections from your address";
constexpr std::string_view kWrong = "NO [AUTHENTICATIONFAILED] no";

TEST(AddressLimit, RefusesWhoIsOneTooManyUntilOneHasLeft) {
  ScriptedWorld world;
  world.config().limits.max_clients_per_address = 2;
  const size_t first = world.Connect();
  const size_t parked = world.LogIn();
  world.StartIdle(parked);
  world.Pass(1);
  for (int i = 0; i < 3; ++i) {
    const size_t third = world.Dial();
    EXPECT_EQ(world.Hear(third), kTooMany);
    world.Pass(0.1);
    EXPECT_TRUE(world.closed(third));
  }
  EXPECT_EQ(world.figures().client_stats.refused_by_address, 3u);
  EXPECT_EQ(world.figures().clients, 2u);
  world.Hang(first);
  world.Pass(0.1);
  world.Connect();
  EXPECT_EQ(world.Hear(world.Dial()), kTooMany);
  world.Hang(parked);
  world.Pass(0.1);
  world.Connect();
}

TEST(AddressLimit, IsNoneUnlessItIsAskedFor) {
  ScriptedWorld world;
  for (int i = 0; i < 50; ++i) world.Connect();
  EXPECT_EQ(world.figures().clients, 50u);
}

class FailedLoginDelay : public ::testing::Test {
 protected:
  FailedLoginDelay() { world_.config().limits.failed_login_delay_s = 10; }

  // A connection that fails once, asked about at once or after the delay that is due.
  void Fail() {
    world_.RefuseLogins(std::string(kWrong));
    const size_t client = world_.Connect();
    world_.Say(client, "a LOGIN ann wrong");
    EXPECT_EQ(world_.Hear(client), "a " + std::string(kWrong));
    world_.Hang(client);
    world_.RefuseLogins("");
  }
  // Seconds until a good login is answered; 99: it is not.
  int WaitOf(size_t client) {
    world_.Say(client, "a LOGIN ann right");
    for (int waited = 0; waited < 20; ++waited) {
      if (world_.figures().attached != 0) return waited;
      world_.Pass(1);
    }
    return 99;
  }

  ScriptedWorld world_;
};

TEST_F(FailedLoginDelay, IsNoneForAFewSlips) {
  for (int i = 0; i < 3; ++i) Fail();
  world_.LogIn();
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 0u);
}

TEST_F(FailedLoginDelay, IsForEmptyPasswordsAsWell) {
  for (int i = 0; i < 6; ++i) {
    const size_t client = world_.Connect();
    world_.Say(client, "a LOGIN ann \"\"");
    world_.HearsBeginning(client, "a NO [AUTHENTICATIONFAILED]");
    world_.Hang(client);
  }
  EXPECT_GE(world_.figures().client_stats.delayed_logins, 2u);
}

TEST_F(FailedLoginDelay, KeepsTheStoreFromBeingAsked) {
  for (int i = 0; i < 6; ++i) {
    world_.Pass(4);
    Fail();
  }
  const size_t refused = world_.logins_refused();
  const size_t client = world_.Connect();
  world_.RefuseLogins(std::string(kWrong));
  world_.Say(client, "a LOGIN ann wrong");
  world_.HearsNothing(client, 3.5);  // 1, 2, and now 4 seconds
  EXPECT_EQ(world_.logins_refused(), refused);
  EXPECT_GE(world_.figures().client_stats.delayed_logins, 3u);
  world_.Pass(1);
  EXPECT_EQ(world_.Hear(client), "a " + std::string(kWrong));
  EXPECT_EQ(world_.logins_refused(), refused + 1);
}

TEST_F(FailedLoginDelay, PassesAndIsForgotten) {
  for (int i = 0; i < 5; ++i) Fail();
  const size_t client = world_.Connect();
  const int waited = WaitOf(client);
  EXPECT_GE(waited, 2);
  EXPECT_LE(waited, 3);
  world_.Hang(client);
  world_.Pass(300);
  EXPECT_EQ(WaitOf(world_.Connect()), 1);
}

TEST_F(FailedLoginDelay, DoesNotOutliveItsClient) {
  for (int i = 0; i < 5; ++i) Fail();
  const size_t refused = world_.logins_refused();
  const size_t sessions = world_.sessions_seen();
  const size_t client = world_.Connect();
  world_.Say(client, "a LOGIN ann wrong");
  world_.Pass(0.5);
  EXPECT_EQ(world_.Kick("ann"), 1u);
  world_.Pass(20);
  EXPECT_TRUE(world_.closed(client));
  EXPECT_EQ(world_.logins_refused(), refused);
  EXPECT_EQ(world_.sessions_seen(), sessions);
}

TEST_F(FailedLoginDelay, IsNotForAStoreThatIsTooBusy) {
  world_.RefuseLogins("NO [UNAVAILABLE] later");
  for (int i = 0; i < 8; ++i) {
    const size_t client = world_.Connect();
    world_.Say(client, "a LOGIN ann right");
    EXPECT_EQ(world_.Hear(client), "a NO [UNAVAILABLE] later");
    world_.Hang(client);
  }
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 0u);
}

}  // namespace
}  // namespace roost
