#include "core/park/waking.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

// Two clients parked on INBOX with UIDs 1 to 3; session 0 drives.
class WakingOfOneOfTwo : public ::testing::Test {
 protected:
  WakingOfOneOfTwo() {
    first_ = world_.LogInAndPark({1, 2, 3});
    second_ = world_.LogInAndJoin({1, 2, 3});
    world_.EndIdle(second_);
  }

  ScriptedWorld world_;
  size_t first_ = 0;
  size_t second_ = 0;
};

// A client that was parked alone on INBOX with UIDs 1 to 3 and is in IDLE no more; session 0
// drives.
class WakingAlone : public ::testing::Test {
 protected:
  WakingAlone() {
    client_ = world_.LogInAndSelect({.uids = {1, 2, 3}});
    driver_idle_ = world_.ParkFirst(client_, 0, {1, 2, 3});
    world_.EndIdle(client_);
  }
  // Whoever wants the driver's session waits for this.
  void EndIdleOfTheDriver() {
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    world_.Tell(0, driver_idle_ + " OK done");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
  std::string driver_idle_;
};

TEST_F(WakingAlone, GivesTheOnlySubscriberTheFeedsOwnSession) {
  world_.Say(client_, "f FETCH 3 (FLAGS)");
  EndIdleOfTheDriver();
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 3 (FLAGS)");
  EXPECT_EQ(world_.sessions_seen(), 1u);
  EXPECT_EQ(world_.figures().feeds.handed_over, 1u);
}

TEST_F(WakingAlone, OwesAnExpungeThatFellBetweenDoneAndACommandByNumber) {
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, "* 2 FETCH (FLAGS (\\Seen))");
  world_.Pass(0.1);
  world_.Say(client_, "f FETCH 3 (FLAGS)");
  EndIdleOfTheDriver();
  EXPECT_EQ(world_.Hear(client_), "* 3 FETCH (FLAGS (\\Seen))");  // all but the expunge is told
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 2 (FLAGS)");
  EXPECT_EQ(world_.sessions_seen(), 1u);
  EXPECT_EQ(world_.figures().feeds.handed_over, 1u);
}

TEST_F(WakingAlone, TellsOfArrivalsInTheClientsNumbersWhenItOwesExpunges) {
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Pass(0.1);
  world_.Say(client_, "f FETCH * (FLAGS)");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Tell(0, "* 3 EXISTS");  // the driver asks for its UID before it is let go
  world_.Tell(0, driver_idle_ + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 3 (FLAGS)");
}

// Its pauses had become long by then, and until one was over all commands were refused.
TEST_F(WakingAlone, HurriesTheRecoveryWhenItsOwnSessionShowsThatTheStoreIsBack) {
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.Cut(0);
  world_.Pass(120);
  const size_t refused = world_.logins_refused();
  for (int s = 0; s < 60 && world_.logins_refused() == refused; ++s) world_.Pass(1);
  world_.RefuseLogins("");  // its next pause has just begun
  world_.Say(client_, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(1, "SELECT INBOX", {.uids = {1, 2, 3}});
  world_.Pass(0.5);
  EXPECT_EQ(world_.sessions_seen(), 3u);
  world_.AnswerEnable(2, "CONDSTORE");
  world_.AnswerSelect(2, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.AnswerList(2, {1, 2, 3});
  world_.Answer(2, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Asked(2, "IDLE");
  world_.Tell(2, "+ idling");
  world_.AnswerFlush(2);
  EXPECT_EQ(world_.NextAsked(1), "u UID FETCH 1 (FLAGS)");
}

// What the answer to the driver's DONE said of expunges it said to us alone.
class HandOverWithCondstore : public ::testing::Test {
 protected:
  HandOverWithCondstore() {
    client_ = world_.LogIn();
    world_.Enable(client_, 0, "CONDSTORE");
    world_.Select(client_, 0, {.uids = {1, 2, 3}, .modseq = 7});
    driver_idle_ = world_.ParkFirst(client_, 0, {1, 2, 3});
    world_.EndIdle(client_);
  }
  void Wakes(const std::string& command, const std::string& answer) {
    world_.Say(client_, command);
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    world_.Tell(0, driver_idle_ + answer);
  }

  void TellsFlagsAndThat(int modseq, const std::string& answer) {
    world_.Tell(0, flags_);
    world_.Pass(0.1);
    Wakes("l LIST \"\" *", answer);
    EXPECT_EQ(world_.Hear(client_), flags_);
    EXPECT_EQ(world_.Hear(client_),
              "* OK [HIGHESTMODSEQ " + std::to_string(modseq) + "] Not all expunges are told yet");
    EXPECT_EQ(world_.NextAsked(0), "l LIST \"\" *");
  }

  const std::string flags_ = "* 3 FETCH (UID 3 MODSEQ (9) FLAGS (\\Seen))";
  ScriptedWorld world_;
  size_t client_ = 0;
  std::string driver_idle_;
};

TEST_F(HandOverWithCondstore, TellsUpToWhereTheStoreHasToldOfAll) {
  TellsFlagsAndThat(6, " OK [HIGHESTMODSEQ 6] done");
}

// A store may say nothing of it at DONE, which flushes nothing.
TEST_F(HandOverWithCondstore, ClaimsNoModseqOfFlagsThatWereToldSinceTheFlush) {
  TellsFlagsAndThat(7, " OK done");
}

// Nor with expunges that were told, where another is still to come.
TEST_F(HandOverWithCondstore, ClaimsNoModseqOfFlagsWithExpungesThatItOwes) {
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, "* 2 FETCH (UID 3 MODSEQ (9) FLAGS (\\Seen))");
  world_.Pass(0.1);
  Wakes("c COPY 3 x", " OK done");
  EXPECT_EQ(world_.Hear(client_), flags_);
  EXPECT_EQ(world_.Hear(client_), "* OK [HIGHESTMODSEQ 7] Not all expunges are told yet");
}

TEST_F(HandOverWithCondstore, TellsItWithExpungesThatItOwes) {
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Pass(0.1);
  Wakes("f FETCH 3 (FLAGS)", " OK [HIGHESTMODSEQ 6] done");
  EXPECT_EQ(world_.Hear(client_), "* OK [HIGHESTMODSEQ 6] Not all expunges are told yet");
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 2 (FLAGS)");
}

TEST_F(HandOverWithCondstore, ClaimsNothingWhereNothingIsOwed) {
  Wakes("l LIST \"\" *", " OK done");
  EXPECT_EQ(world_.NextAsked(0), "l LIST \"\" *");
  world_.Tell(0, "l OK done");
  EXPECT_EQ(world_.Hear(client_), "l OK done");
}

// It would be taken for one of the next mailbox.
TEST_F(HandOverWithCondstore, TellsItNotBeforeASelect) {
  Wakes("s SELECT other", " OK [HIGHESTMODSEQ 6] done");
  EXPECT_EQ(world_.NextAsked(0), "s SELECT other");
  world_.HearsNothing(client_, 0.1);
}

TEST_F(WakingOfOneOfTwo, AnswersWhatNeedsNoStoreWithoutIt) {
  world_.Say(second_, "a CAPABILITY");
  EXPECT_EQ(world_.HearUntil(second_, "a").size(), 2u);
  world_.Say(second_, "b ID NIL");
  EXPECT_EQ(world_.HearUntil(second_, "b").size(), 2u);
  world_.StartIdle(second_, "c");
  world_.Say(second_, "done");
  EXPECT_EQ(world_.Hear(second_), "c OK Idle completed.");
  world_.AsksNothing(0, 0.5);
  EXPECT_EQ(world_.sessions_seen(), 2u);
}

TEST_F(WakingOfOneOfTwo, FlushesTheFeedBeforeTheFirstCommand) {
  world_.Say(second_, "f FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}});
  // SELECT knows the flag already: only the feed's flush tells that the client does not.
  world_.AnswerFlush(0, {"* 2 FETCH (UID 2 FLAGS (\\Seen))"});
  EXPECT_EQ(world_.Hear(second_), "* 2 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world_.NextAsked(2), "f FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.Hear(first_), "* 2 FETCH (FLAGS (\\Seen))");
}

TEST_F(WakingOfOneOfTwo, TellsFlagsThatTheNewSessionToldDuringTheFlush) {
  world_.Say(second_, "f FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}});
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Tell(2, "* 2 FETCH (FLAGS (\\Seen))");  // it will not tell again, the feed much later
  world_.Pass(0.1);
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, "R" + std::to_string(std::stoul(noop.substr(1)) - 1) + " OK done");
  world_.Tell(0, noop + " OK done");
  EXPECT_EQ(world_.Hear(second_), "* 2 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world_.NextAsked(2), "f FETCH 1 (FLAGS)");
}

TEST_F(WakingOfOneOfTwo, ListsWhenSelectDoesNotProveEquality) {
  world_.Say(second_, "u UID FETCH 4 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 3, 4}});
  world_.AnswerList(2, {1, 3, 4});
  world_.AnswerFlush(0, {"* 2 EXPUNGE"});
  EXPECT_EQ(world_.Hear(second_), "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 3 EXISTS");
  EXPECT_EQ(world_.NextAsked(2), "u UID FETCH 4 (FLAGS)");
}

TEST_F(WakingOfOneOfTwo, OwesExpungesToACommandByNumberAndTellsAllElse) {
  world_.Say(second_, "f FETCH 3:* (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 3, 4}});
  world_.AnswerList(2, {1, 3, 4});
  world_.AnswerFlush(0, {"* 2 EXPUNGE", "* 2 FETCH (FLAGS (\\Seen))"});
  EXPECT_EQ(world_.Hear(second_), "* 4 EXISTS");
  EXPECT_EQ(world_.Hear(second_), "* 3 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world_.NextAsked(2), "f FETCH 2:3 (FLAGS)");
}

TEST_F(WakingOfOneOfTwo, OwesExpungesUntilACommandWithALiteralIsWhole) {
  world_.Say(second_, "a APPEND INBOX {5}");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 3}, .uid_next = 4});
  world_.AnswerList(2, {1, 3});
  world_.AnswerFlush(0, {"* 2 EXPUNGE"});
  world_.HearsNothing(second_, 0.2);  // no command is in progress yet
  world_.Tell(2, "* 3 EXISTS");
  EXPECT_EQ(world_.Hear(second_), "* 4 EXISTS");
  world_.Tell(2, "+ go ahead");
  EXPECT_EQ(world_.Hear(second_), "+ go ahead");
  world_.Say(second_, "hello");
  EXPECT_EQ(world_.Hear(second_), "* 2 EXPUNGE");
  EXPECT_EQ(world_.NextAsked(2), "a APPEND INBOX {5}\r\nhello");
  world_.Tell(2, "a OK done");
  EXPECT_EQ(world_.Hear(second_), "a OK done");
}

TEST_F(WakingOfOneOfTwo, LeavesNothingSelectedWhenASelectCannotBeServed) {
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.Say(second_, "s SELECT Other");
  world_.HearsBeginning(second_, "s NO [UNAVAILABLE]");
  world_.StartIdle(second_);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(first_), "* 1 EXPUNGE");
  world_.HearsNothing(second_, 0.5);
}

TEST_F(WakingOfOneOfTwo, StaysParkedWhenTheStoreIsAway) {
  world_.RefuseLogins("NO [LIMIT] too many");
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.HearsBeginning(second_, "u NO [UNAVAILABLE]");
  world_.StartIdle(second_);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 1 EXPUNGE");
}

TEST_F(WakingOfOneOfTwo, IsHeldUpByAStoreThatSaysNothingForHalfAMinuteAtMost) {
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}});
  EXPECT_EQ(world_.NextAsked(0), "DONE");  // and the feed's session never answers
  world_.HearsNothing(second_, 25);
  world_.Pass(5);
  world_.HearsBeginning(second_, "u NO [UNAVAILABLE]");
  EXPECT_EQ(world_.figures().parked, 2u);
}

TEST_F(WakingOfOneOfTwo, SaysGoodbyeWhenTheMailboxWasReplaced) {
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}, .validity = 8});
  world_.HearsBeginning(second_, "* BYE ");
}

TEST_F(WakingOfOneOfTwo, AllWhoHoldALoginGoWhenItIsRefusedAndNobodyTriesAgain) {
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] who are you");
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.HearsBeginning(second_, "* BYE [UNAVAILABLE] The mail store no longer accepts this login");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Cut(0);
  world_.HearsBeginning(first_, "* BYE [UNAVAILABLE] The mail store no longer accepts this login");
  world_.Pass(60);
  EXPECT_EQ(world_.logins_refused(), 1u);
}

TEST_F(WakingOfOneOfTwo, TellsThatTheMailboxIsReadOnlyNow) {
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}, .read_only = true});
  world_.AnswerFlush(0);
  world_.HearsBeginning(second_, "* OK [READ-ONLY]");
  EXPECT_EQ(world_.NextAsked(2), "u UID FETCH 1 (FLAGS)");
}

TEST_F(WakingOfOneOfTwo, TellsThatTheMailboxCanBeWrittenAgain) {
  const size_t third = world_.LogInAndSelect({.uids = {1, 2, 3}, .read_only = true});
  world_.Join(third, 2, 0, {1, 2, 3});
  world_.EndIdle(third);
  world_.Say(third, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(3, "SELECT INBOX", {.uids = {1, 2, 3}});
  world_.AnswerFlush(0);
  world_.HearsBeginning(third, "* OK [READ-WRITE]");
  EXPECT_EQ(world_.NextAsked(3), "u UID FETCH 1 (FLAGS)");
}

TEST_F(WakingOfOneOfTwo, TellsPermanentFlagsThatAreOthersNow) {
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}, .permanent = "(\\Seen)"});
  world_.AnswerFlush(0);
  world_.HearsBeginning(second_, "* OK [PERMANENTFLAGS (\\Seen)]");
  EXPECT_EQ(world_.NextAsked(2), "u UID FETCH 1 (FLAGS)");
}

// Told NO rather than shown its mailbox as it was before.
TEST_F(WakingOfOneOfTwo, UsesNoSessionThatStaysBehindWhatTheClientWasTold) {
  world_.config().parking.pool_keep_s = 10;  // nor leaves it to whoever wakes next
  world_.Say(second_, "f FETCH 1 (FLAGS)");
  for (const size_t session : {2, 3}) {
    world_.AnswerSelect(session, "SELECT INBOX", {.uids = {1, 2}, .tells_uid_next = false});
    for (int tries = 0; tries < 6; ++tries) {
      world_.AnswerList(session, {1, 2});  // has not heard of UID 3
      world_.AnswerFlush(0);
    }
    EXPECT_NE(world_.NextAsked(session).find(" LOGOUT"), std::string::npos);
  }
  world_.HearsBeginning(second_, "f NO [UNAVAILABLE]");
  world_.AsksNothing(3, 1);
  EXPECT_EQ(world_.figures().parked, 2u);
  world_.StartIdle(second_);
  world_.Tell(0, "* 3 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 3 EXPUNGE");
  EXPECT_EQ(world_.sessions_seen(), 4u);
}

TEST_F(WakingOfOneOfTwo, UsesAnotherSessionWhenOneStaysBehind) {
  world_.Say(second_, "f FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2}, .tells_uid_next = false});
  for (int tries = 0; tries < 6; ++tries) {
    world_.AnswerList(2, {1, 2});
    world_.AnswerFlush(0);
  }
  world_.AnswerSelect(3, "SELECT INBOX", {.uids = {1, 2, 3}});
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.NextAsked(3), "f FETCH 1 (FLAGS)");
}

// UIDNEXT only grows: what a session shows that is below is not what the client knows.
TEST_F(WakingOfOneOfTwo, UsesNoSessionWhoseUidnextIsBehind) {
  world_.Say(second_, "f UID FETCH 1:* (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2}});  // UIDNEXT 3; it was 4
  EXPECT_NE(world_.NextAsked(2).find(" LOGOUT"), std::string::npos);
  world_.AnswerSelect(3, "SELECT INBOX", {.uids = {1, 2, 3}});
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.NextAsked(3), "f UID FETCH 1:* (FLAGS)");
}

// The driver of a mailbox that was put back hears nothing of it.
TEST_F(WakingOfOneOfTwo, HasTheFeedLookedAtWhereUidnextStaysBehind) {
  world_.Say(second_, "f UID FETCH 1:* (FLAGS)");
  for (size_t session = 2; session < 7; ++session) {
    world_.AnswerSelect(session, "SELECT INBOX", {.uids = {}});
    EXPECT_NE(world_.NextAsked(session).find(" LOGOUT"), std::string::npos);
  }
  world_.HearsBeginning(second_, "f NO [UNAVAILABLE]");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
}

// A driver that was adopted behind the store tells of a message that clients know to be gone: it is
// left out of the feed's view, and the driver's numbers are not theirs.
TEST(Waking, HandsNoDriverOverWhoseViewIsNotTheFeeds) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1, 2, 3}, .uid_next = 10});
  const std::string idle = world.ParkFirst(client, 0, {1, 2, 3});
  world.Tell(0, "* 5 EXISTS");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  const std::string fetch = world.Asked(0, "UID FETCH 4:* (UID)");
  const std::string again = world.Asked(0, "IDLE");
  world.Tell(0, idle + " OK done");
  world.Tell(0, "* 4 FETCH (UID 8)");
  world.Tell(0, "* 5 FETCH (UID 12)");
  world.Tell(0, fetch + " OK done");
  world.Tell(0, "+ idling");
  EXPECT_EQ(world.Hear(client), "* 4 EXISTS");
  world.Say(client, "DONE");
  world.HearUntil(client, "i");
  world.Say(client, "f FETCH 4 (FLAGS)");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, again + " OK done");
  EXPECT_NE(world.NextAsked(0).find(" LOGOUT"), std::string::npos);
  EXPECT_EQ(world.figures().feeds.handed_over, 0u);
  EXPECT_EQ(world.figures().feeds.recovering, 1u);
  world.HearsNothing(client, 0.1);
}

// CLOSE expunges where the mailbox may be written: it must not run on a session of another mode,
// and none of ours is ever closed by it.
TEST_F(WakingOfOneOfTwo, RunsTheClientsCloseInItsOwnMode) {
  const size_t third = world_.LogIn();
  world_.Say(third, "x EXAMINE INBOX");
  world_.AnswerSelect(2, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.HearUntil(third, "x");
  world_.Join(third, 2, 0, {1, 2, 3});
  world_.EndIdle(third);
  world_.Say(third, "c CLOSE");
  world_.AnswerSelect(3, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.NextAsked(3), "c CLOSE");
}

// The name is another mailbox's by now, and the others' driver is silent for ever.
TEST_F(WakingOfOneOfTwo, HasTheFeedLookedAtAgainWhenTheMailboxWasReplaced) {
  world_.Say(second_, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 2, 3}, .validity = 8});
  world_.HearsBeginning(second_, "* BYE ");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Cut(0);
  world_.AnswerEnable(3, "CONDSTORE");
  world_.AnswerSelect(3, "EXAMINE INBOX", {.uids = {1, 2, 3}, .validity = 8});
  world_.HearsBeginning(first_, "* BYE [UNAVAILABLE] The mailbox was replaced");
}

// A master user may have other rights than the user: what it sees must not be taken for the user's.
class WakingByProxy : public ::testing::Test {
 protected:
  WakingByProxy() {
    StoreConfig& store = world_.config().stores[0];
    store.login = StoreConfig::Login::kProxyAuthzid;
    store.master_user = "roost";
    store.master_password = "master";
    client_ = world_.LogInAndPark({1, 2});
    other_ = world_.LogInAndJoin({1, 2});
    world_.EndIdle(other_);
  }

  // The second client wakes; the session that the master user opens for it shows this.
  void Wake(const ScriptedWorld::Mailbox& mailbox, size_t session = 2) {
    world_.Say(other_, "u UID FETCH 1 (FLAGS)");
    world_.AnswerSelect(session, "SELECT INBOX", mailbox);
  }
  void ActsOn(size_t session, size_t driver = 0) {
    world_.AnswerFlush(driver);
    EXPECT_EQ(world_.NextAsked(session), "u UID FETCH 1 (FLAGS)");
    world_.Tell(session, "u OK done");
    world_.HearUntil(other_, "u");
  }
  void LogsOut(size_t session) {
    EXPECT_NE(world_.NextAsked(session).find(" LOGOUT"), std::string::npos);
  }
  void NewMaster() {
    world_.config().stores[0].master_user = "other";
    world_.TakeStores();
  }
  // No list of its messages, which would be for a feed.
  void KeepsItsSession(size_t client, size_t session) {
    world_.StartIdle(client, "k");
    const std::string idle = world_.Asked(session, "IDLE");
    world_.Tell(session, "+ idling");
    world_.Say(client, "DONE");
    EXPECT_EQ(world_.NextAsked(session), "DONE");
    world_.Tell(session, idle + " OK done");
    world_.HearsBeginning(client, "k OK");
  }

  static constexpr std::string_view kBye =
      "* BYE [UNAVAILABLE] This takes a session of your own; please connect again";
  const ScriptedWorld::Mailbox same_ = {.uids = {1, 2}};
  const ScriptedWorld::Mailbox more_ = {.uids = {1, 2}, .permanent = "(\\Seen \\Deleted \\*)"};
  ScriptedWorld world_;
  size_t client_ = 0;
  size_t other_ = 0;
};

TEST_F(WakingByProxy, SharesWhenTheFirstProxySessionSeesTheMailboxAsTheUserDoes) {
  Wake(same_);
  ActsOn(2);
  world_.StartIdle(other_, "j");
  world_.AnswerList(2, {1, 2});  // it joins
}

// It was handed over all the same, with `* OK [PERMANENTFLAGS]` of what the master user may do.
TEST_F(WakingByProxy, GivesNobodyASessionThatSeesTheMailboxOtherwise) {
  world_.config().parking.pool_keep_s = 60;
  Wake(more_);
  world_.HearsLast(other_, kBye);
  LogsOut(2);                       // nothing was done on it, nor is it kept
  world_.HearsLast(client_, kBye);  // which is parked
  const size_t again = world_.LogInAndSelect(same_);
  KeepsItsSession(again, 3);
}

TEST_F(WakingByProxy, EndsParkedClientsInTheirTimeWhenTheProxySeesItOtherwise) {
  world_.config().timeouts.bye_spread_s = 600;
  Wake(more_);
  world_.HearsLast(other_, kBye);
  world_.HearsNothing(client_, 1);
  world_.Say(client_, "DONE");
  world_.HearsLast(client_, kBye);
}

TEST_F(WakingByProxy, RemembersForAnHourThatTheProxySeesItOtherwise) {
  Wake(more_);
  world_.HearsLast(client_, kBye);
  EXPECT_EQ(world_.figures().clients, 0u);
  EXPECT_EQ(world_.figures().users, 1u);
  world_.Pass(3600);
  EXPECT_EQ(world_.figures().users, 0u);
}

// It parked, and its next command ran with whatever rights the master user has.
TEST_F(WakingByProxy, LeavesItsSessionToWhomHasNothingSelectedUntilItWasCompared) {
  const size_t third = world_.LogIn();
  KeepsItsSession(third, 2);
  Wake(same_, 3);
  ActsOn(3);
  world_.StartIdle(third, "j");
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().parked, 2u);
  world_.EndIdle(third, "j");
  world_.Say(third, "s SELECT Shared/x");
  EXPECT_EQ(world_.NextAsked(4), "s SELECT Shared/x");
}

TEST_F(WakingByProxy, LeavesItsSessionToWhomExaminesUntilItWasCompared) {
  const size_t third = world_.LogIn();
  world_.Say(third, "x EXAMINE INBOX");
  world_.AnswerSelect(2, "EXAMINE INBOX", same_);
  world_.HearUntil(third, "x");
  KeepsItsSession(third, 2);
}

TEST_F(WakingByProxy, EndsWhomARefusedSelectHasLeftWithoutAnythingToCompare) {
  world_.RefuseLogins("NO [UNAVAILABLE] later");
  world_.Say(other_, "s SELECT Shared/x");
  world_.HearsBeginning(other_, "s NO [UNAVAILABLE]");
  world_.RefuseLogins("");
  world_.Say(other_, "l LIST \"\" *");
  world_.HearsLast(other_, kBye);
  LogsOut(2);
  world_.HearsNothing(client_, 1);
}

TEST_F(WakingByProxy, JudgesAnotherMasterUserAnew) {
  world_.TakeStores();
  Wake(more_);
  world_.HearsLast(other_, kBye);
  NewMaster();
  client_ = world_.LogInAndPark({1, 2});
  other_ = world_.LogInAndSelect(same_);
  world_.Join(other_, 4, 3, {1, 2});
  world_.EndIdle(other_);
  Wake(same_, 5);
  EXPECT_EQ(world_.LoginOf(5),
            "AUTHENTICATE PLAIN " + ToBase64(std::string("ann\0other\0master", 16)));
  ActsOn(5, 3);
}

// What one master user's session has told is not what the user may do: compared with that, another
// one's was taken for the same.
TEST_F(WakingByProxy, ComparesWithWhatTheUsersOwnSessionsHaveToldOnly) {
  world_.TakeStores();
  Wake(same_);
  ActsOn(2);
  world_.StartIdle(other_, "j");
  world_.AnswerList(2, {1, 2});
  world_.AnswerFlush(0);
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().parked, 2u);
  world_.EndIdle(other_, "j");
  NewMaster();
  Wake(same_, 3);
  world_.HearsLast(other_, kBye);
  world_.HearsNothing(client_, 1);
  other_ = world_.LogInAndSelect(same_);
  world_.Join(other_, 4, 0, {1, 2});
  world_.EndIdle(other_);
  Wake(same_, 5);
  ActsOn(5);
}

// The one before was found to see what the user does. Of the one now nothing is known.
TEST_F(WakingByProxy, LeavesClientsTheSessionsOfTheMasterUserBefore) {
  world_.TakeStores();
  Wake(same_);
  ActsOn(2);
  NewMaster();
  KeepsItsSession(other_, 2);
}

// What a session shows that the one before opened says nothing about the present one.
class WakingAcrossMasters : public WakingByProxy {
 protected:
  WakingAcrossMasters() {
    world_.config().stores[0].max_logins_in_progress = 1;
    world_.TakeStores();
    world_.HoldLogins(true);
  }
  void Wakes() {
    world_.Say(other_, "u UID FETCH 1 (FLAGS)");
    world_.Pass(0.1);
  }
  // The master user is another one now; the one before was still to log in, as this session.
  void JudgesNobodyBy(size_t session) {
    NewMaster();
    world_.HoldLogins(false);
    world_.AnswerSelect(session, "SELECT INBOX", more_);
    EXPECT_EQ(world_.LoginOf(session),
              "AUTHENTICATE PLAIN " + ToBase64(std::string("ann\0roost\0master", 16)));
    LogsOut(session);
    world_.AnswerSelect(session + 1, "SELECT INBOX", same_);
    ActsOn(session + 1);
    world_.StartIdle(other_, "j");
    world_.AnswerList(session + 1, {1, 2});  // it joins
  }
};

TEST_F(WakingAcrossMasters, IsJudgedByNobodyWhoWasLoggingIn) {
  Wakes();
  JudgesNobodyBy(2);
}

TEST_F(WakingAcrossMasters, IsJudgedByNobodyWhoWaitedToLogIn) {
  world_.Say(world_.Connect(), "l LOGIN bob secret");
  world_.Pass(0.1);
  Wakes();
  EXPECT_EQ(world_.figures().sessions.waiting, 1u);
  JudgesNobodyBy(3);
}

}  // namespace
}  // namespace roost
