#include "core/park/recovery.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

// A client parked on INBOX with UIDs 1 to 3, whose driver has just died.
class RecoveryTest : public ::testing::Test {
 protected:
  explicit RecoveryTest(std::string_view capabilities = ScriptedWorld::kCapabilities,
                        uint64_t modseq = 5)
      : world_(capabilities) {
    client_ = world_.LogInAndSelect({.uids = {1, 2, 3}, .modseq = modseq});
    world_.ParkFirst(client_, 0, {1, 2, 3});
    world_.Cut(0);
  }
  // The driver's IDLE: nothing of it is left to be answered.
  void Drives(size_t session) {
    world_.Asked(session, "IDLE");
    world_.Tell(session, "+ idling");
  }

  // The recovery, to its end; nothing has changed.
  void GoesOn(size_t session) {
    Reopens(session, {.uids = {1, 2, 3}});
    world_.AnswerList(session, {1, 2, 3});
    world_.Answer(session, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
    Drives(session);
  }

  // The same where the store does not enable what it offers.
  void GoesOnWithoutCondstore() {
    world_.Answer(1, "ENABLE CONDSTORE");
    world_.AnswerSelect(2, "EXAMINE INBOX", {.uids = {1, 2, 3}});
    world_.AnswerList(2, {1, 2, 3});
    world_.Answer(2, "UID FETCH 1:* (FLAGS)");
    Drives(2);
  }

  // The recovery's session up to its list.
  void Reopens(size_t session, const ScriptedWorld::Mailbox& mailbox) {
    world_.AnswerEnable(session, "CONDSTORE");
    world_.AnswerSelect(session, "EXAMINE INBOX", mailbox);
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

// Of as many messages as one line can claim each would be told.
TEST_F(RecoveryTest, SaysGoodbyeWhenTheMailboxHasGrownTooLargeMeanwhile) {
  Reopens(1, {.uids = {1, 2, 3}});
  const uint32_t many = Feed::kMostMessages / 8 * 9 + 1;
  world_.Tell(1, "* " + std::to_string(many) + " EXISTS");
  world_.Answer(1, "NOOP");
  const std::string list = world_.AskedList(1);
  world_.TellList(1, list, "1:" + std::to_string(many));
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE] The mailbox has become too large");
  EXPECT_EQ(world_.figures().feeds.feeds, 0u);
}

// Flags may have been told in any order (14, 17, 13); only SELECT said up to where all is known.
TEST_F(RecoveryTest, AsksFromTheConfirmedModseqNotFromOneOfFlags) {
  Reopens(1, {.uids = {1, 2, 3}, .modseq = 9});
  world_.AnswerList(1, {1, 2, 3});
  const std::string fetch = world_.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Tell(1, fetch + " OK done");
  Drives(1);
  world_.Tell(1, "* 1 FETCH (UID 1 MODSEQ (17) FLAGS (\\Seen))");
  world_.Tell(1, "* 2 FETCH (UID 2 MODSEQ (13) FLAGS ())");
  world_.Tell(1, "* OK [HIGHESTMODSEQ 20] in passing");
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS (\\Seen))");
  world_.Cut(1);
  Reopens(2, {.uids = {1, 2, 3}, .modseq = 20});
  world_.AnswerList(2, {1, 2, 3});
  world_.Asked(2, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 9)");
}

TEST_F(RecoveryTest, WaitsForASessionWhoseUidnextOrModseqIsBehindAndThenSaysGoodbye) {
  world_.config().parking.reconnect_max_ms = 1000;
  Reopens(1, {.uids = {1, 2, 3}, .uid_next = 3});  // it was 4
  Reopens(2, {.uids = {1, 2, 3}, .modseq = 4});    // it was 5
  Reopens(3, {.uids = {}, .uid_next = 1});
  world_.HearsNothing(client_, 0.1);
  Reopens(4, {.uids = {}, .uid_next = 1});
  Reopens(5, {.uids = {}, .uid_next = 1});
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE] The mailbox went back in time");
}

TEST_F(RecoveryTest, GoesOnWhenWhatWasBehindHasCaughtUp) {
  Reopens(1, {.uids = {1, 2, 3}, .modseq = 4});
  Reopens(2, {.uids = {1, 2, 3}});
  world_.AnswerList(2, {1, 2, 3});
  world_.Answer(2, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  Drives(2);
  world_.Tell(2, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
}

// The server of the session that is at hand may be behind the one before.
TEST_F(RecoveryTest, ForgetsNoKeywordThatMessagesHave) {
  const auto goes_on = [this](size_t session, const std::string& flags) {
    Reopens(session, {.uids = {1, 2, 3}, .flags = flags});
    world_.AnswerList(session, {1, 2, 3});
    world_.Answer(session, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
    Drives(session);
  };
  goes_on(1, "(\\Seen \\Deleted $a)");
  EXPECT_EQ(world_.Hear(client_), "* FLAGS (\\Seen \\Deleted $a)");
  world_.Cut(1);
  goes_on(2, "(\\Deleted \\Seen)");
  world_.HearsNothing(client_, 0.1);
  world_.Cut(2);
  goes_on(3, "(\\Seen $B)");
  EXPECT_EQ(world_.Hear(client_), "* FLAGS (\\Seen \\Deleted $a $B)");
}

// Where a UID is, there is no room for a horizon above it in 32 bits.
TEST(RecoveryAtTheEnd, TellsThatTheVeryLastUidIsGone) {
  ScriptedWorld world;
  const size_t client = world.LogInAndPark({1, 4294967295});
  world.Cut(0);
  world.AnswerEnable(1, "CONDSTORE");
  world.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1}, .uid_next = 4294967296});
  world.AnswerList(1, {1});
  world.Answer(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  EXPECT_EQ(world.Hear(client), "* 2 EXPUNGE");
}

class RecoveryWithoutCondstore : public RecoveryTest {
 protected:
  RecoveryWithoutCondstore() : RecoveryTest("IMAP4rev1 IDLE ESEARCH AUTH=PLAIN SASL-IR") {
    world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3}});
    world_.AnswerList(1, {1, 2, 3});
    fetch_ = world_.Asked(1, "UID FETCH 1:* (FLAGS)");
  }
  void TellFlags(uint32_t message, std::string_view flags) {
    const std::string number = std::to_string(message);
    world_.Tell(1,
                "* " + number + " FETCH (UID " + number + " FLAGS (" + std::string(flags) + "))");
  }

  std::string fetch_;  // its tag
};

// The feed's first session did not tell a HIGHESTMODSEQ.
class RecoveryFromNoModseq : public RecoveryTest {
 protected:
  RecoveryFromNoModseq() : RecoveryTest(ScriptedWorld::kCapabilities, 0) {}
};

TEST_F(RecoveryTest, TellsTheDifferenceAndNothingElse) {
  world_.HearsNothing(client_, 0.01);
  world_.AwaitSession(1);
  world_.AnswerEnable(1, "CONDSTORE");
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 3, 4}});
  world_.AnswerList(1, {1, 3, 4});
  // Since the MODSEQ that SELECT confirmed.
  const std::string fetch = world_.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Tell(1, "* 2 FETCH (UID 3 MODSEQ (9) FLAGS (\\Seen))");
  world_.Tell(1, "* 3 FETCH (UID 4 MODSEQ (8) FLAGS ())");
  world_.Tell(1, fetch + " OK done");
  Drives(1);
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 3 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (FLAGS (\\Seen))");
  world_.HearsNothing(client_, 0.5);  // UID 4's flags are the client's to fetch
  EXPECT_EQ(world_.figures().feeds.recovered, 1u);
}

TEST_F(RecoveryTest, SaysGoodbyeWhenTheMailboxWasReplaced) {
  world_.AnswerEnable(1, "CONDSTORE");
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3}, .validity = 8});
  world_.HearsBeginning(client_, "* BYE ");
  world_.Pass(1);
  EXPECT_EQ(world_.figures().feeds.feeds, 0u);
}

TEST_F(RecoveryTest, TriesAgainUntilTheStoreTakesTheLogin) {
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.HearsNothing(client_, 3);
  EXPECT_EQ(world_.sessions_seen(), 1u);
  world_.RefuseLogins("");
  world_.Pass(20);
  EXPECT_EQ(world_.sessions_seen(), 2u);
}

TEST_F(RecoveryTest, WaitsForAPlaceAmongTheUsersSessions) {
  world_.RefuseLogins("NO [LIMIT] too many connections");
  world_.HearsNothing(client_, 60);
  EXPECT_EQ(world_.figures().parked, 1u);
  world_.RefuseLogins("");
  world_.Pass(40);
  Reopens(1, {.uids = {2, 3}});
  world_.AnswerList(1, {2, 3});
  world_.Answer(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
}

// Each took a login, some three in a second and for ever.
TEST_F(RecoveryTest, WaitsLongerAndLongerWhereEachDriverIsLostAtOnce) {
  world_.config().parking.reconnect_max_ms = 3000;
  for (size_t session = 1; session <= 5; ++session) {
    GoesOn(session);
    world_.Cut(session);
  }
  world_.Pass(1.4);  // of 3 s, half of which at least
  EXPECT_EQ(world_.sessions_seen(), 6u);
  GoesOn(6);
  world_.Pass(3);  // this one lives
  world_.Cut(6);
  world_.Pass(0.4);
  EXPECT_EQ(world_.sessions_seen(), 8u);
}

// The driver that the second recovery has found is taken by the only client, which EXAMINEs with
// CONDSTORE as a recovery does, and is given back since another client comes.
class RecoveryOfADriverHandedRound : public RecoveryTest {
 protected:
  RecoveryOfADriverHandedRound() {
    world_.config().parking.reconnect_max_ms = 1000;
    GoesOn(1);
    world_.Cut(1);
    GoesOn(2);
    const size_t plain = std::exchange(client_, world_.LogIn());
    world_.Enable(client_, 3, "CONDSTORE");
    world_.Say(client_, "s EXAMINE INBOX");
    world_.AnswerSelect(3, "EXAMINE INBOX", {.uids = {1, 2, 3}});
    world_.HearUntil(client_, "s");
    world_.StartIdle(client_);
    world_.AnswerList(3, {1, 2, 3});
    driver_idle_ = world_.AnswerFlush(2);
    world_.EndIdle(client_);
    world_.Hang(plain);
    world_.Pass(0.1);
  }
  void HandRound() {
    world_.Say(client_, "f FETCH 1 (FLAGS)");
    EXPECT_EQ(world_.NextAsked(2), "DONE");
    world_.StartIdle(world_.LogInAndSelect({.uids = {1, 2, 3}}));
    world_.Tell(2, driver_idle_ + " OK done");
    Drives(2);
    world_.AwaitSession(5);  // what the client has instead
    EXPECT_EQ(world_.figures().feeds.recovered, 2u);
  }

  std::string driver_idle_;
};

// A pause of long ago came back.
TEST_F(RecoveryOfADriverHandedRound, WaitsNoLongerWhereTheRecoveryBeforeIsLongAgo) {
  world_.Pass(1);
  HandRound();
  world_.Cut(2);
  world_.Pass(0.4);
  EXPECT_EQ(world_.sessions_seen(), 7u);
}

TEST_F(RecoveryOfADriverHandedRound, WaitsLongerWhereTheDriverWasFoundJustBefore) {
  HandRound();
  world_.Cut(2);
  world_.Pass(0.45);  // of 1 s, half of which at least
  EXPECT_EQ(world_.sessions_seen(), 6u);
}

// It was tried again and again, and all the while nobody was told anything.
TEST_F(RecoveryTest, DoesWithoutCondstoreWhereTheStoreDoesNotEnableItAndNobodyHasIt) {
  GoesOnWithoutCondstore();
  world_.Tell(2, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
}

class RecoveryOfCondstore : public ::testing::Test {
 protected:
  RecoveryOfCondstore() {
    world_.config().parking.reconnect_max_ms = 1000;
    client_ = world_.LogIn();
    world_.Enable(client_, 0, "CONDSTORE");
    world_.Select(client_, 0, {.uids = {1, 2}});
    world_.ParkFirst(client_, 0, {1, 2});
  }
  void SaysGoodbye() {
    world_.HearsBeginning(client_, "* BYE [UNAVAILABLE] The mail store tells no MODSEQ");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(RecoveryOfCondstore, SaysGoodbyeWhereTheStoreDoesNotEnableItAnyMore) {
  world_.Cut(0);
  for (size_t session = 1; session < 5; ++session) world_.Answer(session, "ENABLE CONDSTORE");
  world_.HearsNothing(client_, 0.1);
  world_.Answer(5, "ENABLE CONDSTORE");
  SaysGoodbye();
}

// Its clients were served by a driver that tells no MODSEQ, and could not wake.
TEST_F(RecoveryOfCondstore, SaysGoodbyeWhereTheStoreDoesNotOfferItAnyMore) {
  world_.set_capabilities("IMAP4rev1 IDLE ESEARCH AUTH=PLAIN SASL-IR");
  world_.Cut(0);
  for (size_t session = 2; session < 6; ++session) {  // the first finds out
    world_.AnswerSelect(session, "EXAMINE INBOX", {.uids = {1, 2}});
  }
  SaysGoodbye();
}

// Each recovery told all flags anew.
TEST_F(RecoveryTest, KnowsWhatFlagsWereToldWhereTheStoreDoesNotEnableCondstore) {
  GoesOnWithoutCondstore();
  world_.Pass(30);
  EXPECT_EQ(world_.NextAsked(2), "DONE");  // to learn them
}

TEST_F(RecoveryTest, SaysGoodbyeWhenTheLoginIsRefusedForGood) {
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] who are you");
  world_.Pass(1);
  world_.HearsBeginning(client_, "* BYE ");
}

TEST_F(RecoveryTest, AnswersNoopFromWhatIsKnownMeanwhile) {
  world_.RefuseLogins("NO [UNAVAILABLE] not now");
  world_.EndIdle(client_);
  world_.Say(client_, "n NOOP");
  world_.HearsBeginning(client_, "n OK");
}

// Clients with CONDSTORE were told flags without a MODSEQ, since FETCH (FLAGS) brings none.
TEST_F(RecoveryFromNoModseq, AsksForTheModseqOfAllFlags) {
  world_.AnswerEnable(1, "CONDSTORE");
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3}});
  world_.AnswerList(1, {1, 2, 3});
  const std::string fetch = world_.Asked(1, "UID FETCH 1:* (FLAGS MODSEQ)");
  world_.Tell(1, "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (4))");
  world_.Tell(1, fetch + " OK done");
  Drives(1);
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (FLAGS (\\Seen))");
}

TEST_F(RecoveryWithoutCondstore, AsksForAllFlags) {
  TellFlags(1, "\\Seen");
  TellFlags(2, "");
  TellFlags(3, "");
  world_.Tell(1, fetch_ + " OK done");
  Drives(1);
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS (\\Seen))");
}

// A change that is told while all flags are fetched, behind the answer for its message and without
// a UID, which nothing forbids.
TEST_F(RecoveryWithoutCondstore, LosesNoFlagThatIsToldWhileItAsks) {
  for (uint32_t message = 1; message <= 3; ++message) TellFlags(message, "");
  world_.Tell(1, "* 1 FETCH (FLAGS (\\Deleted))");
  world_.Tell(1, fetch_ + " OK done");
  Drives(1);
  std::string last;
  for (int heard = 0; heard < 5 && last != "* 1 FETCH (FLAGS (\\Deleted))"; ++heard) {
    last = world_.Hear(client_);
    if (last.empty()) break;
  }
  EXPECT_EQ(last, "* 1 FETCH (FLAGS (\\Deleted))");
}

TEST_F(RecoveryWithoutCondstore, AsksForNoFlagsAgainWhileMailKeepsComingIn) {
  for (uint32_t message = 1; message <= 3; ++message) TellFlags(message, "");
  world_.Tell(1, "* 4 EXISTS");
  world_.Tell(1, fetch_ + " OK done");
  for (int n = 4; n < 12; ++n) {
    const std::string number = std::to_string(n);
    const std::string fetch = world_.Asked(1, "UID FETCH " + number + ":* (UID)");
    world_.Tell(1, "* " + number + " FETCH (UID " + number + ")");
    if (n == 6) world_.Tell(1, "* 1 FETCH (FLAGS (\\Deleted))");
    if (n < 11) world_.Tell(1, "* " + std::to_string(n + 1) + " EXISTS");
    world_.Tell(1, fetch + " OK done");
  }
  Drives(1);
  EXPECT_EQ(world_.Hear(client_), "* 11 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS (\\Deleted))");
}

// Its server is behind, and says no UIDNEXT by which that could be told.
TEST(RecoveryBehind, AsksForFlagsOfWhatItCameToLate) {
  ScriptedWorld world;
  const size_t client = world.LogInAndPark({1, 2, 3});
  world.Cut(0);
  world.AnswerEnable(1, "CONDSTORE");
  world.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2}, .tells_uid_next = false});
  world.AnswerList(1, {1, 2});
  const std::string fetch = world.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world.Tell(1, "* 3 EXISTS");
  world.Tell(1, fetch + " OK done");
  const std::string rest = world.Asked(1, "UID FETCH 3:* (UID)");
  world.Tell(1, "* 3 FETCH (UID 3)");
  world.Tell(1, rest + " OK done");
  const std::string again = world.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world.Tell(1, "* 3 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (8))");
  world.Tell(1, again + " OK done");
  world.Asked(1, "IDLE");
  world.Tell(1, "+ idling");
  EXPECT_EQ(world.Hear(client), "* 3 FETCH (FLAGS (\\Seen))");
}

// A feed without MODSEQ whose flags were learned: 1 is \\Seen, 3 is \\Seen \\Deleted.
class RecoveryWithHashes : public ::testing::Test {
 protected:
  RecoveryWithHashes() : world_("IMAP4rev1 IDLE ESEARCH AUTH=PLAIN SASL-IR") {
    client_ = world_.LogInAndPark({1, 2, 3});
    world_.Pass(30);
  }
  void Finds(const std::string& key, const std::string& uids) {
    const std::string tag = world_.Asked(0, "UID SEARCH RETURN (ALL) UID 1:* " + key);
    world_.Tell(0, "* ESEARCH (TAG \"" + tag + "\") UID" + (uids.empty() ? "" : " ALL " + uids));
    world_.Tell(0, tag + " OK done");
  }
  void Learns(const std::vector<std::string>& news = {}) {
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    world_.Tell(0, "R4 OK done");
    Finds("SEEN", "1,3");
    Finds("DELETED", "3");
    const std::string noop = world_.Asked(0, "NOOP");
    world_.Asked(0, "IDLE");
    for (const std::string& line : news) world_.Tell(0, line);
    world_.Tell(0, noop + " OK done");
    world_.Tell(0, "+ idling");
    world_.Pass(0.1);
    EXPECT_EQ(world_.figures().feeds.flags_learned, 1u);
  }
  // So it answers the first search.
  void TellsAllAgainAfter(const std::function<std::string(const std::string&)>& answer) {
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    world_.Tell(0, "R4 OK done");
    world_.Tell(0, answer(world_.Asked(0, "UID SEARCH RETURN (ALL) UID 1:* SEEN")));
    world_.Asked(0, "IDLE");
    world_.Tell(0, "+ idling");
    Recovers({1, 2, 3}, {"\\Seen", "", "$x"});
    for (int i = 1; i <= 3; ++i) {
      world_.HearsBeginning(client_, "* " + std::to_string(i) + " FETCH (FLAGS (");
    }
  }
  // All flags of the messages in order.
  void Recovers(const std::vector<uint32_t>& uids, const std::vector<std::string>& flags) {
    world_.Cut(0);
    world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = uids});
    world_.AnswerList(1, uids);
    const std::string fetch = world_.Asked(1, "UID FETCH 1:* (FLAGS)");
    for (size_t i = 0; i < uids.size(); ++i) {
      world_.Tell(1, "* " + std::to_string(i + 1) + " FETCH (UID " + std::to_string(uids[i]) +
                         " FLAGS (" + flags[i] + "))");
    }
    world_.Tell(1, fetch + " OK done");
    world_.Asked(1, "IDLE");
    world_.Tell(1, "+ idling");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(RecoveryWithHashes, TellsOnlyTheFlagsThatDiffer) {
  Learns();
  Recovers({1, 2, 3}, {"\\Seen \\Recent", "\\Flagged", "\\Deleted \\Seen"});
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (FLAGS (\\Flagged))");
  world_.HearsNothing(client_, 0.5);
}

TEST_F(RecoveryWithHashes, KeepsThemCurrentFromWhatIsToldAndDropsThoseOfTheGone) {
  Learns({"* 1 FETCH (FLAGS ($new))"});  // while it learns: newer than what was found
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS ($new))");
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  world_.Tell(0, "* 2 FETCH (FLAGS (\\Flagged))");
  EXPECT_EQ(world_.Hear(client_), "* 2 FETCH (FLAGS (\\Flagged))");
  Recovers({1, 3}, {"\\Seen", "\\Flagged"});
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS (\\Seen))");
  world_.HearsNothing(client_, 0.5);
}

TEST_F(RecoveryWithHashes, ToldOfManyChangesSaysNoGoodbye) {
  world_.config().parking.log_entries_max = 8;
  Learns();
  std::vector<uint32_t> uids;
  std::vector<std::string> flags;
  for (uint32_t uid = 1; uid <= 100; ++uid) {
    uids.push_back(uid);
    flags.push_back(uid % 2 == 0 ? "\\Flagged" : "$x");
  }
  Recovers(uids, flags);
  EXPECT_EQ(world_.Hear(client_), "* 100 EXISTS");
  for (int i = 0; i < 3; ++i) world_.HearsBeginning(client_, "* ");
  world_.HearsNothing(client_, 0.5);
  EXPECT_FALSE(world_.closed(client_));
}

TEST_F(RecoveryWithHashes, LearnsNothingWhileSomebodyIsInAHurry) {
  world_.Say(client_, "DONE");
  world_.HearUntil(client_, "i");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Tell(0, "R4 OK done");
  const std::string search = world_.Asked(0, "UID SEARCH RETURN (ALL) UID 1:* SEEN");
  world_.Say(client_, "n NOOP");
  world_.Pass(0.1);
  world_.TellList(0, search, "1,3");
  world_.Answer(0, "NOOP");
  world_.HearsBeginning(client_, "n OK");
  world_.Asked(0, "IDLE");
  EXPECT_EQ(world_.figures().feeds.flags_learned, 0u);
}

TEST_F(RecoveryWithHashes, TellsAgainWhatItCouldNotLearn) {
  TellsAllAgainAfter([](const std::string& tag) { return tag + " NO not today"; });
}

TEST_F(RecoveryWithHashes, LearnsNothingFromAListThatDoesNotSayItIsOfUids) {
  TellsAllAgainAfter([](const std::string& tag) {
    return "* ESEARCH (TAG \"" + tag + "\") ALL 1\r\n" + tag + " OK done";
  });
}

// A client that is parked alone, and the recovery of its feed has asked for the flags of all
// messages: in a large mailbox a store may be at that for long.
class RecoveryByALongFetch : public ::testing::Test {
 protected:
  RecoveryByALongFetch() : world_("IMAP4rev1 IDLE ESEARCH AUTH=PLAIN SASL-IR") {
    world_.config().stores[0].command_timeout_s = 10;
    client_ = world_.LogInAndPark({1, 2, 3});
    world_.Cut(0);
    world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2, 3}});
    world_.AnswerList(1, {1, 2, 3});
    fetch_ = world_.Asked(1, "UID FETCH 1:* (FLAGS)");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
  std::string fetch_;
};

// It was given up after a minute, and so was the next.
TEST_F(RecoveryByALongFetch, GoesOnAsLongAsMoreOfItComes) {
  for (const std::string n : {"1", "2", "3"}) {
    world_.Pass(8);
    world_.Tell(1, "* " + n + " FETCH (UID " + n + " FLAGS (\\Seen))");
  }
  world_.Pass(8);
  world_.Tell(1, fetch_ + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (FLAGS (\\Seen))");
}

TEST_F(RecoveryByALongFetch, IsGivenUpWhenNothingComesAnyMore) {
  world_.Pass(8);
  world_.Tell(1, "* 1 FETCH (UID 1 FLAGS ())");
  world_.Pass(9);
  EXPECT_EQ(world_.sessions_seen(), 2u);
  world_.Pass(2);
  EXPECT_EQ(world_.sessions_seen(), 3u);
}

TEST_F(RecoveryByALongFetch, IsGivenUpWhenItComesToNoEnd) {
  int said = 0;
  for (; said < 100 && world_.sessions_seen() == 2; ++said) {
    world_.Tell(1, "* 1 FETCH (UID 1 FLAGS ())");
    world_.Pass(2);
  }
  EXPECT_GT(said, 45);
  EXPECT_LT(said, 55);
}

// Of a short answer no more is coming: who waits for it waited ten times as long.
TEST(Recovery, FollowsAFlushThatIsNotAnsweredThoughTheStoreSaysOtherThings) {
  ScriptedWorld world;
  world.config().stores[0].command_timeout_s = 10;
  const size_t client = world.LogInAndPark({1, 2, 3});
  world.EndIdle(client);
  world.Pass(2);
  world.Say(client, "n NOOP");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  for (int i = 0; i < 3; ++i) {
    world.Pass(4);
    world.Tell(0, "* OK Still here");
  }
  EXPECT_EQ(world.sessions_seen(), 2u);
  world.HearsBeginning(client, "n OK");
}

// So long a line comes in pieces, of which the rest is not read.
TEST(Recovery, FindsOutWhatAVanishedTooLongToReadHasTaken) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE QRESYNC AUTH=PLAIN SASL-IR");
  const size_t client = world.LogIn();
  world.Enable(client, 0, "QRESYNC");
  std::vector<uint32_t> uids;
  std::string vanished = "* VANISHED ";
  for (uint32_t i = 0; i < 8000; ++i) {
    uids.push_back(1'000'000'000 + 2 * i);
    vanished += (i == 0 ? "" : ",") + std::to_string(uids.back());
  }
  uids.push_back(2'000'000'000);
  world.Select(client, 0, {.uids = uids});
  world.ParkFirst(client, 0, uids);
  world.Tell(0, vanished);
  world.AwaitSession(1);
  world.AnswerEnable(1, "CONDSTORE");
  world.AnswerSelect(1, "EXAMINE INBOX", {.uids = {2'000'000'000}, .modseq = 9});
  world.AnswerList(1, {2'000'000'000});
  const std::string fetch = world.Asked(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world.Tell(1, fetch + " OK done");
  size_t told = 0;
  while (told < 8000) {
    const std::string line = world.Hear(client);
    if (line.rfind("* VANISHED ", 0) != 0) break;
    told += static_cast<size_t>(1 + std::count(line.begin(), line.end(), ','));
  }
  EXPECT_EQ(told, 8000u);
  world.HearsNothing(client, 1);
}

}  // namespace
}  // namespace roost
