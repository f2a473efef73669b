#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Lines = std::vector<std::string>;

TEST(Parking, MakesTheFirstClientsSessionTheFeeds) {
  ScriptedWorld world;
  const size_t client = world.LogInAndPark({1, 2, 3});
  EXPECT_EQ(world.figures().feeds.adopted, 1u);
  EXPECT_EQ(world.figures().asleep, 1u);
  world.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world.Hear(client), "* 2 EXPUNGE");
}

TEST(Parking, TellsAJoinerTheDifferenceAndLetsItsSessionGo) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2, 3});
  const size_t second = world.LogInAndSelect({.uids = {1, 2, 3}});
  world.StartIdle(second);
  world.AnswerList(1, {1, 2, 3});
  // The feed syncs last, and only now hears of what the joiner's session had not yet.
  world.AnswerFlush(0, {"* 1 EXPUNGE", "* 2 FETCH (UID 3 FLAGS (\\Seen))"});
  EXPECT_EQ(world.Hear(second), "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(second), "* 2 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(first), "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(first), "* 2 FETCH (FLAGS (\\Seen))");
  world.Pass(1);
  EXPECT_EQ(world.sessions_open(), 1u);
  EXPECT_EQ(world.figures().parked, 2u);
}

TEST(Parking, LosesNoFlagThatTheFeedHeardBetweenListAndFlush) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2});
  const size_t second = world.LogInAndSelect({.uids = {1, 2}});
  world.StartIdle(second);
  world.Answer(1, "NOOP");
  // Everybody who is parked has been told, and yet the log must keep it for the joiner.
  world.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(first), "* 1 FETCH (FLAGS (\\Seen))");
  const std::string tag = world.AskedList(1);
  world.TellList(1, tag, "1:2");
  world.AnswerFlush(0);
  EXPECT_EQ(world.Hear(second), "* 1 FETCH (FLAGS (\\Seen))");
}

// A plain client's driver logged flags without MODSEQ, and a session with CONDSTORE took over while
// another client with CONDSTORE was joining.
TEST(Parking, TellsNoFlagsWithoutTheModseqThatTheClassIsOwed) {
  ScriptedWorld world;
  const size_t plain = world.LogInAndPark({1, 2});
  const size_t raises = world.LogIn();
  const size_t joins = world.LogIn();
  for (const auto& [client, session] : {std::pair{raises, 1}, std::pair{joins, 2}}) {
    world.Say(client, "e ENABLE CONDSTORE");
    world.Asked(session, "ENABLE CONDSTORE");
    world.Tell(session, "* ENABLED CONDSTORE");
    world.Tell(session, "e OK done");
    EXPECT_EQ(world.Hear(client), "* ENABLED CONDSTORE");
    EXPECT_EQ(world.Hear(client), "e OK done");
    world.Select(client, session, {.uids = {1, 2}});
    world.StartIdle(client);
  }
  world.Answer(2, "NOOP");
  world.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(plain), "* 1 FETCH (FLAGS (\\Seen))");
  world.AnswerList(1, {1, 2});
  const std::string idle = world.AnswerFlush(0);
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, idle + " OK done");
  world.AnswerList(1, {1, 2});
  world.Asked(1, "IDLE");
  world.Tell(1, "+ idling");
  const std::string tag = world.AskedList(2);
  world.TellList(2, tag, "1:2");
  world.AnswerFlush(1);
  const std::string noop = world.Asked(2, "NOOP");
  world.Tell(2, "* 1 FETCH (UID 1 MODSEQ (6) FLAGS (\\Seen))");
  world.Tell(2, noop + " OK done");
  const std::string again = world.AskedList(2);
  world.TellList(2, again, "1:2");
  world.AnswerFlush(1);
  EXPECT_EQ(world.Hear(joins), "* 1 FETCH (UID 1 MODSEQ (6) FLAGS (\\Seen))");
  world.HearsNothing(joins, 0.5);
  EXPECT_EQ(world.figures().parked, 3u);
}

TEST(Parking, NeverTellsADifferenceThatTheHorizonsForbid) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2});
  const size_t second = world.LogInAndSelect({.uids = {1, 2, 3}});
  world.StartIdle(second);
  world.AnswerList(1, {1, 2, 3});
  world.AnswerFlush(0);  // has not heard of UID 3: it is behind, not right
  world.HearsNothing(second, 0.1);
  world.AnswerFlush(0, {"* 3 EXISTS"});
  const std::string done = world.NextAsked(0);
  EXPECT_EQ(done, "DONE");
  const std::string fetch = world.Asked(0, "UID FETCH 3:* (UID)");
  const std::string idle = world.Asked(0, "IDLE");
  world.Tell(0, "R" + std::to_string(ToNumber(fetch.substr(1)) - 1) + " OK done");
  world.Tell(0, "* 3 FETCH (UID 3)");
  world.Tell(0, fetch + " OK done");
  world.Tell(0, "+ idling");
  EXPECT_EQ(world.Hear(first), "* 3 EXISTS");
  // Flags of it that changed before the driver knew it are told by the client's session alone.
  world.Answer(1, "NOOP");
  world.Tell(1, "* 3 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(second), "* 3 FETCH (FLAGS (\\Seen))");
  const std::string again = world.Asked(1, "UID SEARCH RETURN (ALL) ALL");
  world.Tell(1, "* ESEARCH (TAG \"" + again + "\") UID ALL 1:3");
  world.Tell(1, again + " OK done");
  world.AnswerFlush(0);
  world.HearsNothing(second, 0.1);  // it knew the rest
  EXPECT_EQ(world.figures().parked, 2u);
}

// UID 3 was gone when the second client selected, and the driver has not heard of it.
class ParkingBeyondTheDriver : public ::testing::Test {
 protected:
  ParkingBeyondTheDriver() {
    first_ = world_.LogInAndPark({1, 2});
    second_ = world_.LogInAndSelect({.uids = {1, 2}, .uid_next = 4});
    world_.StartIdle(second_);
    world_.AnswerList(1, {1, 2});
    world_.AnswerFlush(0);
  }
  // The flush by which the driver finds out how far it is; `uid_next` is what STATUS says.
  void AnswerUidNext(const std::string& uid_next) {
    idle_ = world_.AnswerStatusFlush(0, "UIDVALIDITY UIDNEXT", "UIDVALIDITY 7 UIDNEXT " + uid_next);
  }

  ScriptedWorld world_;
  size_t first_ = 0;
  size_t second_ = 0;
  std::string idle_;  // the driver's
};

TEST_F(ParkingBeyondTheDriver, JoinsOnceTheDriverKnowsThatNothingIsToCome) {
  AnswerUidNext("4");
  EXPECT_EQ(world_.figures().parked, 2u);
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(first_), "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(second_), "* 2 EXPUNGE");
  // Whoever comes now asks nothing more.
  const size_t third = world_.LogInAndSelect({.uids = {1}, .uid_next = 4});
  world_.Join(third, world_.sessions_seen() - 1, 0, {1});
  EXPECT_EQ(world_.figures().parked, 3u);
}

// Told by it of UID 3 the client would take for new what it knows to be gone.
TEST_F(ParkingBeyondTheDriver, KeepsItsSessionWhileTheDriverIsBehind) {
  AnswerUidNext("3");
  EXPECT_EQ(world_.figures().parked, 1u);
  const std::string idle = world_.Asked(1, "IDLE");
  world_.Tell(1, "+ idling");
  world_.Tell(0, "* 3 EXISTS");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const std::string fetch = world_.Asked(0, "UID FETCH 3:* (UID)");
  world_.Asked(0, "IDLE");
  world_.Tell(0, idle_ + " OK done");
  world_.Tell(0, "* 3 FETCH (UID 3)");
  world_.Tell(0, fetch + " OK done");
  world_.Tell(0, "+ idling");
  EXPECT_EQ(world_.Hear(first_), "* 3 EXISTS");
  world_.HearsNothing(second_, 0.1);
}

// A session that is still of the mailbox that had the name before.
TEST(Parking, HasAFeedOfAnotherMailboxLookedAtOnce) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2});
  const size_t other = world.LogInAndSelect({.uids = {1, 2}, .validity = 8});
  world.StartIdle(other);
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Cut(0);
  world.AnswerEnable(2, "CONDSTORE");
  world.AnswerSelect(2, "EXAMINE INBOX", {.uids = {1, 2}});  // the feed's is the one of today
  world.AnswerList(2, {1, 2});
  world.Answer(2, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world.Asked(2, "IDLE");
  world.Tell(2, "+ idling");
  std::string idle = world.Asked(1, "IDLE");  // it idles for itself, and tries again
  world.Tell(1, "+ idling");
  EXPECT_EQ(world.NextAsked(1), "DONE");
  world.Tell(1, idle + " OK done");
  world.Answer(1, "NOOP");
  world.Asked(1, "IDLE");
  world.Tell(1, "+ idling");
  EXPECT_EQ(world.sessions_seen(), 3u);
  world.Tell(2, "* 2 EXPUNGE");
  EXPECT_EQ(world.Hear(first), "* 2 EXPUNGE");
  world.HearsNothing(other, 0.1);
  EXPECT_FALSE(world.closed(first));
}

TEST(Parking, AsksAgainWhenAListDoesNotAddUp) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1, 2, 3}});
  world.StartIdle(client);
  world.Answer(0, "NOOP");
  const std::string tag = world.AskedList(0);
  // An EXPUNGE before the list names no UID.
  world.Tell(0, "* 1 EXPUNGE");
  world.TellList(0, tag, "2:3");
  EXPECT_EQ(world.Hear(client), "* 1 EXPUNGE");
  world.AnswerList(0, {2, 3});
  world.Asked(0, "IDLE");
}

TEST(Parking, GivesUpWhenTheClientGoesOn) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1}});
  world.StartIdle(client);
  const std::string noop = world.Asked(0, "NOOP");
  world.Say(client, "DONE");
  world.HearsNothing(client, 0.1);  // our NOOP is unanswered, and the list that goes with it
  world.Tell(0, noop + " OK done");
  const std::string list = world.AskedList(0);
  world.TellList(0, list, "1");
  EXPECT_EQ(world.Hear(client), "i OK Idle completed.");
  world.Say(client, "f FETCH 1 (FLAGS)");
  const std::string next = world.NextAsked(0);
  EXPECT_EQ(next, "f FETCH 1 (FLAGS)");
}

TEST(Parking, KeepsUsersApart) {
  ScriptedWorld world;
  const size_t ann = world.LogInAndPark({1}, "ann");
  const size_t bob = world.LogInAndPark({1}, "bob");
  EXPECT_EQ(world.figures().feeds.feeds, 2u);
  world.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(ann), "* 1 FETCH (FLAGS (\\Seen))");
  world.HearsNothing(bob, 0.5);
}

TEST(Parking, KeepsTheSessionOfAClientThatUsedAnUnknownCommand) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1}});
  world.Say(client, "x XSTRANGE");
  EXPECT_EQ(world.NextAsked(0), "x XSTRANGE");
  world.Tell(0, "x OK whatever");
  EXPECT_EQ(world.Hear(client), "x OK whatever");
  world.StartIdle(client);
  world.Asked(0, "IDLE");
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
}

// It is owed responses that no feed hears of.
TEST(Parking, KeepsTheSessionOfAClientThatHasMoreEnabledThanAFeedServes) {
  for (const char* extension : {"METADATA", "METADATA-SERVER", "X-STRANGE"}) {
    ScriptedWorld world;
    const size_t client = world.LogIn();
    world.Enable(client, 0, extension);
    world.Select(client, 0, {.uids = {1}});
    world.StartIdle(client);
    world.Asked(0, "IDLE");
    world.Tell(0, "+ idling");
    world.Tell(0, "* METADATA INBOX /shared/comment");
    EXPECT_EQ(world.Hear(client), "* METADATA INBOX /shared/comment");
    EXPECT_EQ(world.figures().feeds.feeds, 0u);
  }
}

// Sessions that recover and audit a feed say the names of mailboxes in modified UTF-7.
TEST(Parking, KeepsTheSessionWhereTheMailboxHasAnotherNameForOtherSessions) {
  for (const char* extension : {"IMAP4REV2", "UTF8=ACCEPT"}) {
    for (const std::string name : {"\"Entw\xc3\xbcrfe\"", "A&B", "Lists"}) {
      ScriptedWorld world;
      const size_t client = world.LogIn();
      world.Enable(client, 0, extension);
      world.Say(client, "s SELECT " + name);
      world.AnswerSelect(0, "SELECT " + name, {.uids = {1}});
      world.HearUntil(client, "s");
      world.StartIdle(client);
      if (name == "Lists") world.AnswerList(0, {1});
      world.Asked(0, "IDLE");
      world.Tell(0, "+ idling");
      EXPECT_EQ(world.figures().feeds.feeds, name == "Lists" ? 1u : 0u) << name;
    }
  }
}

// Other sessions of ours could not open it.
TEST(Parking, KeepsTheSessionWhereTheMailboxCannotBeNamedWithoutWaiting) {
  const std::string name(1500, 'x');
  for (const std::string literals : {"", " LITERAL-", " LITERAL+"}) {
    ScriptedWorld world("IMAP4rev1 IDLE ESEARCH SASL-IR AUTH=PLAIN" + literals);
    const size_t client = world.LogIn();
    world.Say(client, "s SELECT " + name);
    world.AnswerSelect(0, "SELECT " + name, {.uids = {1}});
    world.HearUntil(client, "s");
    world.StartIdle(client);
    if (!literals.empty()) world.AnswerList(0, {1});
    world.Asked(0, "IDLE");
    world.Tell(0, "+ idling");
    EXPECT_EQ(world.figures().feeds.feeds, literals.empty() ? 0u : 1u) << literals;
  }
}

// Before its list is accepted nobody knows what the client believes, so nobody can say what it
// missed.
TEST(Parking, SaysGoodbyeWhenTheSessionDiesBeforeItIsListed) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1, 2}});
  world.StartIdle(client);
  world.Answer(0, "NOOP");
  world.AskedList(0);
  world.Cut(0);
  world.HearsBeginning(client, "* BYE [UNAVAILABLE]");
  world.Pass(0.5);
  EXPECT_TRUE(world.closed(client));
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
}

TEST(Parking, LastsFromTheMomentThatTheListIsAccepted) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1, 2}});
  world.StartIdle(client);
  world.AnswerList(0, {1, 2});
  world.Asked(0, "IDLE");  // and is never answered
  world.Cut(0);
  world.HearsNothing(client, 0.5);
  EXPECT_EQ(world.figures().parked, 1u);
  world.AnswerEnable(1, "CONDSTORE");
  world.AnswerSelect(1, "EXAMINE INBOX", {.uids = {2}, .uid_next = 3});
  world.AnswerList(1, {2});
  world.Answer(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  EXPECT_EQ(world.Hear(client), "* 1 EXPUNGE");
}

TEST(Parking, LeavesTheFeedToTheOthersWhenAJoinersSessionDies) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2});
  const size_t second = world.LogInAndSelect({.uids = {1, 2}});
  world.StartIdle(second);
  world.Answer(1, "NOOP");
  world.Cut(1);
  world.HearsBeginning(second, "* BYE [UNAVAILABLE]");
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(first), "* 1 EXPUNGE");
}

// Restored or recreated with the UIDVALIDITY it had: only its id tells.
TEST(Parking, JoinsNoFeedOfAMailboxWithAnotherId) {
  ScriptedWorld world;
  const size_t first = world.LogInAndSelect({.uids = {1, 2}, .id = "F1"});
  world.ParkFirst(first, 0, {1, 2});
  const size_t same = world.LogInAndSelect({.uids = {1, 2}, .id = "F1"});
  world.Join(same, 1, 0, {1, 2});
  EXPECT_EQ(world.figures().parked, 2u);
  const size_t other = world.LogInAndSelect({.uids = {1, 2}, .id = "F2"});
  world.StartIdle(other);
  EXPECT_EQ(world.NextAsked(0), "DONE");  // the feed is looked at again
  world.Cut(0);
  world.AnswerEnable(3, "CONDSTORE");
  world.AnswerSelect(3, "EXAMINE INBOX", {.uids = {1, 2}, .id = "F2"});
  world.HearsBeginning(first, "* BYE [UNAVAILABLE] The mailbox was replaced");
  world.HearsBeginning(same, "* BYE [UNAVAILABLE] The mailbox was replaced");
  world.HearsNothing(other, 0.1);
  EXPECT_FALSE(world.closed(other));
}

// What a token says of its user the store has not proven.
TEST(Parking, SharesNothingWithWhomATokenMerelyClaimsToBe) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER");
  const size_t ann = world.LogInAndPark({1}, "ann");
  const std::string bearer = "auth=Bearer token\1\1";
  const std::string tokens[] = {"XOAUTH2 " + ToBase64("user=ann\1" + bearer),
                                "OAUTHBEARER " + ToBase64("n,a=ann,\1" + bearer)};
  for (size_t session : {1, 2}) {
    const size_t claims = world.Connect();
    world.Say(claims, "l AUTHENTICATE " + tokens[session - 1]);
    world.HearsBeginning(claims, "l OK");
    world.Select(claims, session, {.uids = {1}});
    world.StartIdle(claims);
    world.Asked(session, "IDLE");  // its own session idles for it
    world.Tell(session, "+ idling");
    world.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
    EXPECT_EQ(world.Hear(ann), "* 1 FETCH (FLAGS (\\Seen))");
    world.HearsNothing(claims, 0.5);
  }
  EXPECT_EQ(world.figures().parked, 1u);
}

TEST(Parking, OwesAQuietClientNoFlagsWithoutTheModseqThatItsClassIsTold) {
  ScriptedWorld world;
  world.config().parking.quiet_park_s = 10;
  const auto log_in = [&world](size_t session) {
    const size_t client = world.LogIn();
    world.Enable(client, session, "CONDSTORE");
    world.Select(client, session, {.uids = {1, 2}});
    return client;
  };
  const size_t plain = world.LogInAndPark({1, 2});
  const size_t quiet = log_in(1);
  world.Pass(9);
  world.Answer(1, "NOOP");
  const std::string list = world.AskedList(1);
  // Meanwhile the driver, which hears of no MODSEQ, tells flags, and another client raises it.
  world.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
  EXPECT_EQ(world.Hear(plain), "* 1 FETCH (FLAGS (\\Seen))");
  const size_t raiser = log_in(2);
  world.StartIdle(raiser);
  world.AnswerList(2, {1, 2});
  const std::string idle = world.AnswerFlush(0);
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, idle + " OK done");
  world.AnswerList(2, {1, 2});
  world.Asked(2, "IDLE");
  world.Tell(2, "+ idling");
  world.TellList(1, list, "1:2");
  world.AnswerFlush(2);
  EXPECT_EQ(world.figures().parked, 2u);
  world.Say(quiet, "n NOOP");
  EXPECT_EQ(world.NextAsked(1), "n NOOP");
}

// Its list would be held by the feed, and by the session that drives it.
TEST(Parking, LeavesAClientItsSessionWhereTheListOfItsMailboxTakesTooMuch) {
  ScriptedWorld world;
  world.config().parking.view_bytes_max = 4096;
  std::vector<uint32_t> uids;
  for (uint32_t uid = 1; uids.size() < 4000; uid += 17) uids.push_back(uid);
  const size_t client = world.LogInAndSelect({.uids = uids});
  world.StartIdle(client);
  world.AnswerList(0, uids);
  world.Asked(0, "IDLE");
  world.Tell(0, "+ idling");
  world.Tell(0, "* 4001 EXISTS");
  EXPECT_EQ(world.Hear(client), "* 4001 EXISTS");
  EXPECT_EQ(world.figures().client_stats.kept_idle, 1u);
  EXPECT_EQ(world.figures().parked, 0u);
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
  const size_t small = world.LogInAndPark({1, 2, 3}, "bob");
  EXPECT_FALSE(world.closed(small));
  EXPECT_EQ(world.figures().parked, 1u);
}

// A store may say so in a few bytes, and then that all of them are gone: the client's own session
// is its own business.
TEST(Parking, LeavesAClientItsSessionWhereTheListNamesTooManyMessages) {
  ScriptedWorld world;
  const size_t client = world.LogInAndSelect({.uids = {1}});
  world.Tell(0, "* 4000000000 EXISTS");
  EXPECT_EQ(world.Hear(client), "* 4000000000 EXISTS");
  world.StartIdle(client);
  world.Answer(0, "NOOP");
  const std::string list = world.AskedList(0);
  world.TellList(0, list, "1:4000000000");
  world.Asked(0, "IDLE");
  world.Tell(0, "+ idling");
  world.Pass(1);
  EXPECT_EQ(world.figures().parked, 0u);
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
  world.Tell(0, "* VANISHED 1:3999999999");
  EXPECT_EQ(world.Hear(client), "* VANISHED 1:3999999999");
}

// What IMAP4rev2 has need not be listed besides (RFC 9051, appendix E).
TEST(Parking, MakesUseOfWhatImap4rev2Has) {
  ScriptedWorld world("IMAP4rev2 ESEARCH CONDSTORE AUTH=PLAIN SASL-IR");
  const size_t client = world.LogIn();
  world.Enable(client, 0, "CONDSTORE");
  world.Select(client, 0, {.uids = {1, 2, 3}});
  world.ParkFirst(client, 0, {1, 2, 3});
  EXPECT_EQ(world.figures().parked, 1u);
}

}  // namespace
}  // namespace roost
