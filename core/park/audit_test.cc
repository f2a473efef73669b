#include "core/park/audit.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;

// A client parked on INBOX with UIDs 1 to 3; session 0 drives. Sessions from 1 on are the audit's,
// as long as nothing else wants one.
class AuditTest : public ::testing::Test {
 protected:
  static constexpr int kPeriod = 20;
  static constexpr int kLooks = 5;

  AuditTest() {
    client_ = world_.LogInAndSelect({.uids = {1, 2, 3}});
    world_.StartIdle(client_);
    world_.AnswerList(0, {1, 2, 3});
    idle_ = world_.Asked(0, "IDLE");
    world_.Tell(0, "+ idling");
    world_.Pass(0.1);
  }
  void SwitchOn() {
    world_.config().parking.audit_s = kPeriod;
    world_.TakeSwitches();
  }
  // Switched on, it is time for an audit; no other follows.
  void AuditOnce() {
    SwitchOn();
    world_.Pass(kPeriod);
    SwitchOff();
  }
  void SwitchOff() {
    world_.config().parking.audit_s = 0;
    world_.TakeSwitches();
  }
  // One look of an audit that sees `uids`; the driver has `news` when it flushes.
  void Look(size_t session, const Uids& uids, const std::vector<std::string>& news = {}) {
    world_.AwaitSession(session);
    world_.AnswerSelect(session, "EXAMINE INBOX", {.uids = uids, .uid_next = 4});
    world_.AnswerList(session, uids);
    idle_ = world_.AnswerFlush(0, news);
    world_.Asked(session, "LOGOUT");
  }
  // The driver is stopped, and a new one found: session number `session`.
  void Recovers(size_t session, const ScriptedWorld::Mailbox& mailbox) {
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    world_.Tell(0, idle_ + " OK done");
    world_.AnswerEnable(session, "CONDSTORE");
    world_.AnswerSelect(session, "EXAMINE INBOX", mailbox);
  }
  FeedStats feeds() { return world_.figures().feeds; }

  ScriptedWorld world_;
  size_t client_ = 0;
  std::string idle_;  // the tag of the driver's IDLE
};

TEST_F(AuditTest, AgreesWhenTheFeedHasWhatAFreshListHas) {
  AuditOnce();
  Look(1, {1, 2, 3});
  world_.HearsNothing(client_, 60);
  EXPECT_EQ(feeds().audits, 1u);
  EXPECT_EQ(feeds().audit_mismatches, 0u);
  EXPECT_EQ(feeds().audits_unavailable, 0u);
  EXPECT_EQ(world_.sessions_seen(), 2u);
  EXPECT_EQ(world_.sessions_open(), 1u);
}

TEST_F(AuditTest, AgreesWhenTheFlushBringsWhatTheListHadAlready) {
  AuditOnce();
  Look(1, {1, 3}, {"* 2 EXPUNGE"});
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  world_.HearsNothing(client_, 10);
  EXPECT_EQ(feeds().audits, 1u);
  EXPECT_EQ(world_.sessions_seen(), 2u);
}

TEST_F(AuditTest, DoesNotCountADifferenceThatIsNotThereWhenItLooksAgain) {
  AuditOnce();
  Look(1, {1, 3});  // the feed's session hears of it two seconds later
  EXPECT_EQ(feeds().audits, 0u);
  world_.Pass(2);
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  Look(2, {1, 3});
  world_.HearsNothing(client_, 20);
  EXPECT_EQ(feeds().audits, 1u);
  EXPECT_EQ(feeds().audit_mismatches, 0u);
  EXPECT_EQ(feeds().recovered, 0u);
}

// Two sessions that run apart in a busy mailbox differ each time, and each time in other messages.
TEST_F(AuditTest, DoesNotCountDifferencesThatAreOthersAtEachLook) {
  AuditOnce();
  Look(1, {2, 3});
  Look(2, {1, 3});
  world_.HearsNothing(client_, 20);
  EXPECT_EQ(feeds().audits, 1u);
  EXPECT_EQ(feeds().audit_mismatches, 0u);
  EXPECT_EQ(world_.sessions_seen(), 3u);
}

TEST_F(AuditTest, CountsAndLogsALastingDifferenceAndHasTheFeedRecover) {
  AuditOnce();
  testing::internal::CaptureStderr();
  for (size_t look = 1; look <= kLooks; ++look) Look(look, {1, 3});
  const size_t next = kLooks + 1;
  Recovers(next, {.uids = {1, 3}, .uid_next = 4});
  const std::string log = testing::internal::GetCapturedStderr();
  world_.AnswerList(next, {1, 3});
  world_.Answer(next, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Asked(next, "IDLE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  EXPECT_EQ(feeds().audits, 1u);
  EXPECT_EQ(feeds().audit_mismatches, 1u);
  EXPECT_EQ(feeds().recovered, 1u);
  EXPECT_NE(log.find(" error audit_mismatch store=scripted user=ann mailbox=INBOX messages=3 "
                     "missing=0 extra=1\n"),
            std::string::npos)
      << log;
}

// A message that clients were never told of, in the middle: nothing that could be told is true.
TEST_F(AuditTest, EndsInGoodbyeWhereAMessageIsMissingInTheMiddle) {
  world_.config().parking.reconnect_max_ms = 500;
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  AuditOnce();
  for (size_t look = 1; look <= kLooks; ++look) Look(look, {1, 2, 3});
  size_t next = kLooks + 1;
  Recovers(next, {.uids = {1, 2, 3}});
  world_.AnswerList(next, {1, 2, 3});
  world_.Answer(next, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  for (int more = 0; more < 4; ++more) {
    ++next;
    world_.AnswerEnable(next, "CONDSTORE");
    world_.AnswerSelect(next, "EXAMINE INBOX", {.uids = {1, 2, 3}});
    world_.AnswerList(next, {1, 2, 3});
    world_.Answer(next, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  }
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE]");
  EXPECT_EQ(feeds().audit_mismatches, 1u);
}

TEST_F(AuditTest, HasAFeedRecoverWhoseNameMeansAnotherMailboxNow) {
  AuditOnce();
  for (size_t look = 1; look <= kLooks; ++look) {
    world_.AwaitSession(look);
    world_.AnswerSelect(look, "EXAMINE INBOX", {.uids = {1, 2, 3}, .validity = 8});
    world_.Asked(look, "LOGOUT");
  }
  Recovers(kLooks + 1, {.uids = {1, 2, 3}, .validity = 8});
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE] The mailbox was replaced");
  EXPECT_EQ(feeds().audits_replaced, 1u);
  EXPECT_EQ(feeds().audit_mismatches, 0u);
}

TEST_F(AuditTest, TakesARefusedSelectForAPassingOneUntilItHasLookedAgain) {
  AuditOnce();
  world_.AwaitSession(1);
  const std::string select = world_.Asked(1, "EXAMINE INBOX");
  world_.Tell(1, select + " NO not just now");
  world_.Asked(1, "LOGOUT");
  Look(2, {1, 2, 3});
  world_.HearsNothing(client_, 20);
  EXPECT_EQ(feeds().audits, 1u);
  EXPECT_EQ(feeds().audits_replaced, 0u);
}

TEST_F(AuditTest, IsSwitchedOffAndOnWhileRunning) {
  world_.AsksNothing(0, 300);
  EXPECT_EQ(world_.sessions_seen(), 1u);
  SwitchOn();
  world_.Pass(kPeriod);
  Look(1, {1, 2, 3});
  world_.Pass(kPeriod);
  Look(2, {1, 2, 3});
  SwitchOff();
  world_.AsksNothing(0, 300);
  EXPECT_EQ(world_.sessions_seen(), 3u);
  EXPECT_EQ(feeds().audits, 2u);
}

TEST_F(AuditTest, TakesTheFeedsInTurn) {
  world_.LogInAndPark({1, 2, 3}, "bob");
  SwitchOn();
  for (size_t session = 2; session <= 5; ++session) {
    world_.Pass(kPeriod);
    world_.AwaitSession(session);
    world_.AnswerSelect(session, "EXAMINE INBOX", {.uids = {1, 2, 3}});
    world_.AnswerList(session, {1, 2, 3});
    world_.AnswerFlush(session % 2);
    EXPECT_EQ(world_.LoginOf(session), world_.LoginOf(session % 2));
    world_.Asked(session, "LOGOUT");
  }
}

TEST_F(AuditTest, PassesAFeedOverWhoseDriverIsSpeaking) {
  SwitchOn();
  for (int second = 0; second < 3 * kPeriod; ++second) {
    world_.Tell(0, "* OK still here");
    world_.Pass(1);
  }
  EXPECT_EQ(world_.sessions_seen(), 1u);
  world_.Pass(kPeriod);
  Look(1, {1, 2, 3});
}

TEST_F(AuditTest, ComesToNoVerdictWhenTheStoreTakesNoLogin) {
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  AuditOnce();
  world_.HearsNothing(client_, 10);
  EXPECT_EQ(feeds().audits, 0u);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  EXPECT_EQ(feeds().recovered, 0u);
}

TEST_F(AuditTest, ComesToNoVerdictWhenItsSessionIsLost) {
  AuditOnce();
  world_.AwaitSession(1);
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 3}});
  world_.Cut(1);
  world_.HearsNothing(client_, 20);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  EXPECT_EQ(world_.sessions_seen(), 2u);
}

TEST_F(AuditTest, ComesToNoVerdictWhenTheDriverIsLost) {
  AuditOnce();
  world_.AwaitSession(1);
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.Cut(0);
  world_.AnswerList(1, {1, 2, 3});
  world_.Pass(0.1);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
}

TEST_F(AuditTest, EndsThoseWhoHoldAPasswordThatIsRefusedForGood) {
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  AuditOnce();
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Tell(0, idle_ + " OK done");
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE] The mail store no longer accepts this login");
  world_.Pass(0.1);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  EXPECT_EQ(feeds().feeds, 0u);
}

// A master password that no longer serves is not the clients'; and it is not tried again for an
// audit.
TEST_F(AuditTest, LeavesClientsAloneWhenAMasterLoginIsRefused) {
  world_.Hang(client_);
  world_.Pass(1);
  StoreConfig& store = world_.config().stores[0];
  store.login = StoreConfig::Login::kProxyAuthzid;
  store.master_user = "roost";
  store.master_password = "m";
  const size_t bob = world_.LogIn("bob");
  world_.Select(bob, 1, {.uids = {1, 2, 3}});
  world_.ParkFirst(bob, 1, {1, 2, 3});
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  SwitchOn();
  world_.Pass(kPeriod + 1);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  world_.RefuseLogins("");
  world_.HearsNothing(bob, 5 * kPeriod);
  EXPECT_EQ(world_.sessions_seen(), 2u);
  world_.Tell(1, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(bob), "* 2 EXPUNGE");
}

TEST_F(AuditTest, DoesNotWaitForAPlaceThatIsTaken) {
  world_.config().stores[0].max_sessions = 1;
  AuditOnce();
  EXPECT_EQ(world_.sessions_seen(), 1u);
  EXPECT_EQ(feeds().audits_unavailable, 1u);  // at once: others wait for ten seconds
}

TEST_F(AuditTest, GivesUpItsSessionToAClientThatNeedsThePlace) {
  world_.config().stores[0].max_sessions = 2;
  AuditOnce();
  world_.Asked(1, "EXAMINE INBOX");
  const size_t bob = world_.LogIn("bob");
  EXPECT_FALSE(world_.closed(bob));
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  EXPECT_EQ(world_.sessions_open(), 2u);
}

TEST_F(AuditTest, GivesUpItsSessionToAnotherOfItsUser) {
  world_.config().stores[0].max_sessions_per_user = 2;
  AuditOnce();
  world_.Asked(1, "EXAMINE INBOX");
  world_.LogIn("bob");  // is not held up
  EXPECT_EQ(feeds().audits_unavailable, 0u);
  world_.LogIn("ann");
  EXPECT_EQ(feeds().audits_unavailable, 1u);
}

TEST_F(AuditTest, GivesUpItsLoginToAClientThatLogsIn) {
  world_.config().stores[0].max_logins_in_progress = 1;
  const size_t bob = world_.Connect();
  world_.HoldLogins(true);
  AuditOnce();
  EXPECT_EQ(world_.figures().sessions.logging_in, 1u);
  world_.Say(bob, "l LOGIN bob secret");
  world_.Pass(0.5);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  EXPECT_EQ(world_.figures().sessions.logging_in, 1u);
  world_.HoldLogins(false);
  world_.HearsBeginning(bob, "l OK");
}

TEST_F(AuditTest, EndsWithItsFeed) {
  AuditOnce();
  world_.Asked(1, "EXAMINE INBOX");
  world_.Hang(client_);
  world_.Pass(1);
  EXPECT_EQ(feeds().feeds, 0u);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
  EXPECT_EQ(world_.sessions_open(), 0u);
}

// What the driver says ends the feed's last subscriber, in the very turn in which EXAMINE is
// answered: the session, which nobody wants any more, is in the middle of its input then.
TEST_F(AuditTest, EndsWithItsFeedWhileItsSessionSpeaks) {
  world_.config().parking.log_entries_max = 8;
  const size_t bob = world_.LogInAndPark({1}, "bob");
  world_.EndIdle(bob);
  world_.Hang(client_);
  AuditOnce();
  const std::string examine = world_.Asked(2, "EXAMINE INBOX");
  world_.Tell(2, "* 1 EXISTS");
  world_.Tell(2, "* OK [UIDVALIDITY 7] x");
  world_.Pass(0.1);
  // What the driver hears takes two turns, a poll and a receive: so does this, by its length. The
  // feed ends in the turn in which the audit's session speaks.
  for (int i = 0; i < 12; ++i) world_.Tell(1, "* OK [ALERT] " + std::to_string(i));
  world_.Tell(2, "* OK " + std::string(IoLimits().small_buffer, 'x'));
  world_.Tell(2, examine + " OK [READ-ONLY] done");
  world_.HearsBeginning(bob, "* BYE [UNAVAILABLE] Too far behind");
  world_.Asked(2, "LOGOUT");
  EXPECT_EQ(feeds().feeds, 0u);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
}

TEST_F(AuditTest, KeepsNobodyFromTakingTheDriver) {
  AuditOnce();
  world_.AwaitSession(1);
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.Say(client_, "DONE");
  world_.HearUntil(client_, "i");
  world_.Say(client_, "f FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Tell(0, idle_ + " OK done");
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 1 (FLAGS)");
  EXPECT_EQ(feeds().handed_over, 1u);
  EXPECT_EQ(feeds().audits_unavailable, 1u);
}

}  // namespace
}  // namespace roost
