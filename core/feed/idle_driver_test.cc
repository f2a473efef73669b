#include "core/feed/idle_driver.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

// A client parked on INBOX with UIDs 1 to 3; session 0 drives.
class IdleDriverTest : public ::testing::Test {
 protected:
  IdleDriverTest() { client_ = world_.LogInAndPark({1, 2, 3}); }
  // DONE, `fetch` and IDLE, which come in one go. Returns the tag of `fetch`.
  std::string Asks(const std::string& fetch) {
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    const std::string tag = world_.Asked(0, fetch);
    world_.Asked(0, "IDLE");
    world_.Tell(0,
                "R" + std::to_string(ToNumber(std::string_view(tag).substr(1)) - 1) + " OK done");
    return tag;
  }
  // The client asks for a flush: the fourth message is announced before it, the fifth behind it.
  void FlushesBetweenTwoArrivals() {
    world_.EndIdle(client_);
    world_.Pass(5);
    world_.Say(client_, "n NOOP");
    const std::string noop = Asks("NOOP");
    world_.Tell(0, "* 4 EXISTS");
    world_.Tell(0, noop + " OK done");
    world_.Tell(0, "* 5 EXISTS");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(IdleDriverTest, TellsANewMessageWhenItsUidIsKnown) {
  world_.Tell(0, "* 4 EXISTS");
  const std::string tag = Asks("UID FETCH 4:* (UID)");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "* 4 FETCH (UID 9)");
  world_.Tell(0, tag + " OK done");
  world_.Tell(0, "+ idling");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
}

TEST_F(IdleDriverTest, NeverTellsAMessageThatWasGoneBeforeItsUidWasKnown) {
  world_.Tell(0, "* 4 EXISTS");
  const std::string tag = Asks("UID FETCH 4:* (UID)");
  world_.Tell(0, "* 4 EXPUNGE");
  world_.Tell(0, tag + " OK done");
  world_.Tell(0, "+ idling");
  world_.HearsNothing(client_, 0.5);
}

TEST_F(IdleDriverTest, DropsTheLastMessageThatAStoreNamesBeyondTheEnd) {
  world_.Tell(0, "* 4 EXISTS");
  const std::string tag = Asks("UID FETCH 4:* (UID)");
  world_.Tell(0, "* 4 EXPUNGE");
  world_.Tell(0, "* 3 FETCH (UID 3)");  // `4:*` when 3 is the last
  world_.Tell(0, tag + " OK done");
  world_.Tell(0, "+ idling");
  world_.HearsNothing(client_, 0.5);
}

// What each answer names is one message of the two that are unknown by then.
TEST_F(IdleDriverTest, IsNotLostWhereMailKeepsComingIn) {
  world_.Tell(0, "* 4 EXISTS");
  for (int n = 4; n < 12; ++n) {
    const std::string number = std::to_string(n), next = std::to_string(n + 1);
    const std::string tag = Asks("UID FETCH " + number + ":* (UID)");
    world_.Tell(0, "* " + number + " FETCH (UID " + number + ")");
    world_.Tell(0, "* " + next + " EXISTS");
    world_.Tell(0, tag + " OK done");
    world_.Tell(0, "+ idling");
    EXPECT_EQ(world_.Hear(client_), "* " + number + " EXISTS");
  }
}

TEST_F(IdleDriverTest, AFlushDoesNotWaitForWhatComesBehindIt) {
  FlushesBetweenTwoArrivals();
  world_.Tell(0, "+ idling");
  const std::string fetch = Asks("UID FETCH 4:* (UID)");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "* 4 FETCH (UID 9)");
  world_.Tell(0, "* 6 EXISTS");
  world_.Tell(0, fetch + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  world_.HearsBeginning(client_, "n OK");
}

TEST_F(IdleDriverTest, AFlushDoesNotWaitForFlagsOfWhatComesBehindIt) {
  FlushesBetweenTwoArrivals();
  world_.Tell(0, "* 5 FETCH (FLAGS (\\Seen))");
  world_.Tell(0, "+ idling");
  const std::string fetch = Asks("UID FETCH 4:* (UID FLAGS)");
  world_.Tell(0, "* 4 FETCH (UID 9 FLAGS ())");
  world_.Tell(0, "* 5 FETCH (UID 10 FLAGS (\\Seen))");
  world_.Tell(0, "* 6 EXISTS");
  world_.Tell(0, "* 6 FETCH (FLAGS (\\Seen))");
  world_.Tell(0, fetch + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 5 EXISTS");
  world_.HearUntil(client_, "n");
}

// A store need not add it to an answer unasked (Cyrus does not), and clients with CONDSTORE are
// told flags with it only.
TEST(IdleDriver, AsksForTheModseqOfFlagsWhereClientsAreToldIt) {
  ScriptedWorld world;
  const size_t client = world.LogIn();
  world.Enable(client, 0, "CONDSTORE");
  world.Select(client, 0, {.uids = {1, 2, 3}, .modseq = 30});
  world.ParkFirst(client, 0, {1, 2, 3});
  world.Tell(0, "* 4 EXISTS");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  const std::string uid = world.Asked(0, "UID FETCH 4:* (UID)");
  world.Asked(0, "IDLE");
  world.Tell(0, "* 4 FETCH (FLAGS (\\Seen) MODSEQ (31))");
  world.Tell(0, "R4 OK done");
  world.Tell(0, "* 4 FETCH (UID 9)");
  world.Tell(0, uid + " OK done");
  world.Tell(0, "+ idling");
  EXPECT_EQ(world.Hear(client), "* 4 EXISTS");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  const std::string flags = world.Asked(0, "UID FETCH 4:* (UID FLAGS MODSEQ)");
  world.Tell(0, "* 4 FETCH (UID 9 FLAGS (\\Seen) MODSEQ (31))");
  EXPECT_EQ(world.Hear(client), "* 4 FETCH (UID 9 MODSEQ (31) FLAGS (\\Seen))");
}

// The flush is what a client that joins relies on: its own session may have shown it the message
// with other flags.
TEST_F(IdleDriverTest, AFlushIsOverOnlyWhenFlagsOfNewMessagesAreKnown) {
  world_.EndIdle(client_);
  world_.Pass(5);
  world_.Tell(0, "* 4 EXISTS");
  world_.Say(client_, "n NOOP");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const std::string uid = world_.Asked(0, "UID FETCH 4:* (UID)");
  world_.Asked(0, "IDLE");
  world_.Tell(0, "* 4 FETCH (FLAGS (\\Seen))");
  world_.Tell(0, "R4 OK done");
  world_.Tell(0, "* 4 FETCH (UID 9)");
  world_.Tell(0, uid + " OK done");
  world_.Tell(0, "+ idling");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const std::string noop = world_.Asked(0, "NOOP");
  const std::string flags = world_.Asked(0, "UID FETCH 4:* (UID FLAGS)");
  world_.Asked(0, "IDLE");
  world_.Tell(0, noop + " OK done");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "* 4 FETCH (UID 9 FLAGS (\\Seen))");
  world_.Tell(0, flags + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 4 FETCH (FLAGS (\\Seen))");
  world_.HearsBeginning(client_, "n OK");
}

// Flags of a message came before its UID: they are asked for, and the store says NO.
class RefusedFlagsTest : public IdleDriverTest {
 protected:
  RefusedFlagsTest() {
    world_.EndIdle(client_);
    world_.Pass(5);
    world_.Tell(0, "* 4 EXISTS");
    const std::string uid = Asks("UID FETCH 4:* (UID)");
    world_.Tell(0, "* 4 FETCH (FLAGS (\\Seen))");
    world_.Tell(0, "* 4 FETCH (UID 9)");
    world_.Tell(0, uid + " OK done");
    world_.Tell(0, "+ idling");
  }
  void Refuses() {
    const std::string flags = Asks("UID FETCH 4:* (UID FLAGS)");
    world_.Tell(0, flags + " NO not now");
    world_.Tell(0, "+ idling");
  }
};

TEST_F(RefusedFlagsTest, AreAskedForAgain) {
  Refuses();
  const std::string flags = Asks("UID FETCH 4:* (UID FLAGS)");
  world_.Say(client_, "n NOOP");
  world_.HearsNothing(client_, 0.1);
  world_.Tell(0, "* 4 FETCH (UID 9 FLAGS (\\Seen))");
  world_.Tell(0, flags + " OK done");
  world_.Tell(0, "+ idling");
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 4 FETCH (FLAGS (\\Seen))");
  world_.HearsBeginning(client_, "n OK");
}

// Another session shows them, if any does.
TEST_F(RefusedFlagsTest, EndTheSessionWhenTheyAreRefusedAgainAndAgain) {
  for (int i = 0; i < IdleDriver::kMaxFruitless; ++i) Refuses();
  world_.AnswerEnable(1, "CONDSTORE");
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3, 9}});
  world_.AnswerList(1, {1, 2, 3, 9});
  const std::string fetch = world_.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Tell(1, "* 4 FETCH (UID 9 FLAGS (\\Seen) MODSEQ (6))");
  world_.Tell(1, fetch + " OK done");
  world_.Asked(1, "IDLE");
  world_.Tell(1, "+ idling");
  world_.StartIdle(client_);
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 4 FETCH (FLAGS (\\Seen))");
}

TEST_F(IdleDriverTest, GoesOnWhenTheStoreEndsIdleByItself) {
  world_.Tell(0, "R4 OK enough");
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
}

TEST_F(IdleDriverTest, SharesOneFlushAmongAllWhoAskAtOnce) {
  world_.EndIdle(client_);
  world_.Pass(5);  // what was flushed is old by now
  world_.Say(client_, "n NOOP");
  world_.AnswerFlush(0, {"* 2 EXPUNGE"});
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  world_.HearsBeginning(client_, "n OK");
  world_.Say(client_, "m NOOP");  // within flush_max_age: from the log
  world_.HearsBeginning(client_, "m OK");
  world_.AsksNothing(0, 0.2);
}

TEST_F(IdleDriverTest, PassesNoPermanentFlagsOn) {
  world_.Tell(0, "* FLAGS (\\Seen \\Deleted $new)");
  world_.Tell(0, "* OK [PERMANENTFLAGS ()] by whoever opened it so");
  EXPECT_EQ(world_.Hear(client_), "* FLAGS (\\Seen \\Deleted $new)");
  world_.HearsNothing(client_, 0.5);
}

// The driver's numbers are its own: clients are told those of the feed's view.
TEST(IdleDriver, TellsNumbersOfTheFeedsViewNotOfItsOwn) {
  ScriptedWorld world;
  const size_t client = world.LogIn();
  // Below 10 all is decided: what has such a UID and is not there is gone.
  world.Select(client, 0, {.uids = {1, 2, 3}, .uid_next = 10});
  const std::string idle = world.ParkFirst(client, 0, {1, 2, 3});
  world.Tell(0, "* 5 EXISTS");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  const std::string fetch = world.Asked(0, "UID FETCH 4:* (UID)");
  world.Asked(0, "IDLE");
  world.Tell(0, idle + " OK done");
  world.Tell(0, "* 4 FETCH (UID 8)");
  world.Tell(0, "* 5 FETCH (UID 12)");
  world.Tell(0, fetch + " OK done");
  world.Tell(0, "+ idling");
  EXPECT_EQ(world.Hear(client), "* 4 EXISTS");
  world.Tell(0, "* 4 FETCH (FLAGS (\\Seen))");
  world.Tell(0, "* 5 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(client), "* 4 FETCH (FLAGS (\\Seen))");
  world.HearsNothing(client, 0.1);
  world.Tell(0, "* 4 EXPUNGE");
  world.HearsNothing(client, 0.1);
  world.Tell(0, "* 4 EXPUNGE");
  EXPECT_EQ(world.Hear(client), "* 4 EXPUNGE");
}

TEST_F(IdleDriverTest, PassesAnAlertOnToEverySubscriberOnce) {
  const size_t other = world_.LogInAndJoin({1, 2, 3});
  world_.EndIdle(other);
  world_.Tell(0, "* OK [ALERT] Going down at noon");
  world_.Tell(0, "* NO [ALERT] Quota is all but used up");
  EXPECT_EQ(world_.Hear(client_), "* OK [ALERT] Going down at noon");
  EXPECT_EQ(world_.Hear(client_), "* NO [ALERT] Quota is all but used up");
  world_.HearsNothing(other, 0.5);  // it is not in IDLE
  world_.Say(other, "n NOOP");
  EXPECT_EQ(world_.Hear(other), "* OK [ALERT] Going down at noon");
  EXPECT_EQ(world_.Hear(other), "* NO [ALERT] Quota is all but used up");
  world_.HearsBeginning(other, "n OK");
  world_.EndIdle(client_);
  // Whoever joins later has missed it.
  const size_t late = world_.LogInAndJoin({1, 2, 3});
  world_.HearsNothing(late, 0.5);
}

// A period is shorter by up to an eighth, so that thousands do not ask in one moment.
TEST(DriverCheck, ProvesNowAndThenThatTheStoreIsAlive) {
  ScriptedWorld world;
  world.config().parking.driver_check_s = 80;
  const size_t client = world.LogInAndPark({1});
  world.AsksNothing(0, 69);
  world.Pass(11);
  world.AnswerFlush(0, {"* 1 FETCH (FLAGS (\\Seen))"});
  EXPECT_EQ(world.Hear(client), "* 1 FETCH (FLAGS (\\Seen))");
  world.AsksNothing(0, 55);  // the one before came after 70 seconds at least
  world.Pass(25);
  world.AnswerFlush(0, {"* 1 EXPUNGE"});
  EXPECT_EQ(world.Hear(client), "* 1 EXPUNGE");
}

TEST(DriverCheck, LooksForAnotherSessionWhenItIsNotAnsweredInTime) {
  ScriptedWorld world;
  world.config().parking.driver_check_s = 20;
  world.config().stores[0].command_timeout_s = 30;
  const size_t client = world.LogInAndPark({1});
  world.Pass(20);
  EXPECT_EQ(world.NextAsked(0), "DONE");  // into the void
  world.HearsNothing(client, 25);
  EXPECT_EQ(world.sessions_seen(), 1u);
  world.Pass(5);
  world.AnswerEnable(1, "CONDSTORE");
  world.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2}});
  world.AnswerList(1, {1, 2});
  world.Answer(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  EXPECT_EQ(world.Hear(client), "* 2 EXISTS");  // which the dead one never told
}

TEST_F(IdleDriverTest, IsLostWhenTheStoreContradictsItself) {
  world_.Tell(0, "* 9 EXPUNGE");
  world_.HearsNothing(client_, 0.5);
  world_.AwaitSession(1);  // another is looked for; the client stays
  EXPECT_FALSE(world_.closed(client_));
}

TEST(Polling, AsksAStoreWithoutIdleNowAndThen) {
  ScriptedWorld world("IMAP4rev1 ESEARCH ENABLE CONDSTORE AUTH=PLAIN SASL-IR");
  world.config().parking.poll_s = 10;
  const size_t client = world.LogInAndSelect({.uids = {1, 2, 3}});
  world.StartIdle(client);
  world.AnswerList(0, {1, 2, 3});
  world.AsksNothing(0, 8);
  EXPECT_EQ(world.figures().parked, 1u);
  std::string noop = world.Asked(0, "NOOP");
  world.Tell(0, "* 1 EXPUNGE");
  world.Tell(0, "* 3 EXISTS");
  world.Tell(0, noop + " OK done");
  EXPECT_EQ(world.Hear(client), "* 1 EXPUNGE");
  const std::string fetch = world.Asked(0, "UID FETCH 4:* (UID)");
  world.Tell(0, "* 3 FETCH (UID 4)");
  world.Tell(0, fetch + " OK done");
  EXPECT_EQ(world.Hear(client), "* 3 EXISTS");
  // A flush for a client needs no DONE either, and is not late for the next poll.
  world.Say(client, "DONE");
  world.HearUntil(client, "i");
  world.Pass(2);
  world.Say(client, "n NOOP");
  world.Answer(0, "NOOP");
  world.HearsBeginning(client, "n OK");
  world.Pass(4);
  world.Answer(0, "NOOP");
  EXPECT_EQ(world.figures().feeds.polls, 2u);  // the client's own is none
  // What is told between is heard as well.
  world.StartIdle(client, "j");
  world.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world.Hear(client), "* 2 EXPUNGE");
  // And the session can be had back.
  world.Say(client, "DONE");
  world.HearUntil(client, "j");
  world.Say(client, "f UID FETCH 1 (FLAGS)");
  EXPECT_EQ(world.NextAsked(0), "f UID FETCH 1 (FLAGS)");
}

TEST(Polling, IsUsedWhereIdleIsRefused) {
  ScriptedWorld world;
  world.config().parking.poll_s = 10;
  const size_t client = world.LogInAndSelect({.uids = {1}});
  world.StartIdle(client);
  world.AnswerList(0, {1});
  const std::string idle = world.Asked(0, "IDLE");
  world.Tell(0, idle + " NO not for you");
  world.AsksNothing(0, 8);
  const std::string noop = world.Asked(0, "NOOP");
  world.Tell(0, "* 1 EXPUNGE");
  world.Tell(0, noop + " OK done");
  EXPECT_EQ(world.Hear(client), "* 1 EXPUNGE");
  EXPECT_EQ(world.sessions_seen(), 1u);
}

// A store may answer commands that were sent together in another order (RFC 3501, 5.5).
TEST(Polling, GoesOnWhenStatusIsAnsweredBehindTheNoop) {
  ScriptedWorld world("IMAP4rev1 ESEARCH ENABLE CONDSTORE AUTH=PLAIN SASL-IR");
  world.config().parking.poll_s = 10;
  const size_t client = world.LogIn();
  world.Enable(client, 0, "CONDSTORE");
  world.Select(client, 0, {.uids = {1, 2, 3}});
  world.StartIdle(client);
  world.AnswerList(0, {1, 2, 3});
  for (int poll = 0; poll < 3; ++poll) {
    world.Pass(8);
    const std::string status = world.Asked(0, "STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)");
    const std::string noop = world.Asked(0, "NOOP");
    world.Tell(0, noop + " OK done");
    world.Pass(0.1);
    world.Tell(0, "* STATUS INBOX (UIDVALIDITY 7 HIGHESTMODSEQ 30)");
    world.Tell(0, status + " OK done");
  }
}

// Told that it is in IDLE the client would wait for news that nothing brings.
TEST(Polling, CanBeSwitchedOff) {
  ScriptedWorld world("IMAP4rev1 ESEARCH AUTH=PLAIN SASL-IR");
  world.config().parking.poll_s = 0;
  const size_t client = world.LogInAndSelect({.uids = {1}});
  world.Say(client, "i IDLE");
  world.HearsBeginning(client, "i NO [CANNOT]");
  world.AsksNothing(0, 20);
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
}

// ---- NOTIFY (RFC 5465) ----

constexpr std::string_view kNotify =
    "NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge FlagChange))";

// A mailbox with UIDs 1 to 3 that a client is parked on, at a store that has NOTIFY.
class NotifyTest : public ::testing::Test {
 protected:
  NotifyTest() : world_(std::string(ScriptedWorld::kCapabilities) + " NOTIFY") {
    world_.config().stores[0].notify = true;
    world_.config().parking.audit_s = 0;
    world_.config().parking.pool_per_user = 0;
    client_ = world_.LogInAndPark({1, 2, 3});
  }
  // IDLE of a second one; the store has `answer` to the NOTIFY in the driver's flush.
  size_t JoinAnswering(std::string_view answer) {
    const size_t session = world_.sessions_seen();
    const size_t other = world_.LogInAndSelect({.uids = {1, 2, 3}});
    world_.StartIdle(other);
    world_.AnswerList(session, {1, 2, 3});
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    const std::string notify = world_.Asked(0, kNotify);
    const std::string noop = world_.Asked(0, "NOOP");
    world_.Asked(0, "IDLE");
    const uint64_t number = ToNumber(std::string_view(notify).substr(1));
    world_.Tell(0, "R" + std::to_string(number - 1) + " OK done");
    world_.Tell(0, notify + " " + std::string(answer));
    world_.Tell(0, noop + " OK done");
    world_.Tell(0, "+ idling");
    world_.Pass(0.1);
    return other;
  }
  // The answers to DONE, to the command behind it, which has tag `fetch`, and to IDLE.
  void Shows(const std::string& fetch, std::string_view line) {
    const uint64_t number = ToNumber(std::string_view(fetch).substr(1));
    world_.Tell(0, "R" + std::to_string(number - 1) + " OK done");
    world_.Tell(0, line);
    world_.Tell(0, fetch + " OK done");
    world_.Tell(0, "+ idling");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(NotifyTest, IsNotAskedForByTheOnlyClient) {
  world_.Tell(0, "* 4 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Asked(0, "UID FETCH 4:* (UID)");
}

TEST_F(NotifyTest, TellsAMessageByWhatComesWithItsExists) {
  const size_t other = JoinAnswering("OK done");
  world_.Tell(0, "* 4 EXISTS\r\n* 4 FETCH (UID 9)");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(other), "* 4 EXISTS");
  world_.Tell(0, "* 2 EXPUNGE\r\n* 3 FETCH (UID 9 FLAGS (\\Seen))");
  for (const size_t client : {client_, other}) {
    EXPECT_EQ(world_.Hear(client), "* 2 EXPUNGE");
    EXPECT_EQ(world_.Hear(client), "* 3 FETCH (FLAGS (\\Seen))");
  }
  world_.AsksNothing(0, 1);
}

TEST_F(NotifyTest, TellsFlagsBehindTheMessageTheyAreOf) {
  JoinAnswering("OK done");
  world_.Tell(0, "* 4 EXISTS\r\n* 4 FETCH (UID 9 FLAGS (\\Seen))");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 4 FETCH (FLAGS (\\Seen))");
}

TEST_F(NotifyTest, AsksForTheUidThatDidNotCome) {
  JoinAnswering("OK done");
  world_.Tell(0, "* 5 EXISTS\r\n* 4 FETCH (UID 9)");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const std::string fetch = world_.Asked(0, "UID FETCH 10:* (UID)");
  world_.Asked(0, "IDLE");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  Shows(fetch, "* 5 FETCH (UID 12)");
  EXPECT_EQ(world_.Hear(client_), "* 5 EXISTS");
}

TEST_F(NotifyTest, IsDoneWithoutWhereItIsRefused) {
  JoinAnswering("NO [NOTIFICATIONOVERFLOW] too many");
  world_.Tell(0, "* 4 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const std::string fetch = world_.Asked(0, "UID FETCH 4:* (UID)");
  world_.Asked(0, "IDLE");
  Shows(fetch, "* 4 FETCH (UID 9)");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  // Nor is it tried again when the next one joins.
  const size_t session = world_.sessions_seen();
  const size_t third = world_.LogInAndSelect({.uids = {1, 2, 3, 9}});
  world_.Join(third, session, 0, {1, 2, 3, 9});
}

// The session tells nothing from then on, not even behind a NOOP.
TEST_F(NotifyTest, EndsTheSessionThatNotifiesNoMore) {
  const size_t other = JoinAnswering("OK done");
  world_.Tell(0, "* OK [NOTIFICATIONOVERFLOW] too much");
  const size_t next = world_.sessions_seen();
  world_.AnswerEnable(next, "CONDSTORE");
  world_.AnswerSelect(next, "EXAMINE INBOX", {.uids = {1, 2, 3, 9}});
  world_.AnswerList(next, {1, 2, 3, 9});
  const std::string flags = world_.Asked(next, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Tell(next, flags + " OK done");
  world_.Asked(next, "IDLE");  // and no NOTIFY
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(other), "* 4 EXISTS");
}

// Else each session would be lost as the one before.
TEST_F(NotifyTest, IsNotAskedForAgainWhenASessionWasLostByIt) {
  const size_t other = world_.LogInAndSelect({.uids = {1, 2, 3}});
  world_.StartIdle(other);
  world_.AnswerList(1, {1, 2, 3});
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Asked(0, kNotify);
  world_.Hang(other);
  world_.Pass(0.1);
  world_.Cut(0);
  world_.AnswerEnable(2, "CONDSTORE");
  world_.AnswerSelect(2, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.AnswerList(2, {1, 2, 3});
  const std::string flags = world_.Asked(2, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Tell(2, flags + " OK done");
  world_.Asked(2, "IDLE");
  world_.Tell(2, "+ idling");
  const size_t third = world_.LogInAndSelect({.uids = {1, 2, 3}});
  world_.Join(third, 3, 2, {1, 2, 3});
}

TEST_F(NotifyTest, TakesNoMemoryForWhatHasBeenTold) {
  const size_t other = JoinAnswering("OK done");
  const auto bytes = [this] {
    size_t sum = 0;
    world_.shard().feeds().all().ForEach([&](const Feed& feed) { sum += feed.memory().feed; });
    return sum;
  };
  const size_t before = bytes();
  EXPECT_GT(before, 0u);
  world_.Tell(0, "* 4 EXISTS\r\n* 4 FETCH (UID 9)");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(other), "* 4 EXISTS");
  world_.Pass(0.1);
  EXPECT_EQ(bytes(), before);
}

TEST_F(NotifyTest, BeginsWithTheSessionThatIsFoundForMany) {
  JoinAnswering("OK done");
  const size_t next = world_.sessions_seen();
  world_.Cut(0);
  world_.AnswerEnable(next, "CONDSTORE");
  world_.AnswerSelect(next, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.AnswerList(next, {1, 2, 3});
  const std::string flags = world_.Asked(next, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Tell(next, flags + " OK done");
  const std::string notify = world_.Asked(next, kNotify);
  world_.Asked(next, "IDLE");
  world_.Tell(next, notify + " OK done");
  world_.Tell(next, "+ idling");
  world_.Tell(next, "* 4 EXISTS\r\n* 4 FETCH (UID 9)");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
}

// Who is left alone gets a session of its own: what that one is told depends on NOTIFY for good.
TEST_F(NotifyTest, GivesItsSessionToNobody) {
  const size_t other = JoinAnswering("OK done");
  world_.EndIdle(other);
  world_.Say(other, "x LOGOUT");
  world_.HearUntil(other, "x OK");
  world_.Pass(1);
  world_.EndIdle(client_);
  const size_t next = world_.sessions_seen();
  world_.Say(client_, "f FETCH 1 (FLAGS)");
  world_.AnswerSelect(next, "SELECT INBOX", {.uids = {1, 2, 3}});
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.NextAsked(next), "f FETCH 1 (FLAGS)");
}

// Somebody came while the driver was busy, and went before it could ask. Whoever is alone now gets
// the session, and it must be what it was.
TEST(Notify, IsNotAskedForBySessionsThatAreOnTheirWayToAClient) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH AUTH=PLAIN SASL-IR NOTIFY");
  world.config().stores[0].notify = true;
  const size_t client = world.LogInAndPark({1, 2, 3});
  world.Pass(30);
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, "R4 OK done");
  const std::string search = world.Asked(0, "UID SEARCH RETURN (ALL) UID 1:* SEEN");
  const size_t other = world.LogInAndSelect({.uids = {1, 2, 3}});
  world.StartIdle(other);
  world.AnswerList(1, {1, 2, 3});
  world.Pass(0.1);
  world.EndIdle(other);
  world.EndIdle(client);
  world.Say(client, "f FETCH 1 (FLAGS)");
  world.Pass(0.1);
  world.Tell(0, "* ESEARCH (TAG \"" + search + "\") UID");
  world.Tell(0, search + " OK done");
  const std::string noop = world.Asked(0, "NOOP");
  const std::string idle = world.Asked(0, "IDLE");
  world.Tell(0, noop + " OK done");
  world.Tell(0, "+ idling");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, idle + " OK done");
  EXPECT_EQ(world.NextAsked(0), "f FETCH 1 (FLAGS)");
}

TEST(Notify, IsNotUsedUnlessTheOperatorWantsIt) {
  ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + " NOTIFY");
  world.LogInAndPark({1, 2, 3});
  world.LogInAndJoin({1, 2, 3});
}

// A client with CONDSTORE, parked at MODSEQ 20, whose driver is about to prove itself alive.
class ConfirmedModseq : public ::testing::Test {
 protected:
  ConfirmedModseq() {
    world_.config().parking.driver_check_s = 10;
    client_ = world_.LogIn();
    world_.Enable(client_, 0, "CONDSTORE");
    world_.Select(client_, 0, {.uids = {1}, .modseq = 20});
    world_.ParkFirst(client_, 0, {1});
    world_.Pass(9);
  }
  void HearsOfStatus(const std::string& answers, const std::vector<std::string>& news = {}) {
    world_.AnswerStatusFlush(0, "UIDVALIDITY HIGHESTMODSEQ", answers, news);
  }
  // Which is what was confirmed.
  void RecoversFrom(const std::string& modseq) {
    world_.Cut(0);
    world_.AnswerEnable(1, "CONDSTORE");
    world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1}, .modseq = 35});
    world_.AnswerList(1, {1});
    world_.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE " + modseq + ")");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

// Confirmed is what a flush that began after the store spoke of it has brought.
TEST_F(ConfirmedModseq, MovesWithAFlushBehindStatus) {
  const std::string flags = "* 1 FETCH (UID 1 MODSEQ (30) FLAGS (\\Seen))";
  HearsOfStatus("UIDVALIDITY 7 HIGHESTMODSEQ 30", {flags});
  EXPECT_EQ(world_.Hear(client_), flags);
  RecoversFrom("30");
}

// A rename may have put another mailbox in its place, and another may take that away again.
TEST_F(ConfirmedModseq, OfAnotherMailboxOfThatNameIsNotThisOnes) {
  HearsOfStatus("UIDVALIDITY 8 HIGHESTMODSEQ 30");
  RecoversFrom("20");
}

// STATUS (HIGHESTMODSEQ) would raise the class of a session that a plain client may get.
TEST(Confirmed, ModseqIsNotAskedOnAPlainSession) {
  ScriptedWorld world;
  world.config().parking.driver_check_s = 10;
  world.LogInAndPark({1});
  world.Pass(9);
  world.AnswerFlush(0);
}

}  // namespace
}  // namespace roost
