#include <gtest/gtest.h>

#include "core/client/relay.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr double kSilence = 10;

class QuietTest : public ::testing::Test {
 protected:
  QuietTest() {
    world_.config().parking.quiet_park_s = static_cast<int>(kSilence);
    client_ = world_.LogIn();
  }

  // The client is silent until the attempt begins.
  void BecomeQuiet() { world_.Pass(kSilence - 1); }
  // From the select to parked on its own session, which drives the feed.
  void ParkFirst(const std::vector<uint32_t>& uids) {
    world_.Select(client_, 0, {.uids = uids});
    BecomeQuiet();
    world_.AnswerList(0, uids);
    driver_idle_ = world_.Asked(0, "IDLE");
    world_.Tell(0, "+ idling");
    world_.Pass(0.5);
    EXPECT_EQ(world_.figures().parked, 1u);
    EXPECT_EQ(world_.figures().asleep, 1u);
  }

  ScriptedWorld world_;
  size_t client_ = 0;
  std::string driver_idle_;
};

TEST_F(QuietTest, ParksWithoutAWordAndOwesWhatComes) {
  ParkFirst({1, 2});
  EXPECT_EQ(world_.figures().client_stats.quiet_parks, 1u);
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
  world_.HearsNothing(client_, 2);
  world_.Say(client_, "n NOOP");
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS (\\Seen))");
  world_.HearsBeginning(client_, "n OK");
}

TEST_F(QuietTest, OwesWhatTheListingItselfBroughtToLight) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  BecomeQuiet();
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, "* 3 EXISTS");
  world_.Tell(0, "* 2 FETCH (FLAGS (\\Flagged))");
  world_.Tell(0, noop + " OK");
  const std::string list = world_.AskedList(0);
  world_.TellList(0, list, "1:3");
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.HearsNothing(client_, 1);
  EXPECT_EQ(world_.figures().parked, 1u);
  world_.StartIdle(client_);
  EXPECT_EQ(world_.Hear(client_), "* 3 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (FLAGS (\\Flagged))");
  world_.HearsNothing(client_, 1);
}

TEST_F(QuietTest, KeepsItsSessionWhenAnExpungeComesBeforeTheList) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  BecomeQuiet();
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, noop + " OK");
  const std::string list = world_.AskedList(0);
  world_.TellList(0, list, "2");
  world_.HearsNothing(client_, 3 * kSilence);  // and is asked no more
  world_.AsksNothing(0, 1);
  EXPECT_EQ(world_.figures().parked, 0u);
  world_.Tell(0, "* 2 EXISTS");  // makes sense only behind what is withheld
  world_.HearsNothing(client_, 1);
  // Its numbers are of before: a command that uses them must not be run, nor the change be told.
  world_.Say(client_, "f FETCH 2 (FLAGS)");
  world_.HearsBeginning(client_, "f NO [EXPUNGEISSUED]");
  world_.Say(client_, "x XSTRANGE {1+}\r\n1");  // refused for what it is
  world_.HearsBeginning(client_, "x BAD");
  world_.AsksNothing(0, 0.2);
  world_.Say(client_, "n NOOP");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "n NOOP");
  world_.Tell(0, "n OK done");
  EXPECT_EQ(world_.Hear(client_), "n OK done");
  BecomeQuiet();
  world_.AnswerList(0, {2, 3});  // the next silence is another chance
  world_.Asked(0, "IDLE");
}

TEST_F(QuietTest, LetsACommandWaitUntilItsSessionIsSettled) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  BecomeQuiet();
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, "* 3 EXISTS");
  world_.Say(client_, "f FETCH 3 (FLAGS)");
  world_.AsksNothing(0, 1);
  world_.HearsNothing(client_, 0.1);
  world_.Tell(0, noop + " OK");
  const std::string list = world_.AskedList(0);
  world_.HearsNothing(client_, 0.1);
  world_.TellList(0, list, "1:3");
  EXPECT_EQ(world_.Hear(client_), "* 3 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 3 (FLAGS)");
}

TEST_F(QuietTest, JoinsAFeedThatHasTheSameView) {
  ParkFirst({1, 2});
  const size_t second = world_.LogInAndSelect({.uids = {1, 2}});
  BecomeQuiet();
  world_.AnswerList(1, {1, 2});
  world_.AnswerFlush(0);
  world_.Pass(0.5);
  EXPECT_EQ(world_.figures().parked, 2u);
  EXPECT_EQ(world_.sessions_open(), 1u);
  world_.Tell(0, "* 2 EXPUNGE");
  world_.HearsNothing(second, 1);
  world_.StartIdle(second);
  EXPECT_EQ(world_.Hear(second), "* 2 EXPUNGE");
}

TEST_F(QuietTest, IsOwedWhatTheFeedLearnedWhileItJoined) {
  ParkFirst({1, 2});
  const size_t second = world_.LogInAndSelect({.uids = {1, 2}});
  BecomeQuiet();
  world_.AnswerList(1, {1, 2});
  world_.AnswerFlush(0, {"* 1 EXPUNGE", "* 1 FETCH (FLAGS (\\Seen))"});
  world_.HearsNothing(second, 0.5);
  EXPECT_EQ(world_.figures().parked, 2u);
  world_.StartIdle(second);
  EXPECT_EQ(world_.Hear(second), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second), "* 1 FETCH (FLAGS (\\Seen))");
}

TEST_F(QuietTest, DoesNotJoinAFeedThatIsAheadOfIt) {
  ParkFirst({1, 2});
  const size_t second = world_.LogInAndSelect({.uids = {1, 2}});
  world_.Tell(0, "* 1 EXPUNGE");  // told to the feed alone, and forgotten by its log
  world_.Say(client_, "n NOOP");
  world_.AnswerFlush(0);
  world_.HearUntil(client_, "n");
  world_.Pass(kSilence - 2);
  world_.AnswerList(1, {1, 2});
  world_.AnswerFlush(0);
  world_.Pass(0.5);
  EXPECT_EQ(world_.figures().parked, 1u);
  EXPECT_EQ(world_.sessions_open(), 2u);
  world_.HearsNothing(second, 1);
}

// An expunge is withheld, and the silence could not be parked.
class WithheldTest : public QuietTest {
 protected:
  WithheldTest() {
    world_.Select(client_, 0, {.uids = {1, 2}});
    BecomeQuiet();
    const std::string noop = world_.Asked(0, "NOOP");
    world_.Tell(0, "* 1 EXPUNGE");
    world_.Tell(0, noop + " OK");
    const std::string list = world_.AskedList(0);
    world_.TellList(0, list, "2");
    world_.HearsNothing(client_, 1);
  }
};

TEST_F(WithheldTest, IsToldNoExpungeBeforeItsCommandIsWhole) {
  world_.Say(client_, "a APPEND INBOX {5}");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "* 2 EXISTS");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "+ go");
  EXPECT_EQ(world_.Hear(client_), "+ go");
  world_.Say(client_, "hello");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "a APPEND INBOX {5}\r\nhello");
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(client_), "a OK done");
}

TEST_F(WithheldTest, IsToldNoExpungeByACommandWhoseLiteralTheStoreRefuses) {
  world_.Say(client_, "a APPEND Nowhere {5}");
  world_.Pass(0.1);
  world_.Tell(0, "a NO [TRYCREATE] no such mailbox");
  EXPECT_EQ(world_.Hear(client_), "a NO [TRYCREATE] no such mailbox");
  world_.HearsNothing(client_, 0.2);
  world_.Say(client_, "n NOOP");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
}

TEST_F(WithheldTest, AnswersARefusalAlsoWhenHalfAResponseWasWithheld) {
  world_.Tell(0, "* LIST () \"/\" {3}");
  world_.Say(client_, "f FETCH 2 (FLAGS)");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "abc");
  world_.HearsBeginning(client_, "f NO [EXPUNGEISSUED]");
}

TEST_F(QuietTest, IsNotToldOfCapabilitiesUntilItSpeaks) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  BecomeQuiet();
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, "* CAPABILITY IMAP4rev1 IDLE COMPRESS=DEFLATE");
  world_.HearsNothing(client_, 0.5);
  world_.Say(client_, "n NOOP");
  world_.Tell(0, noop + " OK");
  const std::string list = world_.Asked(0, "UID SEARCH ALL");
  world_.Tell(0, "* SEARCH 1 2");
  world_.Tell(0, list + " OK");
  EXPECT_EQ(world_.Hear(client_), "* CAPABILITY IMAP4rev1 IDLE");
  EXPECT_EQ(world_.NextAsked(0), "n NOOP");
}

TEST_F(QuietTest, ParksWithNothingSelectedAndOwnsNoSession) {
  BecomeQuiet();
  world_.Pass(2);
  EXPECT_EQ(world_.figures().parked, 1u);
  EXPECT_EQ(world_.sessions_open(), 0u);
  world_.Say(client_, "l LIST \"\" *");
  world_.AwaitSession(1);
  EXPECT_EQ(world_.NextAsked(1), "l LIST \"\" *");
  world_.Tell(1, "l OK done");
  EXPECT_EQ(world_.Hear(client_), "l OK done");
}

TEST_F(QuietTest, NeverParksWithHalfACommand) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  world_.Say(client_, "a APPEND INBOX {5}");
  world_.Pass(0.1);
  world_.Tell(0, "+ go");
  EXPECT_EQ(world_.Hear(client_), "+ go");
  world_.Pass(3 * kSilence);
  EXPECT_EQ(world_.figures().attached, 1u);
  world_.Say(client_, "hello");
  EXPECT_EQ(world_.NextAsked(0), "a APPEND INBOX {5}\r\nhello");
}

TEST_F(QuietTest, NeverParksWithACommandUnanswered) {
  world_.Select(client_, 0, {.uids = {1, 2}});
  world_.Say(client_, "s UID SEARCH TEXT x");
  world_.NextAsked(0);
  world_.AsksNothing(0, 3 * kSilence);
  EXPECT_EQ(world_.figures().attached, 1u);
}

TEST_F(QuietTest, KeepsItsSessionWhereParkingWithoutIdleIsOff) {
  world_.config().parking.quiet_park_s = 0;
  world_.LogInAndSelect({.uids = {1}});
  world_.AsksNothing(1, 100);
}

// A store may name in VANISHED what it never announced (RFC 7162, 3.2.10.2, forbids it): the count
// that is left may be too low, and what the list has beyond it be the client's already.
TEST(QuietQresync, StaysWhereItsCountIsInDoubt) {
  ScriptedWorld world(
      "IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE QRESYNC UNSELECT SASL-IR AUTH=PLAIN");
  world.config().parking.quiet_park_s = static_cast<int>(kSilence);
  for (const bool arrives : {true, false}) {
    const size_t session = arrives ? 0 : 1;
    const size_t client = world.LogIn();
    world.Enable(client, session, "QRESYNC");
    world.Select(client, session, {.uids = {1, 2, 3, 4, 5}});
    world.Say(client, "a NOOP");
    const std::string own = world.Asked(session, "NOOP");
    world.Tell(session, arrives ? "* VANISHED 3,9" : "* VANISHED 3,5");
    world.Tell(session, own + " OK done");
    EXPECT_EQ(world.Hear(client), arrives ? "* VANISHED 3,9" : "* VANISHED 3,5");
    world.HearsBeginning(client, "a OK");
    world.Pass(kSilence - 1);
    const std::string noop = world.Asked(session, "NOOP");
    if (arrives) world.Tell(session, "* 5 EXISTS");
    world.Tell(session, noop + " OK done");
    const std::string list = world.AskedList(session);
    world.TellList(session, list, arrives ? "1:2,4:5,10" : "1:2,4");
    world.Pass(0.5);
    if (arrives) {
      EXPECT_EQ(world.figures().parked, 0u);
      world.Say(client, "n NOOP");
      EXPECT_EQ(world.Hear(client), "* 5 EXISTS");
    } else {
      world.Asked(session, "IDLE");
      world.Tell(session, "+ idling");
      world.Pass(0.5);
      EXPECT_EQ(world.figures().parked, 1u);
    }
  }
}

}  // namespace
}  // namespace roost
