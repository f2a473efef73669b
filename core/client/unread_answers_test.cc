// Answers that Roost makes by itself, to a client that does not read them.
#include <string>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

class UnreadAnswers : public ::testing::Test {
 protected:
  // It asks so much that the network alone cannot hold it, and gets all once it reads.
  void AsksWithoutReading(size_t client) {
    constexpr int kTimes = 20'000;
    world_.SetReading(client, false);
    std::string all;
    for (int i = 0; i < kTimes; ++i) all += "a CAPABILITY\r\n";
    world_.SayRaw(client, all);
    world_.Pass(1);
    EXPECT_TRUE(world_.stalled(client));
    world_.SetReading(client, true);
    for (int i = 0; i < kTimes; ++i) {
      ASSERT_EQ(world_.HearUntil(client, "a").back(), "a OK Capability completed.");
    }
    EXPECT_FALSE(world_.stalled(client));
  }

  ScriptedWorld world_;
};

TEST_F(UnreadAnswers, SlowWhoHasNotLoggedIn) {
  const size_t client = world_.Connect();
  AsksWithoutReading(client);
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l OK");
}

TEST_F(UnreadAnswers, SlowWhoIsRelayed) {
  const size_t client = world_.LogIn();
  AsksWithoutReading(client);
  world_.Say(client, "n NOOP");
  EXPECT_EQ(world_.NextAsked(0), "n NOOP");
}

TEST_F(UnreadAnswers, SlowWhoIsParked) {
  const size_t client = world_.LogInAndPark({1, 2});
  world_.EndIdle(client);
  AsksWithoutReading(client);
  world_.StartIdle(client);
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client), "* 2 EXPUNGE");
}

// News that wait for a client relayed, more than may.
class UnreadNews : public UnreadAnswers {
 protected:
  void TellMuch() {
    world_.SetReading(client_, false);
    for (int i = 0; i < kTold; ++i) world_.Tell(0, "* OK " + std::string(1000, 'x'));
    world_.Pass(0.1);
  }

  static constexpr int kTold = 300;
  const size_t client_ = world_.LogIn();
};

TEST_F(UnreadNews, KeepNobodyFromEndingIdle) {
  world_.Say(client_, "x XPINS");
  world_.Answer(0, "XPINS");
  world_.HearUntil(client_, "x");
  world_.StartIdle(client_);
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  TellMuch();
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
}

// The answer to DONE waits as well: the session was lost for it a minute later.
TEST_F(UnreadNews, PutOffTheNextAttemptToPark) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  world_.LogInAndPark({1, 2});
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.Cut(1);  // the feed finds no other session: nobody can join it now
  world_.StartIdle(client_);
  world_.AnswerList(0, {1, 2});
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  TellMuch();
  world_.AsksNothing(0, 5);  // the attempt is due after 2 s
  world_.SetReading(client_, true);
  for (int i = 0; i < kTold; ++i) world_.HearsBeginning(client_, "* OK x");
  world_.Pass(120);
  EXPECT_EQ(world_.NextAsked(0), "DONE");
}

// The store waits for it, and the client perhaps for the store.
TEST_F(UnreadNews, DoNotHoldUpTheRestOfACommand) {
  world_.Say(client_, "a APPEND INBOX {3+}");
  world_.Pass(0.1);
  TellMuch();
  world_.Say(client_, "abc");
  EXPECT_EQ(world_.NextAsked(0), "a APPEND INBOX {3+}\r\nabc");
}

}  // namespace
}  // namespace roost
