// How clients go when a shard is drained.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};
constexpr std::string_view kBye = "* BYE [UNAVAILABLE] Server shutting down; please connect again";

class DrainTest : public ::testing::Test {
 protected:
  void HearsBye(size_t client) { world_.HearsLast(client, kBye); }

  ScriptedWorld world_;
};

TEST_F(DrainTest, TellsAllOneAfterAnotherAndIsDoneThen) {
  std::vector<size_t> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(world_.LogIn());
    world_.StartIdle(clients.back());
  }
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().parked, 20u);
  world_.Drain(105, 5);
  EXPECT_EQ(world_.figures().draining, 1u);
  world_.Pass(4.9);
  EXPECT_EQ(world_.figures().clients, 20u);
  EXPECT_EQ(world_.figures().listeners, 1u);
  world_.Pass(0.2);
  EXPECT_EQ(world_.figures().listeners, 0u);
  EXPECT_GE(world_.figures().clients, 19u);
  world_.Pass(47);
  EXPECT_NEAR(static_cast<double>(world_.figures().clients), 10, 3);
  EXPECT_FALSE(world_.drained());
  world_.Pass(47);
  EXPECT_EQ(world_.figures().clients, 0u);
  EXPECT_TRUE(world_.drained());
  EXPECT_EQ(world_.figures().client_stats.drained, 20u);
  for (const size_t client : clients) HearsBye(client);
}

TEST_F(DrainTest, TakesClientsForAMomentAndThenNoMore) {
  world_.Drain(100, 10);
  world_.Pass(5);
  const size_t client = world_.LogIn();
  world_.Pass(6);
  const size_t late = world_.Dial();
  world_.HearsNothing(late, 1);
  EXPECT_TRUE(world_.closed(late));
  world_.Pass(90);
  HearsBye(client);
}

TEST_F(DrainTest, TellsThoseWhoAreNotLoggedIn) {
  const size_t client = world_.Connect();
  world_.HoldLogins(true);
  const size_t waiting = world_.Connect();
  world_.Say(waiting, "a LOGIN ann secret");
  world_.Pass(0.1);
  world_.Drain(10, 0);
  world_.Pass(10);
  HearsBye(client);
  HearsBye(waiting);
}

TEST_F(DrainTest, LetsACommandFinish) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.FinishesItsCommand(client, 0, [this] {
    world_.Drain(100, 0);
    world_.Pass(80);
  });
  HearsBye(client);
  EXPECT_EQ(world_.sessions_open(), 0u);
}

TEST_F(DrainTest, SaysNothingBehindTheGoodbyeOfTheStore) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.Say(client, "z LOGOUT");
  EXPECT_EQ(world_.NextAsked(0), "z LOGOUT");
  world_.Drain(100, 0);
  world_.Pass(2);
  world_.Tell(0, "* BYE see you");
  EXPECT_EQ(world_.Hear(client), "* BYE see you");
  world_.Tell(0, "z OK done");
  EXPECT_EQ(world_.Hear(client), "z OK done");
  world_.HearsNothing(client, 100);  // the store forgets to close
  EXPECT_TRUE(world_.closed(client));
  EXPECT_TRUE(world_.drained());
}

TEST_F(DrainTest, SaysNothingBehindABrokenOffGoodbye) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.Say(client, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  world_.Drain(100, 0);
  world_.Pass(2);
  world_.Tell(0, "a OK done\r\n* BYE for today");
  EXPECT_EQ(world_.Hear(client), "a OK done");
  EXPECT_EQ(world_.Hear(client), "* BYE for today");
  world_.HearsNothing(client, 2);
  EXPECT_TRUE(world_.closed(client));
}

TEST_F(DrainTest, AnswersAllThatWasSaidInOneGo) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.Say(client, "a NOOP\r\nb NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  world_.Drain(100, 0);
  world_.Pass(1);
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(client), "a OK done");
  world_.HearsNothing(client, 2);
  EXPECT_EQ(world_.NextAsked(0), "b NOOP");
  world_.Tell(0, "b OK done");
  EXPECT_EQ(world_.Hear(client), "b OK done");
  HearsBye(client);
}

TEST_F(DrainTest, LetsAMessageArrive) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.Say(client, "p APPEND INBOX {5}");
  world_.Pass(0.1);
  world_.Tell(0, "+ go on");
  EXPECT_EQ(world_.Hear(client), "+ go on");
  world_.Drain(100, 0);
  world_.Pass(5);
  EXPECT_FALSE(world_.closed(client));
  world_.SayRaw(client, "hello\r\n");
  world_.Pass(0.1);
  EXPECT_EQ(world_.NextAsked(0), "p APPEND INBOX {5}\r\nhello");
  world_.Tell(0, "p OK done");
  EXPECT_EQ(world_.Hear(client), "p OK done");
  HearsBye(client);
}

TEST_F(DrainTest, LetsAClientThatWakesHaveItsAnswer) {
  const size_t client = world_.LogIn();
  world_.StartIdle(client);
  world_.EndIdle(client);
  world_.Pass(1);
  world_.HoldLogins(true);
  world_.Say(client, "l LIST \"\" %");
  world_.Pass(0.1);
  world_.Drain(100, 0);
  world_.Pass(5);  // its turn passes
  EXPECT_FALSE(world_.closed(client));
  world_.HoldLogins(false);
  world_.AwaitSession(1);
  EXPECT_EQ(world_.NextAsked(1), "l LIST \"\" %");
  world_.Tell(1, "l OK done");
  EXPECT_EQ(world_.Hear(client), "l OK done");
  HearsBye(client);
}

TEST_F(DrainTest, WaitsNoLongerThanItsTime) {
  const size_t stuck = world_.LogInAndSelect({.uids = kUids});
  world_.Say(stuck, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  const size_t half = world_.LogInAndSelect({.uids = kUids});
  world_.Say(half, "f FETCH 1 (BODY.PEEK[])");
  EXPECT_EQ(world_.NextAsked(1), "f FETCH 1 (BODY.PEEK[])");
  world_.Tell(1, "* 1 FETCH (BODY[] {10}");
  world_.Drain(20, 0);
  world_.Pass(19.9);
  EXPECT_EQ(world_.figures().clients, 2u);
  world_.Pass(0.2);
  EXPECT_EQ(world_.Hear(stuck), "* BYE [UNAVAILABLE] Server shutting down");
  world_.HearsNothing(half, 1);  // a goodbye would be the literal
  EXPECT_TRUE(world_.closed(half));
  EXPECT_TRUE(world_.drained());
}

TEST_F(DrainTest, TellsNothingBehindTheLastWord) {
  const size_t client = world_.LogInAndPark(kUids);
  world_.Drain(10, 0);
  world_.Tell(0, "* 3 EXISTS");
  world_.Pass(11);
  std::vector<std::string> heard = {world_.Hear(client)};
  if (heard.back() != kBye) heard.push_back(world_.Hear(client));
  EXPECT_EQ(heard.back(), kBye);
  world_.HearsNothing(client, 1);
}

TEST_F(DrainTest, TakesAnotherTimeWhenItIsToldAnew) {
  const size_t client = world_.LogIn();
  const size_t other = world_.LogIn();
  world_.Drain(10'000, 0);
  world_.Pass(1);  // the first one's turn
  HearsBye(client);
  world_.Drain(10, 0);
  world_.Pass(10);
  HearsBye(other);
  EXPECT_TRUE(world_.drained());
}

}  // namespace
}  // namespace roost
