#include "core/client/awake.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

// Two clients of one user parked on INBOX with UIDs 1 and 2; session 0 drives, the second client is
// out of IDLE.
class AwakeTest : public ::testing::Test {
 protected:
  AwakeTest() {
    first_ = world_.LogIn();
    world_.Select(first_, 0, {.uids = {1, 2}});
    world_.ParkFirst(first_, 0, {1, 2});
    second_ = world_.LogIn();
    world_.Select(second_, 1, {.uids = {1, 2}});
    world_.Join(second_, 1, 0, {1, 2});
    world_.Say(second_, "DONE");
    EXPECT_EQ(world_.Hear(second_), "i OK Idle completed.");
    world_.Pass(2);  // the flush of the join is no longer fresh
  }

  ScriptedWorld world_;
  size_t first_ = 0;
  size_t second_ = 0;
};

TEST_F(AwakeTest, AnswersNoopAfterOneFlushForAllWhoAsk) {
  world_.Say(first_, "DONE");
  EXPECT_EQ(world_.Hear(first_), "i OK Idle completed.");
  world_.Say(first_, "n NOOP");
  world_.Say(second_, "c CHECK");
  world_.AnswerFlush(0, {"* 1 EXPUNGE"});
  EXPECT_EQ(world_.Hear(first_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(first_), "n OK NOOP completed.");
  EXPECT_EQ(world_.Hear(second_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "c OK CHECK completed.");
  world_.AsksNothing(0, 0.2);
}

TEST_F(AwakeTest, AnswersNoopFromTheLogWhileTheLastFlushIsFresh) {
  world_.Say(second_, "n NOOP");
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.Hear(second_), "n OK NOOP completed.");
  world_.Say(second_, "m NOOP");
  EXPECT_EQ(world_.Hear(second_), "m OK NOOP completed.");
  world_.AsksNothing(0, 0.2);
}

TEST_F(AwakeTest, AnswersNoopWithWhatIsKnownWhileTheStoreIsAway) {
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(first_), "* 1 EXPUNGE");
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.Cut(0);
  world_.Pass(1);
  world_.Say(second_, "n NOOP");
  EXPECT_EQ(world_.Hear(second_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "n OK NOOP completed.");
}

TEST(AwakeWithCondstore, IsToldFromWhereOnToAskWhileNobodyCanTellOfExpunges) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE UNSELECT AUTH=PLAIN SASL-IR");
  const size_t client = world.LogIn();
  world.Say(client, "e ENABLE CONDSTORE");
  world.NextAsked(0);
  world.Tell(0, "* ENABLED CONDSTORE");
  world.Tell(0, "e OK enabled");
  world.Hear(client);
  world.Hear(client);
  world.Select(client, 0, {.uids = {1, 2}, .modseq = 7});
  world.ParkFirst(client, 0, {1, 2});
  world.Tell(0, "* 2 FETCH (MODSEQ (12) FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(client), "* 2 FETCH (UID 2 MODSEQ (12) FLAGS (\\Seen))");
  world.RefuseLogins("NO [UNAVAILABLE] not now");
  world.Cut(0);
  world.Pass(1);
  world.Say(client, "DONE");
  EXPECT_EQ(world.Hear(client), "i OK [HIGHESTMODSEQ 7] Idle completed.");
  world.Say(client, "n NOOP");
  EXPECT_EQ(world.Hear(client), "n OK [HIGHESTMODSEQ 7] NOOP completed.");
}

// A client with CONDSTORE whose IDLE has just begun.
class IdleWithCondstore : public ::testing::Test {
 protected:
  void Selects(uint64_t modseq) {
    client_ = world_.LogIn();
    world_.Enable(client_, 0, "CONDSTORE");
    world_.Select(client_, 0, {.uids = {1, 2}, .modseq = modseq});
    world_.StartIdle(client_);
  }
  // It is told of a flag, and an expunge that is older is still owed: so says the last answer.
  void Parks() {
    world_.Tell(0, "* 2 FETCH (UID 2 MODSEQ (17) FLAGS (\\Seen))");
    world_.Answer(0, "NOOP");
    const std::string list = world_.AskedList(0);
    world_.Tell(0, "* ESEARCH (TAG \"" + list + "\") UID ALL 1:2");
    world_.Tell(0, list + " OK [HIGHESTMODSEQ 12] done");
    Drives(0);
    EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (UID 2 MODSEQ (17) FLAGS (\\Seen))");
  }
  void Drives(size_t session) {
    world_.Asked(session, "IDLE");
    world_.Tell(session, "+ idling");
    world_.Pass(0.1);
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

// Its DONE was answered as if all had been told.
TEST_F(IdleWithCondstore, IsToldFromWhereOnToAskWhenAnExpungeIsOwedSinceItParked) {
  Selects(7);
  Parks();
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.Hear(client_), "i OK [HIGHESTMODSEQ 7] Idle completed.");
  world_.Pass(2);
  world_.Say(client_, "n NOOP");
  world_.AnswerFlush(0, {"* 1 EXPUNGE"});
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "n OK NOOP completed.");
}

// Its session pushed the flag behind the last command that tells of expunges.
TEST_F(IdleWithCondstore, IsToldFromWhereOnToAskWhenAFlagWasPushedWhileItParked) {
  Selects(7);
  world_.Answer(0, "NOOP");
  const std::string list = world_.AskedList(0);
  world_.Tell(0, "* 2 FETCH (UID 2 MODSEQ (17) FLAGS (\\Seen))");
  world_.TellList(0, list, "1:2");
  Drives(0);
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (UID 2 MODSEQ (17) FLAGS (\\Seen))");
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.Hear(client_), "i OK [HIGHESTMODSEQ 7] Idle completed.");
}

// The same of one who joins: the driver has not come to that flag, nor to the expunge before it.
TEST_F(IdleWithCondstore, IsToldFromWhereOnToAskWhenAFlagWasPushedWhileItJoined) {
  Selects(7);
  world_.AnswerList(0, {1, 2});
  Drives(0);
  for (const size_t session : {1, 2}) {
    const bool pushed = session == 1;  // the next one's flush has come to it
    const size_t joins = world_.LogIn();
    world_.Enable(joins, session, "CONDSTORE");
    world_.Select(joins, session, {.uids = {1, 2}, .modseq = 9});
    world_.StartIdle(joins);
    world_.AnswerList(session, {1, 2});
    world_.Pass(0.01);
    if (pushed) {
      world_.Tell(session, "* 2 FETCH (UID 2 MODSEQ (17) FLAGS (\\Seen))");
      EXPECT_EQ(world_.Hear(joins), "* 2 FETCH (UID 2 MODSEQ (17) FLAGS (\\Seen))");
    }
    world_.AnswerFlush(0);
    EXPECT_EQ(world_.figures().parked, session + 1);
    world_.Say(joins, "DONE");
    EXPECT_EQ(world_.Hear(joins),
              pushed ? "i OK [HIGHESTMODSEQ 7] Idle completed." : "i OK Idle completed.");
    world_.StartIdle(joins);
  }
}

TEST_F(IdleWithCondstore, IsToldToAskForAllWhereTheStoreHasConfirmedNothing) {
  Selects(0);
  Parks();
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.Hear(client_), "i OK [HIGHESTMODSEQ 1] Idle completed.");
}

// An expunge and then a flag, both between the list and the FETCH of flags: the expunge is told
// when the new driver's IDLE comes to it.
TEST_F(IdleWithCondstore, IsToldFromWhereOnToAskWhenARecoveryHasFoundFlags) {
  Selects(7);
  world_.AnswerList(0, {1, 2});
  Drives(0);
  world_.Cut(0);
  world_.AnswerEnable(1, "CONDSTORE");
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2}, .modseq = 31});
  world_.AnswerList(1, {1, 2});
  const std::string fetch = world_.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7)");
  world_.Tell(1, "* 2 FETCH (UID 2 MODSEQ (33) FLAGS (\\Seen))");
  world_.Tell(1, fetch + " OK done");
  Drives(1);
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (UID 2 MODSEQ (33) FLAGS (\\Seen))");
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.Hear(client_), "i OK [HIGHESTMODSEQ 31] Idle completed.");
}

TEST_F(AwakeTest, HoldsWhatComesBehindANoopThatWaits) {
  world_.Say(second_, "n NOOP\r\nx LOGOUT");
  world_.HearsNothing(second_, 0.2);
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.Hear(second_), "n OK NOOP completed.");
  world_.HearsBeginning(second_, "* BYE");
  world_.HearsBeginning(second_, "x OK");
}

TEST_F(AwakeTest, EndsIdleWithBadAtAnythingButDone) {
  world_.Say(second_, "j IDLE");
  EXPECT_EQ(world_.Hear(second_), "+ idling");
  world_.Say(second_, "k NOOP");
  world_.HearsBeginning(second_, "j BAD");
  world_.Say(second_, "l IDLE now");  // IDLE takes no arguments: the store may say so
  world_.AwaitSession(2);
}

TEST_F(AwakeTest, CarriesAnIdleTagThatIsLongerThanACellHolds) {
  const std::string tag(60, 't');
  world_.Say(second_, tag + " IDLE");
  EXPECT_EQ(world_.Hear(second_), "+ idling");
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 2 EXPUNGE");
  world_.Say(second_, "DONE");
  EXPECT_EQ(world_.Hear(second_), tag + " OK Idle completed.");
}

TEST_F(AwakeTest, RefusesWhatMustNotReachAStoreWithoutWaking) {
  for (const char* command : {"LOGIN bob secret", "NOTIFY NONE", "COMPRESS DEFLATE"}) {
    world_.Say(second_, std::string("a ") + command);
    world_.HearsBeginning(second_, "a NO [CANNOT]");
  }
  // The bytes of a refused literal are no commands.
  world_.Say(second_, "b XSTRANGE {10+}\r\nc NOOP\r\nxx");
  world_.HearsBeginning(second_, "b BAD");
  world_.HearsNothing(second_, 0.2);
  EXPECT_EQ(world_.sessions_seen(), 2u);
}

TEST_F(AwakeTest, SendsWhatWasPipelinedBehindTheWakingCommandInOrder) {
  world_.Say(second_, "u UID FETCH 1 (FLAGS)\r\nv UID FETCH 2 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2}});
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.NextAsked(2), "u UID FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.NextAsked(2), "v UID FETCH 2 (FLAGS)");
}

TEST_F(AwakeTest, IsToldNothingTwiceWhenItWakesWhileEventsCome) {
  world_.Say(second_, "u UID FETCH 2 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2}});
  // Which of the two lacks what the other has is seen from a list alone.
  world_.AnswerFlush(0, {"* 1 EXPUNGE"});
  world_.AnswerList(2, {1, 2});
  world_.AnswerFlush(0);
  // The session has not heard of it yet and will tell of it itself.
  EXPECT_EQ(world_.NextAsked(2), "u UID FETCH 2 (FLAGS)");
  world_.HearsNothing(second_, 0.2);
  world_.Tell(2, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 1 EXPUNGE");
}

TEST_F(AwakeTest, StaysParkedWhenNoSessionCanBeHad) {
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.Say(second_, "u UID FETCH 2 (FLAGS)");
  world_.HearsBeginning(second_, "u NO [UNAVAILABLE]");
  EXPECT_EQ(world_.figures().parked, 2u);
  world_.Say(second_, "j IDLE");
  EXPECT_EQ(world_.Hear(second_), "+ idling");
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 2 EXPUNGE");
}

TEST_F(AwakeTest, EndsWhenTheStoreNoLongerTakesTheLogin) {
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] changed");
  world_.Say(second_, "u UID FETCH 2 (FLAGS)");
  world_.HearsBeginning(second_, "* BYE [UNAVAILABLE] The mail store no longer accepts");
}

TEST_F(AwakeTest, LeavesNothingBehindWhenItGoesWhileWaking) {
  world_.Say(second_, "u UID FETCH 2 (FLAGS)");
  world_.AwaitSession(2);
  world_.Hang(second_);
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2}});
  world_.AnswerFlush(0);
  world_.Pass(2);
  EXPECT_EQ(world_.figures().clients, 1u);
  EXPECT_EQ(world_.sessions_open(), 1u);
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(first_), "* 2 EXPUNGE");
}

TEST_F(AwakeTest, NeverSleepsWithHalfACommand) {
  const uint64_t asleep = world_.figures().asleep;
  world_.SayRaw(second_, "u UID FET");
  world_.Pass(5);
  EXPECT_EQ(world_.figures().asleep, asleep - 1);
  world_.Say(second_, "CH 2 (FLAGS)");
  world_.AwaitSession(2);
}

}  // namespace
}  // namespace roost
