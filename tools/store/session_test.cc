#include "tools/store/session.h"

#include <gtest/gtest.h>

#include "tools/store/test_client.h"

namespace roost::embedded {
namespace {

TEST(SessionLogin, GreetingSaysWhatItIsAndWhatItCan) {
  TestStore store;
  TestClient client(store);
  EXPECT_HAS(client.greeting(), "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN");
  EXPECT_HAS(client.greeting(), "for tests");
  EXPECT_LACKS(client.greeting(), "STARTTLS");
}

TEST(SessionLogin, LoginTakesQuotedLiteralAndNonSyncLiteral) {
  TestStore store({.password = "se\"cret", .users = {}, .master_user = {}, .master_password = {}});
  TestClient quoted(store);
  EXPECT_HAS(quoted.Run("LOGIN alice \"se\\\"cret\""), "t OK [CAPABILITY");
  TestClient literal(store);
  EXPECT_EQ(literal.Raw("a LOGIN {5}\r\n"), "+ Go on\r\n");
  EXPECT_EQ(literal.Raw("alice {7}\r\n"), "+ Go on\r\n");
  EXPECT_HAS(literal.Raw("se\"cret\r\n"), "a OK");
  TestClient plus(store);
  EXPECT_HAS(plus.Raw("a LOGIN {5+}\r\nalice {7+}\r\nse\"cret\r\n"), "a OK");
}

TEST(SessionLogin, WrongPasswordIsNoWithACode) {
  TestStore store({.password = "right", .users = {}, .master_user = {}, .master_password = {}});
  TestClient client(store);
  EXPECT_HAS(client.Run("LOGIN alice wrong"), "t NO [AUTHENTICATIONFAILED]");
  EXPECT_HAS(client.Run("LOGIN alice right"), "t OK");
  EXPECT_HAS(client.Run("LOGIN alice right"), "t BAD");
}

TEST(SessionLogin, PlainWorksInOneLineAndInTwo) {
  TestStore store;
  TestClient one(store);
  EXPECT_HAS(one.Run("AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA=="), "t OK");
  TestClient two(store);
  EXPECT_EQ(two.Run("AUTHENTICATE PLAIN"), "+ \r\n");
  EXPECT_HAS(two.Raw("AGFsaWNlAHNlY3JldA==\r\n"), "t OK");
  TestClient cancelled(store);
  cancelled.Run("AUTHENTICATE PLAIN");
  EXPECT_HAS(cancelled.Raw("*\r\n"), "t BAD");
  EXPECT_HAS(cancelled.Run("AUTHENTICATE PLAIN !!!"), "t BAD");
  EXPECT_HAS(cancelled.Run("AUTHENTICATE CRAM-MD5"), "t NO");
}

TEST(SessionLogin, MasterUserActsForOthersByAuthzidAndByName) {
  TestStore store({.password = "p", .users = {}, .master_user = "boss", .master_password = "key"});
  TestClient authzid(store);
  // alice NUL boss NUL key
  EXPECT_HAS(authzid.Run("AUTHENTICATE PLAIN YWxpY2UAYm9zcwBrZXk="), "t OK");
  TestClient star(store);
  EXPECT_HAS(star.Run("LOGIN \"alice*boss\" key"), "t OK");
  EXPECT_EQ(store.registry.Get("alice")->counts().open, 2u);
  TestClient wrong(store);
  EXPECT_HAS(wrong.Run("LOGIN \"alice*boss\" p"), "t NO");
  TestClient nobody(store);
  // alice NUL bob NUL p: bob is no master
  EXPECT_HAS(nobody.Run("AUTHENTICATE PLAIN YWxpY2UAYm9iAHA="), "t NO");
}

TEST(SessionLogin, UsersFromAListAreTheOnlyOnes) {
  TestStore store(
      {.password = {}, .users = {{"alice", "a"}}, .master_user = {}, .master_password = {}});
  TestClient client(store);
  EXPECT_HAS(client.Run("LOGIN bob a"), "t NO");
  EXPECT_HAS(client.Run("LOGIN alice a"), "t OK");
}

TEST(SessionLogin, ThreeBadCommandsBeforeLoginEndIt) {
  TestStore store;
  TestClient client(store);
  const std::string output = client.Raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_HAS(output, "* BYE");
  EXPECT_TRUE(client.host().closed);
}

TEST(SessionLogin, StartTlsIsOfferedOnceAndPlaintextBehindItEndsTheSession) {
  TestStore store;
  TestClient client(store, true);
  EXPECT_HAS(client.greeting(), "STARTTLS");
  EXPECT_HAS(client.Run("STARTTLS"), "t OK");
  EXPECT_TRUE(client.host().tls_started);
  EXPECT_TRUE(client.session().Blocked());
  client.session().OnSecure();
  EXPECT_LACKS(client.Run("CAPABILITY"), "STARTTLS");

  TestClient injected(store, true);
  EXPECT_HAS(injected.Raw("a STARTTLS\r\nb NOOP\r\n"), "* BYE");
  EXPECT_TRUE(injected.host().closed);
}

TEST(SessionLogin, WhatIsSwitchedOffIsNeitherOfferedNorDone) {
  TestStore store;
  for (const char* name :
       {"IDLE", "CONDSTORE", "ESEARCH", "UIDPLUS", "MOVE", "LITERAL+", "NOTIFY"}) {
    EXPECT_TRUE(store.options.features.Remove(name)) << name;
  }
  EXPECT_FALSE(store.options.features.Remove("TELEPATHY"));
  TestClient client(store);
  EXPECT_EQ(
      client.greeting().substr(0, client.greeting().find(']')),
      "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR ID ENABLE NAMESPACE UNSELECT STATUS=SIZE");
  store.Deliver();
  client.LogIn();
  const std::string selected = client.Ok("SELECT INBOX");
  EXPECT_LACKS(selected, "HIGHESTMODSEQ");
  EXPECT_HAS(client.Run("IDLE"), "BAD");
  EXPECT_HAS(client.Run("MOVE 1 Trash"), "BAD");
  EXPECT_HAS(client.Run("FETCH 1 (MODSEQ)"), "BAD");
  EXPECT_HAS(client.Run("SEARCH RETURN (ALL) ALL"), "BAD");
  EXPECT_HAS(client.Run("UID EXPUNGE 1"), "BAD");
  EXPECT_HAS(client.Run("ENABLE CONDSTORE"), "BAD");
  EXPECT_HAS(client.Run("NOTIFY NONE"), "BAD");
  EXPECT_LACKS(client.Ok("CAPABILITY"), "NOTIFY");
}

TEST(SessionLogin, NonSyncLiteralEndsTheSessionWhereItIsNotOffered) {
  TestStore store;
  store.options.features.Remove("LITERAL+");
  TestClient client(store);
  EXPECT_HAS(client.Raw("a LOGIN {5+}\r\nalice x\r\n"), "* BYE");
}

TEST(SessionInput, ComesByteByByteAsWellAsWhole) {
  TestStore store;
  const std::string input =
      "a LOGIN {5}\r\nalice secret\r\nb APPEND INBOX (\\Seen) {5}\r\nhello\r\n"
      "c SELECT INBOX\r\nd IDLE\r\nDONE\r\ne FETCH 1 (FLAGS BODY.PEEK[])\r\nf LOGOUT\r\n";
  TestClient whole(store);
  const std::string expected = whole.Raw(input);
  EXPECT_HAS(expected, "f OK");
  TestStore other;
  TestClient bytes(other);
  std::string output;
  for (char c : input) output += bytes.Raw(std::string_view(&c, 1));
  EXPECT_EQ(output, expected);
}

TEST(SessionInput, LiteralsThatAreTooLargeAreRefusedBeforeTheyCome) {
  TestStore store;
  store.options.max_message_bytes = 1000;
  TestClient client(store);
  client.LogIn();
  EXPECT_HAS(client.Raw("a APPEND INBOX {900000}\r\n"), "a NO [TOOBIG]");
  EXPECT_HAS(client.Raw("b NOOP\r\n"), "b OK");
  EXPECT_HAS(client.Raw("c CREATE {900000}\r\n"), "c NO [TOOBIG]");
  EXPECT_HAS(client.Raw("d APPEND INBOX {900000+}\r\n"), "* BYE");
  EXPECT_TRUE(client.host().closed);
}

TEST(SessionSelect, TellsWhatTheMailboxHolds) {
  TestStore store;
  store.Deliver();
  store.Deliver();
  store.inbox().SetFlags(1, {.system = kSeen, .keywords = 0});
  TestClient client(store);
  client.LogIn();
  const std::string output = client.Ok("SELECT inbox");
  EXPECT_HAS(output, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)");
  EXPECT_HAS(output, "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)]");
  EXPECT_HAS(output, "* 2 EXISTS\r\n* 2 RECENT\r\n");
  EXPECT_HAS(output, "[UNSEEN 2]");
  EXPECT_HAS(output, "[UIDVALIDITY 100]");
  EXPECT_HAS(output, "[UIDNEXT 3]");
  EXPECT_HAS(output, "[HIGHESTMODSEQ 4]");
  EXPECT_HAS(output, "OK [READ-WRITE]");
}

TEST(SessionSelect, ExamineTakesNoRecentAndChangesNothing) {
  TestStore store;
  store.Deliver();
  TestClient looker(store);
  looker.LogIn();
  const std::string examined = looker.Ok("EXAMINE INBOX");
  EXPECT_HAS(examined, "* 1 RECENT");
  EXPECT_HAS(examined, "[PERMANENTFLAGS ()]");
  EXPECT_HAS(examined, "OK [READ-ONLY]");
  EXPECT_HAS(looker.Run("STORE 1 +FLAGS (\\Seen)"), "NO [READ-ONLY]");
  EXPECT_HAS(looker.Run("EXPUNGE"), "NO [READ-ONLY]");
  EXPECT_HAS(looker.Ok("FETCH 1 BODY[TEXT]"), "BODY[TEXT] {4}\r\nHi\r\n)");
  EXPECT_EQ(store.inbox().Find(1)->flags.system, 0);
  TestClient first(store);
  first.LogIn();
  EXPECT_HAS(first.Ok("SELECT INBOX"), "* 1 RECENT");
  TestClient second(store);
  second.LogIn();
  EXPECT_HAS(second.Ok("SELECT INBOX"), "* 0 RECENT");
  EXPECT_HAS(first.Ok("FETCH 1 FLAGS"), "FLAGS (\\Recent)");
  EXPECT_HAS(second.Ok("FETCH 1 FLAGS"), "FLAGS ()");
}

TEST(SessionSelect, AFailedSelectLeavesNothingSelected) {
  TestStore store;
  TestClient client(store);
  client.Open();
  const std::string output = client.Run("SELECT nowhere");
  EXPECT_HAS(output, "* OK [CLOSED]");
  EXPECT_HAS(output, "NO [NONEXISTENT]");
  EXPECT_HAS(client.Run("FETCH 1 FLAGS"), "BAD");
}

TEST(SessionMailboxes, AreCreatedListedRenamedAndDeleted) {
  TestStore store;
  TestClient client(store);
  client.LogIn();
  client.Ok("CREATE Work/2024");
  EXPECT_HAS(client.Run("CREATE Work"), "NO [ALREADYEXISTS]");
  EXPECT_HAS(client.Run("CREATE inbox"), "NO [ALREADYEXISTS]");
  client.Ok("SUBSCRIBE Work");
  EXPECT_EQ(client.Ok("LIST \"\" *"),
            "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\HasChildren) \"/\" Work\r\n"
            "* LIST (\\HasNoChildren) \"/\" Work/2024\r\nt OK Listed\r\n");
  EXPECT_LACKS(client.Ok("LIST \"\" %"), "2024");
  EXPECT_HAS(client.Ok("LIST Work/ %"), "Work/2024");
  EXPECT_HAS(client.Ok("LIST \"\" \"W*4\""), "Work/2024");
  EXPECT_HAS(client.Ok("LIST \"\" \"\""), "* LIST (\\Noselect) \"/\" \"\"");
  EXPECT_HAS(client.Ok("LSUB \"\" *"), "* LSUB () \"/\" Work\r\n");
  EXPECT_HAS(client.Ok("LIST (SUBSCRIBED) \"\" *"), "\\Subscribed");
  EXPECT_HAS(client.Ok("LIST \"\" Work RETURN (STATUS (MESSAGES))"), "* STATUS Work (MESSAGES 0)");
  client.Ok("RENAME Work Play");
  EXPECT_HAS(client.Ok("LIST \"\" *"), "Play/2024");
  EXPECT_HAS(client.Run("DELETE INBOX"), "NO");
  client.Ok("DELETE Play/2024");
  EXPECT_HAS(client.Run("DELETE Play/2024"), "NO [NONEXISTENT]");
  EXPECT_HAS(client.Ok("NAMESPACE"), "* NAMESPACE ((\"\" \"/\")) NIL NIL");
}

// Once what was below a mailbox that is gone could not be found level by level.
TEST(SessionMailboxes, ALevelThatIsNoMailboxIsListedOnceWherePercentAsksForLevels) {
  TestStore store;
  TestClient client(store);
  client.LogIn();
  client.Ok("CREATE Work/2024/May");
  client.Ok("CREATE Work/2025");
  client.Ok("DELETE Work/2024");
  client.Ok("DELETE Work");
  EXPECT_EQ(client.Ok("LIST \"\" %"),
            "* LIST (\\HasNoChildren) \"/\" INBOX\r\n"
            "* LIST (\\NonExistent \\HasChildren) \"/\" Work\r\nt OK Listed\r\n");
  EXPECT_EQ(client.Ok("LIST Work/ %"),
            "* LIST (\\NonExistent \\HasChildren) \"/\" Work/2024\r\n"
            "* LIST (\\HasNoChildren) \"/\" Work/2025\r\nt OK Listed\r\n");
  EXPECT_LACKS(client.Ok("LIST \"\" *"), "NonExistent");
  EXPECT_LACKS(client.Ok("LIST (SUBSCRIBED) \"\" %"), "Work");
  client.Ok("CREATE Work");
  EXPECT_HAS(client.Ok("LIST \"\" %"), "* LIST (\\HasChildren) \"/\" Work\r\n");
}

TEST(SessionMailboxes, RenamingInboxMovesItsMessages) {
  TestStore store;
  store.Deliver();
  TestClient client(store);
  client.Open();
  EXPECT_HAS(client.Ok("RENAME INBOX Old"), "* 1 EXPUNGE");
  EXPECT_HAS(client.Ok("STATUS Old (MESSAGES)"), "(MESSAGES 1)");
}

TEST(SessionMailboxes, DeletingASelectedOneSendsOthersAway) {
  TestStore store;
  TestClient one(store);
  TestClient two(store);
  one.LogIn();
  one.Ok("CREATE Box");
  one.Ok("SELECT Box");
  two.LogIn();
  two.Ok("SELECT Box");
  EXPECT_HAS(one.Ok("DELETE Box"), "* OK [CLOSED]");
  EXPECT_HAS(two.Take(), "* BYE");
  EXPECT_TRUE(two.host().closed);
  EXPECT_EQ(store.registry.counts().selected, 0u);
}

TEST(SessionMailboxes, ANameThatComesBackHasANewUidvalidity) {
  TestStore store;
  TestClient client(store);
  client.LogIn();
  client.Ok("CREATE Box");
  const std::string before = client.Ok("STATUS Box (UIDVALIDITY)");
  client.Ok("DELETE Box");
  client.Ok("CREATE Box");
  EXPECT_NE(Lines(client.Ok("STATUS Box (UIDVALIDITY)"))[0], Lines(before)[0]);
}

TEST(SessionStatus, CountsWithoutSelecting) {
  TestStore store;
  store.Deliver();
  store.Deliver("x\r\n\r\n12345");
  TestClient client(store);
  client.LogIn();
  EXPECT_HAS(client.Ok("STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE)"),
             "* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY 100 UNSEEN 2 SIZE 32)");
  EXPECT_HAS(client.Run("STATUS INBOX (WEIGHT)"), "BAD");
  EXPECT_HAS(client.Run("STATUS Nowhere (MESSAGES)"), "NO [NONEXISTENT]");
}

TEST(SessionAppend, TellsTheUidAndTheSelectedMailbox) {
  TestStore store;
  TestClient client(store);
  client.Open();
  const std::string output =
      client.Raw("a APPEND INBOX (\\Seen $Work) \"17-Jul-1996 02:44:25 -0700\" {5+}\r\nhello\r\n");
  EXPECT_HAS(output, "* 1 EXISTS\r\n* 1 RECENT\r\n");
  EXPECT_HAS(output, "a OK [APPENDUID 100 1] Appended\r\n");
  EXPECT_HAS(output, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)");
  EXPECT_HAS(client.Ok("FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE BODY[])"),
             "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent $Work) INTERNALDATE \"17-Jul-1996 09:44:25 "
             "+0000\" RFC822.SIZE 5 BODY[] {5}\r\nhello)");
  EXPECT_HAS(client.Raw("b APPEND Nowhere {1+}\r\nx\r\n"), "b NO [TRYCREATE]");
  EXPECT_HAS(client.Raw("c APPEND INBOX \"17-Foo-1996 02:44:25 -0700\" {1+}\r\nx\r\n"), "c BAD");
}

TEST(SessionStore, AddsRemovesReplacesAndKeepsQuietWhenAsked) {
  TestStore store;
  store.Deliver();
  TestClient client(store);
  client.Open("EXAMINE INBOX");
  client.Ok("SELECT INBOX");
  EXPECT_HAS(client.Ok("STORE 1 +FLAGS (\\Seen \\Flagged)"),
             "* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))");
  EXPECT_HAS(client.Ok("STORE 1 -FLAGS \\Seen"), "FLAGS (\\Flagged \\Recent)");
  EXPECT_HAS(client.Ok("UID STORE 1 FLAGS ($A $B)"), "* 1 FETCH (UID 1 FLAGS (\\Recent $A $B))");
  EXPECT_LACKS(client.Ok("STORE 1 FLAGS.SILENT (\\Answered)"), "FETCH");
  EXPECT_LACKS(client.Ok("NOOP"), "FETCH");
  EXPECT_HAS(client.Ok("FETCH 1 FLAGS"), "FLAGS (\\Answered \\Recent)");
  EXPECT_HAS(client.Run("STORE 1 FLAGS (\\Unheard)"), "BAD");
  EXPECT_HAS(client.Run("STORE 2 FLAGS (\\Seen)"), "BAD");
  client.Ok("UID STORE 77 FLAGS (\\Seen)");
}

TEST(SessionStore, ASilentStoreDoesNotHideAnotherSessionsChange) {
  TestStore store;
  store.Deliver();
  TestClient mine(store);
  TestClient other(store);
  mine.Open();
  other.Open();
  other.Ok("STORE 1 +FLAGS (\\Flagged)");
  EXPECT_HAS(mine.Ok("STORE 1 +FLAGS.SILENT (\\Seen)"), "FLAGS (\\Flagged \\Seen \\Recent)");
}

TEST(SessionStore, KeywordsAreAnnouncedBeforeTheyAppear) {
  TestStore store;
  store.Deliver();
  TestClient mine(store);
  TestClient other(store);
  mine.Open();
  other.Open();
  mine.Ok("STORE 1 +FLAGS ($New)");
  const std::string news = other.Ok("NOOP");
  EXPECT_LT(news.find("* FLAGS"), news.find("FETCH"));
  EXPECT_HAS(news, "$New \\*)]");
  mine.Ok("STORE 1 +FLAGS ($Newer)");
  const std::string asked = other.Ok("FETCH 1 (FLAGS)");
  EXPECT_LT(asked.find("* FLAGS"), asked.find("FETCH"));
}

TEST(SessionCopy, TellsWhereTheyWent) {
  TestStore store;
  for (int i = 0; i < 3; ++i) store.Deliver();
  TestClient client(store);
  client.Open();
  client.Ok("STORE 2 +FLAGS.SILENT (\\Seen $K)");
  EXPECT_HAS(client.Run("COPY 1:2 Box"), "NO [TRYCREATE]");
  client.Ok("CREATE Box");
  EXPECT_HAS(client.Ok("COPY 1:2 Box"), "OK [COPYUID 101 1:2 1:2]");
  EXPECT_HAS(client.Ok("UID COPY 3,2 INBOX"), "* 5 EXISTS");
  EXPECT_HAS(client.Run("COPY 9 Box"), "BAD");
  client.Ok("SELECT Box");
  EXPECT_HAS(client.Ok("FETCH 2 FLAGS"), "\\Seen \\Recent $K");
}

TEST(SessionMove, TellsCopyuidFirstAndThenThatTheyAreGone) {
  TestStore store;
  for (int i = 0; i < 3; ++i) store.Deliver();
  TestClient client(store);
  client.Open();
  client.Ok("CREATE Box");
  EXPECT_EQ(client.Run("MOVE 1,3 Box"),
            "* OK [COPYUID 101 1,3 1:2] Moved\r\n* 3 EXPUNGE\r\n"
            "* 1 EXPUNGE\r\nt OK Moved\r\n");
  EXPECT_HAS(client.Ok("FETCH 1 UID"), "UID 2");
}

TEST(SessionExpunge, CloseExpungesSilentlyAndUnselectDoesNot) {
  TestStore store;
  store.Deliver();
  store.Deliver();
  TestClient client(store);
  client.Open();
  client.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  client.Ok("UNSELECT");
  EXPECT_EQ(store.inbox().size(), 2u);
  client.Ok("SELECT INBOX");
  EXPECT_LACKS(client.Ok("CLOSE"), "EXPUNGE");
  EXPECT_EQ(store.inbox().size(), 1u);
}

TEST(SessionExpunge, UidExpungeTakesOnlyThoseNamed) {
  TestStore store;
  for (int i = 0; i < 4; ++i) store.Deliver();
  TestClient client(store);
  client.Open();
  client.Ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(client.Run("UID EXPUNGE 2:4"), "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\nt OK Expunged\r\n");
}

// --- when an expunge may be told ---

class ExpungeTiming : public testing::Test {
 protected:
  ExpungeTiming() : mine(store), other(store) {
    for (int i = 0; i < 3; ++i) store.Deliver();
    mine.Open();
    other.Open();
    other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
    other.Ok("EXPUNGE");
    mine.Take();
  }
  TestStore store;
  TestClient mine;
  TestClient other;
};

TEST_F(ExpungeTiming, NothingIsToldWithoutACommand) { EXPECT_EQ(mine.TakeNews(), ""); }

TEST_F(ExpungeTiming, NotDuringFetchStoreOrSearchByNumber) {
  for (const char* command :
       {"FETCH 2 UID", "STORE 2 +FLAGS (\\Seen)", "SEARCH ALL", "UID SEARCH 1:3", "FETCH 9 UID"}) {
    const std::string output = mine.Run(command);
    EXPECT_LACKS(output, "EXPUNGE\r\n") << command;
  }
  EXPECT_HAS(mine.Ok("FETCH 2:3 UID"), "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n");
}

TEST_F(ExpungeTiming, WhatIsGoneIsMissedButItsNumberStays) {
  EXPECT_HAS(mine.Run("FETCH 1:2 UID"), "* 2 FETCH (UID 2)");
  EXPECT_HAS(mine.Run("FETCH 1 UID"), "NO [EXPUNGEISSUED]");
  EXPECT_HAS(mine.Run("STORE 1 +FLAGS (\\Seen)"), "NO [EXPUNGEISSUED]");
  EXPECT_HAS(mine.Ok("SEARCH ALL"), "* SEARCH 2 3\r\n");
}

TEST_F(ExpungeTiming, CopyOfAGoneMessageCopiesNothing) {
  EXPECT_HAS(mine.Run("COPY 1:3 INBOX"), "NO [EXPUNGEISSUED]");
  EXPECT_EQ(store.inbox().size(), 2u);
}

TEST_F(ExpungeTiming, ToldAtNoop) { EXPECT_HAS(mine.Ok("NOOP"), "* 1 EXPUNGE\r\n"); }
TEST_F(ExpungeTiming, ToldAtUidFetch) {
  EXPECT_EQ(mine.Ok("UID FETCH 2 FLAGS"),
            "* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n* 1 EXPUNGE\r\nt OK Fetched\r\n");
}
TEST_F(ExpungeTiming, ToldAtUidSearchWithoutNumbers) {
  EXPECT_HAS(mine.Ok("UID SEARCH ALL"), "* SEARCH 2 3\r\n* 1 EXPUNGE\r\n");
}
TEST_F(ExpungeTiming, ToldWhenIdleBeginsAndDuringIt) {
  EXPECT_EQ(mine.Idle(), "+ idling\r\n* 1 EXPUNGE\r\n");
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  other.Ok("EXPUNGE");
  store.Deliver();
  EXPECT_EQ(mine.TakeNews(), "* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 2 RECENT\r\n");
}
TEST_F(ExpungeTiming, ArrivalsAreToldOnTopOfAnOwedExpunge) {
  store.Deliver();
  EXPECT_HAS(mine.Ok("FETCH 2 UID"), "* 4 EXISTS");
  EXPECT_HAS(mine.Ok("FETCH 4 UID"), "* 4 FETCH (UID 4)");
  EXPECT_HAS(mine.Ok("NOOP"), "* 1 EXPUNGE");
  EXPECT_HAS(mine.Ok("FETCH 3 UID"), "* 3 FETCH (UID 4)");
}
TEST_F(ExpungeTiming, DoneFlushesNothing) {
  mine.Idle();
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.Done(), "t OK Idle ended\r\n");
  EXPECT_HAS(mine.Ok("NOOP"), "* 1 EXPUNGE");
}

// --- IDLE ---

TEST(SessionIdle, HearsOfEverythingOncePerTurn) {
  TestStore store;
  store.Deliver();
  TestClient mine(store);
  TestClient other(store);
  mine.Open();
  other.Open();
  EXPECT_EQ(mine.Idle(), "+ idling\r\n");
  store.Deliver();
  store.Deliver();
  EXPECT_EQ(mine.Take(), "") << "only at the end of the turn";
  EXPECT_EQ(mine.TakeNews(), "* 3 EXISTS\r\n* 3 RECENT\r\n");
  other.Ok("STORE 1 +FLAGS (\\Seen)");
  EXPECT_EQ(mine.TakeNews(), "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n");
  EXPECT_EQ(mine.TakeNews(), "");
  EXPECT_EQ(store.registry.counts().idling, 1u);
  EXPECT_HAS(mine.Raw("done\n"), "OK Idle ended");
  EXPECT_EQ(store.registry.counts().idling, 0u);
}

TEST(SessionIdle, AnythingButDoneEndsItWithBad) {
  TestStore store;
  TestClient client(store);
  client.Open();
  client.Idle();
  EXPECT_EQ(client.Raw("x NOOP\r\n"), "t BAD Expected DONE\r\n");
  client.Ok("NOOP");
}

TEST(SessionIdle, ASlowReaderIsToldLater) {
  TestStore store;
  TestClient mine(store);
  mine.Open();
  mine.Idle();
  mine.host().unsent = Session::kOutputHighWater + 1;
  store.Deliver();
  EXPECT_EQ(mine.TakeNews(), "");
  mine.host().unsent = 0;
  mine.session().Resume();
  EXPECT_EQ(mine.Take(), "* 1 EXISTS\r\n* 1 RECENT\r\n");
}

// --- FETCH ---

TEST(SessionFetch, PausesWhenTheReaderIsSlow) {
  TestStore store;
  const std::string big = "Subject: big\r\n\r\n" + std::string(100000, 'x') + "\r\n";
  for (int i = 0; i < 20; ++i) store.Deliver(big);
  TestClient client(store);
  client.Open();
  client.host().hold_output = true;
  std::string output = client.Raw("a UID FETCH 1:* (BODY.PEEK[])\r\nb NOOP\r\n");
  EXPECT_LT(output.size(), Session::kOutputHighWater + 2 * big.size());
  EXPECT_GT(client.pending(), 0u) << "the next command waits";
  for (int turn = 0; turn < 30 && client.session().Blocked(); ++turn) {
    client.host().unsent = 0;
    client.session().Resume();
    output += client.Take();
  }
  output += client.Raw("");
  EXPECT_HAS(output, "a OK");
  EXPECT_HAS(output, "b OK");
  EXPECT_GT(output.size(), 20 * big.size());
}

TEST(SessionFetch, BodySetsSeenAndPeekDoesNot) {
  TestStore store;
  store.Deliver();
  TestClient client(store);
  client.Open();
  EXPECT_EQ(client.Ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.10>"),
            "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)]<0> {10}\r\nSubject: h)\r\nt OK Fetched\r\n");
  EXPECT_EQ(client.Ok("FETCH 1 BODY[TEXT]"),
            "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {4}\r\nHi\r\n)\r\nt OK Fetched\r\n");
  EXPECT_LACKS(client.Ok("NOOP"), "FETCH") << "its own change was told already";
}

TEST(SessionFetch, MacrosAndOldNames) {
  TestStore store;
  store.Deliver();
  TestClient client(store);
  client.Open();
  EXPECT_HAS(client.Ok("FETCH 1 FAST"),
             "(FLAGS (\\Recent) INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" RFC822.SIZE 22)");
  EXPECT_HAS(client.Ok("FETCH 1 RFC822.HEADER"), "RFC822.HEADER {18}\r\nSubject: hello\r\n\r\n)");
  EXPECT_HAS(client.Ok("FETCH 1 FULL"), "BODY (\"TEXT\" \"PLAIN\"");
  EXPECT_HAS(client.Run("FETCH 1 NONSENSE"), "BAD");
  EXPECT_HAS(client.Run("FETCH 1 (FLAGS"), "BAD");
  EXPECT_HAS(client.Run("FETCH 0 FLAGS"), "BAD");
}

TEST(SessionFetch, UidRangeBeyondTheEndGivesTheLast) {
  TestStore store;
  store.Deliver();
  store.Deliver();
  TestClient client(store);
  client.Open();
  EXPECT_HAS(client.Ok("UID FETCH 50:* UID"), "* 2 FETCH (UID 2)");
  EXPECT_LACKS(client.Ok("UID FETCH 50 UID"), "FETCH (");
}

// --- SEARCH ---

class SessionSearch : public testing::Test {
 protected:
  SessionSearch() : client(store) {
    store.Deliver("From: Ann <ann@a.example>\r\nSubject: Pears\r\n\r\nabout fruit\r\n");
    store.Deliver("From: Bob <bob@b.example>\r\nSubject: Plums\r\nX-Id: 7\r\n\r\nmore fruit\r\n");
    store.Deliver("From: Cy <cy@c.example>\r\nSubject: Nuts\r\n\r\n" + std::string(500, 'n'));
    client.Open();
    client.Ok("STORE 1 +FLAGS.SILENT (\\Seen $Work)");
    client.Ok("STORE 2 +FLAGS.SILENT (\\Deleted)");
  }
  std::string Result(std::string_view program) {
    const std::string output = client.Ok("SEARCH " + std::string(program));
    return Lines(output)[0].substr(8);
  }
  TestStore store;
  TestClient client;
};

TEST_F(SessionSearch, ByFlagsAndKeywords) {
  EXPECT_EQ(Result("ALL"), " 1 2 3");
  EXPECT_EQ(Result("SEEN"), " 1");
  EXPECT_EQ(Result("UNSEEN"), " 2 3");
  EXPECT_EQ(Result("DELETED UNSEEN"), " 2");
  EXPECT_EQ(Result("KEYWORD $Work"), " 1");
  EXPECT_EQ(Result("UNKEYWORD $Work"), " 2 3");
  EXPECT_EQ(Result("KEYWORD $Unheard"), "");
  EXPECT_EQ(Result("NEW"), " 2 3");
  EXPECT_EQ(Result("OLD"), "");
}
TEST_F(SessionSearch, ByNumbersAndUids) {
  EXPECT_EQ(Result("2:*"), " 2 3");
  EXPECT_EQ(Result("UID 1,3"), " 1 3");
  EXPECT_EQ(Result("NOT 2"), " 1 3");
  EXPECT_HAS(client.Run("SEARCH 4"), "BAD");
}
TEST_F(SessionSearch, ByText) {
  EXPECT_EQ(Result("SUBJECT pear"), " 1");
  EXPECT_EQ(Result("FROM b.example"), " 2");
  EXPECT_EQ(Result("HEADER X-Id \"\""), " 2");
  EXPECT_EQ(Result("BODY FRUIT"), " 1 2");
  EXPECT_EQ(Result("TEXT Nuts"), " 3");
  EXPECT_EQ(Result("CHARSET UTF-8 SUBJECT {4+}\r\nPlum"), " 2");
  EXPECT_HAS(client.Run("SEARCH CHARSET KOI7 ALL"), "NO [BADCHARSET");
}
TEST_F(SessionSearch, BySizeAndDate) {
  EXPECT_EQ(Result("LARGER 400"), " 3");
  EXPECT_EQ(Result("SMALLER 400"), " 1 2");
  EXPECT_EQ(Result("ON 14-Nov-2023"), " 1 2 3");
  EXPECT_EQ(Result("BEFORE 14-Nov-2023"), "");
  EXPECT_EQ(Result("SINCE 1-Nov-2023"), " 1 2 3");
}
TEST_F(SessionSearch, WithOrNotAndParentheses) {
  EXPECT_EQ(Result("OR (SEEN) (LARGER 400)"), " 1 3");
  EXPECT_EQ(Result("NOT (OR SEEN DELETED)"), " 3");
  EXPECT_HAS(client.Run("SEARCH OR SEEN"), "BAD");
  EXPECT_HAS(client.Run("SEARCH"), "BAD");
}
TEST_F(SessionSearch, ReturnsWhatIsAskedFor) {
  EXPECT_HAS(client.Ok("SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN"),
             "* ESEARCH (TAG \"t\") MIN 2 MAX 3 ALL 2:3 COUNT 2\r\n");
  EXPECT_HAS(client.Ok("UID SEARCH RETURN () ALL"), " UID ALL 1:3\r\n");
  EXPECT_HAS(client.Ok("SEARCH RETURN (COUNT MIN) ANSWERED"), ") COUNT 0\r\n");
  EXPECT_HAS(client.Run("SEARCH RETURN (SAVE) ALL"), "BAD");
}

// --- LMTP's and the control's counts ---

TEST(RegistryReport, CountsSessionsAndCommands) {
  TestStore store;
  TestClient client(store);
  client.Open();
  client.Idle();
  const std::string report = store.Report();
  EXPECT_HAS(report,
             "sessions 1\nselected 1\nidling 1\nlogins 1\nlogging-in 0\nmost-logging-in 1\n");
  EXPECT_HAS(report, "user alice sessions 1 selected 1 idling 1 logins 1\n");
  EXPECT_HAS(report, "command SELECT 1\n");
  client.Done();
  client.Ok("ID (\"name\" \"Roost\" \"x-originating-ip\" \"192.0.2.1\")");
  EXPECT_HAS(store.Report(), "id name=Roost x-originating-ip=192.0.2.1\n");
  client.Ok("LOGOUT");
  EXPECT_HAS(store.Report(), "selected 0\nidling 0\n");
}

}  // namespace
}  // namespace roost::embedded
