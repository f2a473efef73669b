#include "core/client/relay.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

class RelayTest : public ::testing::Test {
 protected:
  RelayTest() { client_ = world_.LogIn(); }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(RelayTest, CarriesCommandsAndAnswersAsTheyAre) {
  world_.Say(client_, "a uid fetch 1:* (flags  BODY[])");
  EXPECT_EQ(world_.NextAsked(0), "a uid fetch 1:* (flags  BODY[])");
  world_.Tell(0, "* 1 FETCH (UID 1 BODY[] {12}\r\n* 1 EXPUNGE\n FLAGS ())");
  world_.Tell(0, "a OK  two  spaces");
  EXPECT_EQ(world_.Hear(client_), "* 1 FETCH (UID 1 BODY[] {12}\r\n* 1 EXPUNGE\n FLAGS ())");
  EXPECT_EQ(world_.Hear(client_), "a OK  two  spaces");
}

TEST_F(RelayTest, SendsALiteralOnlyWhenTheStoreAsksForIt) {
  world_.Say(client_, "a APPEND INBOX {5}");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "+ go ahead");
  EXPECT_EQ(world_.Hear(client_), "+ go ahead");
  world_.Say(client_, "hello");
  EXPECT_EQ(world_.NextAsked(0), "a APPEND INBOX {5}\r\nhello");
}

// Once the store waited for the rest of such a command, and the rest for the store's answer.
TEST_F(RelayTest, SendsACommandToItsEndWhereOneMayBeInProgress) {
  world_.config().limits.commands_in_progress = 1;
  world_.Say(client_, "a APPEND INBOX {3+}\r\nabc\r\nb NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a APPEND INBOX {3+}\r\nabc");
  world_.AsksNothing(0, 0.2);
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(client_), "a OK done");
  EXPECT_EQ(world_.NextAsked(0), "b NOOP");
  world_.Tell(0, "b OK done");
  EXPECT_EQ(world_.Hear(client_), "b OK done");
  world_.Say(client_, "c APPEND INBOX {3}");
  world_.Pass(0.1);
  world_.Tell(0, "+ go on");
  EXPECT_EQ(world_.Hear(client_), "+ go on");
  world_.Say(client_, "abc");
  EXPECT_EQ(world_.NextAsked(0), "c APPEND INBOX {3}\r\nabc");
}

// What it was: they waited for a `+` that no store sends any more, and the client with them.
TEST(Relay, TakesNoBytesForALiteralOfACommandThatWasAnsweredBefore) {
  ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + " MULTIAPPEND");
  const size_t client = world.LogIn();
  world.SayRaw(client, "a APPEND Sent {3+}\r\nab");
  world.Pass(0.1);
  world.Tell(0, "a NO [TRYCREATE] no such mailbox");
  EXPECT_EQ(world.Hear(client), "a NO [TRYCREATE] no such mailbox");
  world.Say(client, "c {6}\r\nn NOOP");  // so long as the store of this test takes it for one
  EXPECT_EQ(world.NextAsked(0), "a APPEND Sent {3+}\r\nabc {6}\r\nn NOOP");
  world.Tell(0, "n OK done");
  EXPECT_EQ(world.Hear(client), "n OK done");
}

TEST_F(RelayTest, RefusesWhatMustNotReachAStore) {
  for (const char* command : {"LOGIN bob secret", "STARTTLS", "COMPRESS DEFLATE", "NOTIFY NONE",
                              "ENABLE UidOnly", "ENABLE CONDSTORE UIDONLY"}) {
    world_.Say(client_, std::string("a ") + command);
    world_.HearsBeginning(client_, "a NO");
  }
  world_.Say(client_, "a XSTRANGE {5+}\r\nhello");
  world_.HearsBeginning(client_, "a BAD");
  world_.AsksNothing(0, 0.2);
}

// A store that does not know a command may run the bytes of its literal as commands.
TEST_F(RelayTest, SendsLiteralsOfExtensionsUnaskedWhereTheStoreOffersThem) {
  for (const char* command : {"SETMETADATA", "REPLACE 1", "UID EXPUNGE", "SETACL"}) {
    world_.Say(client_, "a " + std::string(command) + " {5+}\r\nINBOX x");
    world_.HearsBeginning(client_, "a NO [CANNOT]");
  }
  world_.AsksNothing(0, 0.2);
  world_.Say(client_, "a CREATE {5+}\r\nother");
  EXPECT_EQ(world_.NextAsked(0), "a CREATE {5+}\r\nother");
  ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + " METADATA-SERVER");
  world.LogIn();
  world.Say(0, "a SETMETADATA {5+}\r\nINBOX x");
  EXPECT_EQ(world.NextAsked(0), "a SETMETADATA {5+}\r\nINBOX x");
}

// Once the bytes went out, and ran where the store took the announcement for an atom.
TEST_F(RelayTest, SendsBinaryLiteralsUnaskedWhereTheStoreOffersThem) {
  for (const char* command : {"APPEND INBOX ", "APPEND INBOX UTF8 (", "CREATE "}) {
    world_.Say(client_, "a " + std::string(command) + "~{16+}\r\nx DELETE Trash\r\n");
    world_.HearsBeginning(client_, "a NO [CANNOT]");
  }
  world_.AsksNothing(0, 0.2);
  world_.Say(client_, "a APPEND INBOX ~{3}");
  world_.Pass(0.1);
  world_.Tell(0, "+ go on");
  EXPECT_EQ(world_.Hear(client_), "+ go on");
  for (const auto& [extension, append] : {std::pair(" BINARY", "a APPEND INBOX ~{3+}\r\nabc"),
                                          {" UTF8=ACCEPT", "a APPEND INBOX UTF8 (~{3+}\r\nabc)"}}) {
    ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + extension);
    world.LogIn();
    world.Say(0, append);
    EXPECT_EQ(world.NextAsked(0), append);
  }
}

// Once that message's text ran as commands.
TEST(Relay, EndsWhoSendsAnotherMessageToAStoreThatTakesOne) {
  const std::string another = "a APPEND INBOX {3+}\r\nabc {16+}\r\nx DELETE Trash\r\n";
  ScriptedWorld takes_one;
  takes_one.LogIn();
  takes_one.Say(0, another);
  takes_one.HearsBeginning(0, "* BYE [CLIENTBUG]");
  takes_one.AsksNothing(0, 0.2);
  ScriptedWorld takes_more(std::string(ScriptedWorld::kCapabilities) + " MULTIAPPEND");
  takes_more.LogIn();
  takes_more.Say(0, another);
  EXPECT_EQ(takes_more.NextAsked(0), another);
}

TEST(Relay, EndsWhoSendsALaterLiteralThatTheStoreDidNotAskFor) {
  ScriptedWorld world("IMAP4rev1 SASL-IR AUTH=PLAIN");
  const size_t client = world.LogIn();
  world.Say(client, "a UID SEARCH SUBJECT {3}");
  world.Pass(0.1);
  world.Tell(0, "+ go on");
  EXPECT_EQ(world.Hear(client), "+ go on");
  world.Say(client, "foo BODY {14+}\r\nx DELETE INBOX");
  world.HearsBeginning(client, "* BYE [CLIENTBUG]");
  world.AsksNothing(0, 0.2);
}

// What switches it on may stand behind a literal.
TEST(Relay, NoticesCondstoreThatIsSwitchedOnByTheEndOfACommand) {
  for (const std::string rest :
       {"STATUS {5+}\r\nINBOX (HIGHESTMODSEQ)", "UID SEARCH SUBJECT {3+}\r\nfoo MODSEQ 620",
        "LIST \"\" {1+}\r\n* RETURN (STATUS (HIGHESTMODSEQ))"}) {
    ScriptedWorld world;
    const size_t client = world.LogInAndSelect({.uids = {1, 2}});
    world.Say(client, "a " + rest);
    EXPECT_EQ(world.NextAsked(0), "a " + rest);
    world.Tell(0, "a OK done");
    EXPECT_EQ(world.Hear(client), "a OK done");
    world.ParkFirst(client, 0, {1, 2});
    world.Tell(0, "* 1 FETCH (UID 1 MODSEQ (9) FLAGS (\\Seen))");
    EXPECT_EQ(world.Hear(client), "* 1 FETCH (UID 1 MODSEQ (9) FLAGS (\\Seen))");
  }
}

// Nobody knows whether this store has switched it on.
TEST_F(RelayTest, KeepsTheSessionOfWhomItRefusedWhatSwitchesOnCondstore) {
  world_.Say(client_, "s STATUS Gone (HIGHESTMODSEQ)");
  EXPECT_EQ(world_.NextAsked(0), "s STATUS Gone (HIGHESTMODSEQ)");
  world_.Tell(0, "s NO no such mailbox");
  EXPECT_EQ(world_.Hear(client_), "s NO no such mailbox");
  world_.StartIdle(client_);
  world_.Asked(0, "IDLE");
  EXPECT_EQ(world_.figures().parked, 0u);
}

// NO would leave the client with nothing selected, and the session with the mailbox.
TEST(Relay, RefusesASelectSoThatTheMailboxStaysSelected) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH SASL-IR AUTH=PLAIN");
  const size_t client = world.LogInAndSelect({.uids = {1, 2}});
  for (const char* command : {"SELECT", "EXAMINE"}) {
    world.Say(client, "a " + std::string(command) + " {1+}\r\nx");
    world.HearsBeginning(client, "a BAD ");
  }
  world.AsksNothing(0, 0.2);
}

TEST_F(RelayTest, AnswersItselfOnlyWhenAllBeforeIsAnswered) {
  world_.Say(client_, "a NOOP\r\nb CAPABILITY\r\nc NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(client_), "a OK done");
  world_.HearsBeginning(client_, "* CAPABILITY ");
  world_.HearsBeginning(client_, "b OK");
  EXPECT_EQ(world_.NextAsked(0), "c NOOP");
}

TEST_F(RelayTest, StripsCapabilitiesThatItCannotCarry) {
  world_.Say(client_, "a LIST \"\" *");
  world_.NextAsked(0);
  world_.Tell(0, "* CAPABILITY IMAP4rev1 NOTIFY COMPRESS=DEFLATE IDLE");
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(client_), "* CAPABILITY IMAP4rev1 IDLE");
}

// UIDs of which no two make a range, a little more than `bytes` of them.
std::string ListOf(size_t bytes) {
  std::string list = "1";
  for (uint32_t uid = 3; list.size() < bytes; uid += 2) list += "," + std::to_string(uid);
  return list;
}

// What it was: the client was cut off after the store had done the work, and came to do it again.
TEST_F(RelayTest, CarriesCodesThatListManyMessages) {
  const auto answers = [this](const std::string& command, const std::vector<std::string>& lines) {
    world_.Say(client_, command + "\r\nc CAPABILITY");
    EXPECT_EQ(world_.NextAsked(0), command);
    for (const std::string& line : lines) world_.Tell(0, line);
    for (const std::string& line : lines) EXPECT_EQ(world_.Hear(client_), line);
    world_.HearsBeginning(client_, "* CAPABILITY ");  // not before the line has ended
    world_.HearsBeginning(client_, "c OK");
  };
  const std::string list = ListOf(200'000);
  answers("a UID COPY 1:* Old", {"a OK [COPYUID 7 " + list + " " + list + "] done"});
  answers("a UID MOVE 1:* Old", {"* OK [COPYUID 7 " + list + " " + list + "]", "a OK done"});
  answers("a UID STORE 1:* (UNCHANGEDSINCE 1) FLAGS ()", {"a OK [modified " + list + "] done"});
  for (size_t bytes = 65'470; bytes < 65'540; bytes += 6) {
    answers("a UID COPY 1:* Old", {"a OK [COPYUID 7 1 " + ListOf(bytes) + "] All done"});
  }
}

TEST_F(RelayTest, EndsTheSessionWhoseStatusLinesDoNotEnd) {
  const std::string list = ListOf(200'000);
  for (const std::string& line : {"a OK " + list, "a OK [CAPABILITY " + list + "] done",
                                  "* OK [HIGHESTMODSEQ " + list, "a OK [X] " + list}) {
    client_ = world_.LogIn();
    const size_t session = world_.sessions_seen() - 1;
    world_.Say(client_, "a NOOP");
    EXPECT_EQ(world_.NextAsked(session), "a NOOP");
    world_.Tell(session, line);
    world_.HearsNothing(client_, 0.5);
    EXPECT_TRUE(world_.closed(client_));
  }
  client_ = world_.LogIn();  // nobody has asked for this
  world_.Tell(world_.sessions_seen() - 1, "* OK [COPYUID 7 " + list + " " + list + "]");
  world_.HearsNothing(client_, 0.5);
  EXPECT_TRUE(world_.closed(client_));
}

TEST_F(RelayTest, SaysGoodbyeWhenTheSessionDiesWithACommandInFlight) {
  world_.Say(client_, "a NOOP");
  world_.NextAsked(0);
  world_.Cut(0);
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE]");  // and no answer made up
}

TEST_F(RelayTest, PassesTheStoresGoodbyeOnAndGoes) {
  world_.Tell(0, "* BYE Down for maintenance");
  EXPECT_EQ(world_.Hear(client_), "* BYE Down for maintenance");
  world_.HearsNothing(client_, 0.5);  // one is enough
  EXPECT_TRUE(world_.closed(client_));
}

// What it was: closed without a word, as after a LOGOUT that was obeyed.
TEST_F(RelayTest, SaysGoodbyeWhenTheSessionDiesAfterALogoutThatWasRefused) {
  world_.Say(client_, "a LOGOUT now");
  EXPECT_EQ(world_.NextAsked(0), "a LOGOUT now");
  world_.Tell(0, "a BAD No arguments");
  EXPECT_EQ(world_.Hear(client_), "a BAD No arguments");
  world_.Cut(0);
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE]");
}

TEST_F(RelayTest, EndsWithoutAWordWhenTheSessionDiesInALiteral) {
  world_.Say(client_, "a FETCH 1 (BODY[])");
  world_.NextAsked(0);
  world_.Tell(0, "* 1 FETCH (BODY[] {100}\r\nhalf of it");
  world_.Pass(0.2);
  world_.Cut(0);
  world_.HearsNothing(client_, 0.5);
  EXPECT_TRUE(world_.closed(client_));
}

TEST_F(RelayTest, GivesUpBehindAnUntaggedBadThoughNewsGoOn) {
  world_.Say(client_, "a XSTRANGE");
  world_.NextAsked(0);
  world_.Tell(0, "* BAD what is that");
  EXPECT_EQ(world_.Hear(client_), "* BAD what is that");
  world_.Say(client_, "i IDLE");
  for (int i = 0; i < 2; ++i) {
    world_.Pass(4);
    world_.Tell(0, "* OK still there");
    EXPECT_EQ(world_.Hear(client_), "* OK still there");
  }
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE] The mail store did not answer");
}

TEST_F(RelayTest, BearsWithASlowAnswerLongAfterABad) {
  world_.Say(client_, "a NOOP");
  world_.NextAsked(0);
  world_.Tell(0, "* BAD how odd");
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.HearUntil(client_, "a").size(), 2u);
  world_.Say(client_, "b UID FETCH 1 (BODY[])\r\nc CAPABILITY");
  world_.NextAsked(0);
  world_.HearsNothing(client_, 15);
  world_.Tell(0, "b OK done");
  EXPECT_EQ(world_.Hear(client_), "b OK done");
  world_.HearsBeginning(client_, "* CAPABILITY ");
}

TEST_F(RelayTest, AnswersBadToAnythingButDoneInIdle) {
  world_.StartIdle(client_);
  world_.Say(client_, "n NOOP");
  world_.HearsBeginning(client_, "i BAD");
  world_.Say(client_, "m NOOP");
  world_.HearsBeginning(client_, "m OK");
}

// A client whose feed has no session and finds none: it cannot park now, and is to try again later.
class ParkingLaterTest : public ::testing::Test {
 protected:
  explicit ParkingLaterTest(std::string_view capabilities, int poll_s) : world_(capabilities) {
    world_.config().parking.poll_s = poll_s;
    world_.LogInAndSelect({.uids = {1, 2}});
    client_ = world_.LogInAndSelect({.uids = {1, 2}});
  }
  // The first client's session drives a feed, and is lost.
  void LoseTheDriver() {
    world_.RefuseLogins("NO [UNAVAILABLE] not now");
    world_.Cut(0);
    world_.Pass(0.1);
    EXPECT_EQ(world_.figures().feeds.recovering, 1u);
  }

  ScriptedWorld world_;
  size_t client_ = 0;  // its session is number 1
};

class ParkingLaterWithoutIdle : public ParkingLaterTest {
 protected:
  ParkingLaterWithoutIdle() : ParkingLaterTest("IMAP4rev1 ESEARCH AUTH=PLAIN SASL-IR", 5) {
    world_.StartIdle(0);
    world_.AnswerList(0, {1, 2});
    world_.Pass(0.1);
    LoseTheDriver();
  }
};

// Attempts come later and later, but nothing else brings news.
TEST_F(ParkingLaterWithoutIdle, HearsOfNewsAsOftenAsItIsPolled) {
  world_.StartIdle(client_);
  world_.AnswerList(1, {1, 2});
  for (uint32_t messages = 3; messages < 8; ++messages) {
    world_.Pass(5.2);
    const std::string noop = world_.Asked(1, "NOOP");
    world_.Tell(1, "* " + std::to_string(messages) + " EXISTS");
    world_.Tell(1, noop + " OK done");
    EXPECT_EQ(world_.Hear(client_), "* " + std::to_string(messages) + " EXISTS");
    const std::string list = world_.AskedList(1);
    world_.TellList(1, list, "1:" + std::to_string(messages));
  }
  EXPECT_EQ(world_.figures().parked, 1u);
}

class ParkingLaterWithIdleRefused : public ParkingLaterTest {
 protected:
  ParkingLaterWithIdleRefused() : ParkingLaterTest(ScriptedWorld::kCapabilities, 0) {
    world_.ParkFirst(0, 0, {1, 2});
    LoseTheDriver();
  }
};

TEST_F(ParkingLaterWithIdleRefused, PausesBetweenAttemptsThoughItNeverPolls) {
  world_.StartIdle(client_);
  world_.AnswerList(1, {1, 2});
  const std::string idle = world_.Asked(1, "IDLE");
  world_.Tell(1, idle + " NO not for you");
  world_.AnswerList(1, {1, 2});
  world_.AsksNothing(1, 3.5);
  world_.AnswerList(1, {1, 2});
  world_.AsksNothing(1, 7.5);
  world_.AnswerList(1, {1, 2});
}

// A client that used a command which binds it to its session.
class PinnedTest : public ::testing::Test {
 protected:
  PinnedTest() : PinnedTest(ScriptedWorld::kCapabilities) {}
  explicit PinnedTest(std::string_view capabilities) : world_(capabilities) {
    client_ = world_.LogInAndSelect({.uids = {1, 2}});
    world_.Say(client_, "x XSTRANGE");
    EXPECT_EQ(world_.NextAsked(0), "x XSTRANGE");
    world_.Tell(0, "x OK whatever");
    EXPECT_EQ(world_.Hear(client_), "x OK whatever");
  }
  void RefuseIdle() {
    const std::string idle = world_.Asked(0, "IDLE");
    world_.Tell(0, idle + " NO not now");
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

class PinnedWithoutIdle : public PinnedTest {
 protected:
  PinnedWithoutIdle() : PinnedTest("IMAP4rev1 ESEARCH AUTH=PLAIN SASL-IR") {}
};

TEST_F(PinnedWithoutIdle, IsPolledForInIdle) {
  world_.config().parking.poll_s = 5;
  world_.StartIdle(client_);
  world_.Pass(4);
  world_.Answer(0, "NOOP");
  world_.Pass(4);
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  world_.Say(client_, "DONE");
  world_.HearsNothing(client_, 0.1);  // our NOOP is unanswered
  world_.Tell(0, noop + " OK done");
  world_.HearsBeginning(client_, "i OK");
  world_.Say(client_, "f FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.NextAsked(0), "f FETCH 1 (FLAGS)");
}

TEST_F(PinnedTest, GoesWhenTheStoreRefusesItsIdleAndNothingIsPolled) {
  world_.config().parking.poll_s = 0;
  world_.StartIdle(client_);
  RefuseIdle();
  world_.HearsBeginning(client_, "* BYE [UNAVAILABLE]");
}

// Once nobody noticed, and the client waited for mail for ever.
TEST_F(PinnedTest, AsksASilentSessionThatIdlesForOneClientWhetherItIsThere) {
  world_.config().parking.driver_check_s = 100;
  world_.StartIdle(client_);
  for (int i = 0; i < 2; ++i) {
    const std::string idle = world_.Asked(0, "IDLE");
    world_.Tell(0, "+ idling");
    world_.AsksNothing(0, 87);  // spread over the last eighth
    world_.Pass(12);
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    world_.Tell(0, "* 3 EXISTS");
    world_.Tell(0, idle + " OK done");
    EXPECT_EQ(world_.Hear(client_), "* 3 EXISTS");
  }
  const std::string idle = world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Pass(100);
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.HearsNothing(client_, world_.config().stores[0].command_timeout_s - 5);
  world_.Pass(5);
  world_.HearsLast(client_, "* BYE [UNAVAILABLE] The connection to the mail store was lost");
}

TEST(Relay, ListsALargeMailboxOnceThoughItsSessionIsAskedWhetherItIsThere) {
  ScriptedWorld world;
  world.config().parking.view_bytes_max = 1;
  world.config().parking.driver_check_s = 100;
  const std::vector<uint32_t> uids = {1, 5, 9};
  const size_t client = world.LogInAndSelect({.uids = uids});
  world.StartIdle(client);
  world.AnswerList(0, uids);
  for (int i = 0; i < 2; ++i) {
    const std::string idle = world.Asked(0, "IDLE");
    world.Tell(0, "+ idling");
    world.Pass(100);
    EXPECT_EQ(world.NextAsked(0), "DONE");
    world.Tell(0, idle + " OK done");
  }
  world.Asked(0, "IDLE");
}

TEST_F(PinnedTest, MayEndIdleWhileItsSessionIsAsked) {
  world_.config().parking.driver_check_s = 100;
  world_.StartIdle(client_);
  const std::string idle = world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Pass(100);
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Say(client_, "DONE");
  world_.HearsNothing(client_, 0.1);
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, idle + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "i OK Idle completed.");
  world_.AsksNothing(0, 200);
}

TEST_F(PinnedTest, HearsInIdleThatItIsStillThere) {
  world_.config().timeouts.heartbeat_s = 30;
  world_.StartIdle(client_);
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.HearsNothing(client_, 29);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  world_.HearsNothing(client_, 29);
  world_.Pass(2);
  EXPECT_EQ(world_.Hear(client_), "* OK Still here");
  world_.Tell(0, "* 1 FETCH (BODY[] {100}");  // the rest is to come: nothing may fall into it
  world_.Pass(60);
  EXPECT_EQ(world_.figures().client_stats.heartbeats, 1u);
}

// IDLE itself is the one.
TEST_F(PinnedTest, EndsIdleWhereOneCommandMayBeInProgress) {
  world_.config().limits.commands_in_progress = 1;
  world_.StartIdle(client_);
  const std::string idle = world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Tell(0, idle + " OK done");
  EXPECT_EQ(world_.Hear(client_), "i OK Idle completed.");
}

TEST_F(PinnedTest, IdlesAgainAfterAnIdleThatTheStoreRefused) {
  world_.StartIdle(client_);
  RefuseIdle();
  world_.EndIdle(client_);
  world_.StartIdle(client_);
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Tell(0, "* 2 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
}

}  // namespace
}  // namespace roost
