// Answers that Roost makes by itself, to a client that does not read them.
#include <string>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

class UnreadAnswers : public ::testing::Test {
 protected:
  // Says so much that the network alone cannot hold it.
  void SaysWithoutReading(size_t client, const std::string& command) {
    world_.SetReading(client, false);
    std::string all;
    for (int i = 0; i < kTimes; ++i) all += "a " + command + "\r\n";
    world_.SayRaw(client, all);
    world_.Pass(1);
  }
  void GetsAllOnceItReads(size_t client, std::string_view answer) {
    world_.SetReading(client, true);
    for (int i = 0; i < kTimes; ++i) ASSERT_EQ(world_.HearUntil(client, "a").back(), answer);
    EXPECT_FALSE(world_.stalled(client));
  }

  static constexpr int kTimes = 20'000;
  static constexpr std::string_view kCapability = "a OK Capability completed.";
  ScriptedWorld world_;
};

TEST_F(UnreadAnswers, SlowWhoHasNotLoggedIn) {
  const size_t client = world_.Connect();
  SaysWithoutReading(client, "CAPABILITY");
  EXPECT_TRUE(world_.stalled(client));
  GetsAllOnceItReads(client, kCapability);
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l OK");
}

TEST_F(UnreadAnswers, SlowWhoIsRelayed) {
  const size_t client = world_.LogIn();
  SaysWithoutReading(client, "CAPABILITY");
  EXPECT_TRUE(world_.stalled(client));
  GetsAllOnceItReads(client, kCapability);
  world_.Say(client, "n NOOP");
  EXPECT_EQ(world_.NextAsked(0), "n NOOP");
}

TEST_F(UnreadAnswers, SlowWhoIsParked) {
  const size_t client = world_.LogInAndPark({1, 2});
  world_.EndIdle(client);
  SaysWithoutReading(client, "CAPABILITY");
  EXPECT_TRUE(world_.stalled(client));
  GetsAllOnceItReads(client, kCapability);
  world_.StartIdle(client);
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client), "* 2 EXPUNGE");
}

// News that wait for a client relayed, more than may.
class UnreadNews : public UnreadAnswers {
 protected:
  void TellMuch() {
    world_.SetReading(client_, false);
    for (int i = 0; i < 300; ++i) world_.Tell(0, "* OK " + std::string(1000, 'x'));
    world_.Pass(0.1);
  }

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
