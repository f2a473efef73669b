#include "core/client/relay_mapped.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr EnabledSet kPlain;
constexpr EnabledSet kCondstore = EnabledSet::FromBits(EnabledSet::kCondstore);
constexpr EnabledSet kQresync = EnabledSet::FromBits(EnabledSet::kQresync);

// Of messages 1 to 6 (UIDs 11 to 16) the second and the fifth are gone.
class RelayMappedTest : public ::testing::Test {
 protected:
  RelayMappedTest() : mapped_(Owed()) {}

  static OwedExpunges Owed() {
    OwedExpunges owed;
    owed.numbers = UidSet{{2, 2}, {5, 5}};
    owed.uids = UidSet{{12, 12}, {15, 15}};
    owed.count = 4;
    owed.modseq_before = 50;
    return owed;
  }

  std::string Rewrite(std::string_view text, EnabledSet enabled = kPlain) {
    std::string out;
    const std::string line = std::string(text) + "\r\n";
    mapped_.Rewrite(ParseCommand(line), LiteralsTaken::kAll, enabled, &out);
    return out.empty() ? out : out.substr(0, out.size() - 2);
  }
  void Hold(std::string_view text) {
    const std::string line = std::string(text) + "\r\n";
    mapped_.Hold(ParseCommand(line));
  }
  // A whole response; "BYE" when the client must go.
  std::string Map(std::string_view text, EnabledSet enabled = kPlain) {
    const std::string line = std::string(text) + "\r\n";
    Piece piece;
    piece.kind = Piece::Kind::kText;
    piece.begins_message = piece.ends_message = piece.ends_line = true;
    piece.bytes = line;
    const Response response = ParseResponse(line);
    std::string out;
    if (!mapped_.Map(piece, &response, enabled, &out)) return "BYE";
    return out.empty() ? out : out.substr(0, out.size() - 2);
  }
  std::string Told(EnabledSet enabled) {
    std::string out;
    mapped_.Tell(enabled, &out);
    return out;
  }

  RelayMapped mapped_;
};

TEST_F(RelayMappedTest, TellsWhatIsOwedInTheFormOfTheClass) {
  EXPECT_EQ(Told(kPlain), "* 5 EXPUNGE\r\n* 2 EXPUNGE\r\n");
  EXPECT_EQ(Told(kCondstore), "* 5 EXPUNGE\r\n* 2 EXPUNGE\r\n");
  EXPECT_EQ(Told(kQresync), "* VANISHED 12,15\r\n");
}

TEST_F(RelayMappedTest, KnowsWhatEachCommandAsksFor) {
  using Way = RelayMapped::Way;
  struct Case {
    const char* command;
    Way way;
  };
  for (const Case& c : {Case{"FETCH 1 FLAGS", Way::kRewrite},
                        Case{"STORE 1 FLAGS ()", Way::kRewrite},
                        Case{"COPY 1 x", Way::kRewrite},
                        Case{"MOVE 1 x", Way::kRewrite},
                        Case{"SEARCH ALL", Way::kRewrite},
                        Case{"SORT (DATE) UTF-8 ALL", Way::kRewrite},
                        Case{"THREAD REFERENCES UTF-8 ALL", Way::kRewrite},
                        Case{"UID SEARCH 1", Way::kRewrite},
                        Case{"UID SEARCH FROB", Way::kRewrite},
                        Case{"UID SEARCH ALL", Way::kTell},
                        Case{"UID FETCH 1 FLAGS", Way::kTell},
                        Case{"UID STORE 1 FLAGS ()", Way::kTell},
                        Case{"UID COPY 1 x", Way::kTell},
                        Case{"NOOP", Way::kTell},
                        Case{"EXPUNGE", Way::kTell},
                        Case{"APPEND x {1+}\r\nx", Way::kTell},
                        Case{"STATUS x (MESSAGES)", Way::kTell},
                        Case{"CLOSE", Way::kHold},
                        Case{"UNSELECT", Way::kHold},
                        Case{"LOGOUT", Way::kHold},
                        Case{"SELECT x", Way::kHold},
                        Case{"EXAMINE x", Way::kHold},
                        Case{"REPLACE 1 x {1+}\r\nx", Way::kRefuse},
                        Case{"XFROB 1", Way::kRefuse},
                        Case{"ESEARCH IN (selected) 1", Way::kRefuse}}) {
    const std::string line = "a " + std::string(c.command) + "\r\n";
    EXPECT_EQ(RelayMapped::WayOf(ParseCommand(line)), c.way) << c.command;
  }
}

TEST_F(RelayMappedTest, MapsListsByTheCommandThatIsAnswered) {
  EXPECT_EQ(Rewrite("a SEARCH 3:6"), "a SEARCH 2:4");
  EXPECT_EQ(Map("* SEARCH 2 4"), "* SEARCH 3 6");
  EXPECT_EQ(Map("a OK done"), "a OK done");
  EXPECT_EQ(Rewrite("a UID SEARCH 3:6"), "a UID SEARCH 2:4");
  EXPECT_EQ(Map("* SEARCH 13 16"), "* SEARCH 13 16");
  EXPECT_EQ(Map("* 4 FETCH (FLAGS ())"), "* 6 FETCH (FLAGS ())");
}

TEST_F(RelayMappedTest, NamesTheLastMessageThatWasToldOf) {
  EXPECT_EQ(Rewrite("a FETCH * FLAGS"), "a FETCH 4 FLAGS");
  EXPECT_EQ(Map("* 6 EXISTS"), "* 8 EXISTS");
  EXPECT_EQ(Rewrite("a FETCH 6:* FLAGS"), "a FETCH 4:6 FLAGS");
}

TEST_F(RelayMappedTest, SaysNoWhenSomeOfTheMessagesFetchedAreGone) {
  EXPECT_EQ(Rewrite("a FETCH 1:3 FLAGS"), "a FETCH 1:2 FLAGS");
  EXPECT_EQ(Map("* 2 FETCH (FLAGS ())"), "* 3 FETCH (FLAGS ())");
  EXPECT_EQ(Map("a OK done"), "a " + std::string(kExpungeIssued));
  EXPECT_EQ(Rewrite("a FETCH 1,3 FLAGS"), "a FETCH 1,2 FLAGS");
  EXPECT_EQ(Map("a OK done"), "a OK done");
}

TEST_F(RelayMappedTest, CopiesAllOrNothing) {
  EXPECT_EQ(Rewrite("a COPY 3:4 x"), "a COPY 2:3 x");
  EXPECT_EQ(Rewrite("a COPY 1:3 x"), "");
  EXPECT_EQ(Rewrite("a MOVE 2 x"), "");
}

TEST_F(RelayMappedTest, AddsAnExpungeThatMustNotBeToldNowToThoseOwed) {
  EXPECT_EQ(Rewrite("a FETCH 3 FLAGS"), "a FETCH 2 FLAGS");
  EXPECT_EQ(Map("* 1 EXPUNGE"), "");
  EXPECT_EQ(Map("* 1 FETCH (FLAGS ())"), "* 3 FETCH (FLAGS ())");
  EXPECT_EQ(Map("* 4 EXISTS"), "* 7 EXISTS");
  EXPECT_EQ(Told(kPlain), "* 5 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n");
}

TEST_F(RelayMappedTest, RunsNoSearchByUidThatHasLostAllItsNumbersForAClientToldByUid) {
  EXPECT_EQ(Rewrite("a UID SEARCH 2,5", kQresync), "");  // the store may tell of expunges in it
  EXPECT_EQ(Rewrite("b UID SEARCH 2:3", kQresync), "b UID SEARCH 2");
  EXPECT_EQ(Rewrite("c UID SEARCH 2,5", kPlain), "c UID SEARCH NOT ALL");
}

TEST_F(RelayMappedTest, RunsASearchByUidThatNeverHadNumbers) {
  for (const std::string search :
       {"UID SEARCH", "UID SORT (DATE) UTF-8", "UID THREAD REFS UTF-8"}) {
    const std::string command = "a " + search + " TEXT {3+}\r\nfoo";
    EXPECT_EQ(Rewrite(command, kQresync), command);
  }
}

TEST_F(RelayMappedTest, TellsWhatIsOwedBeforeExpungesThatACommandByUidIsAnsweredWith) {
  Rewrite("a UID SEARCH 3", kQresync);
  const Response vanished = ParseResponse("* VANISHED 13\r\n");
  EXPECT_TRUE(mapped_.TellsBefore(vanished, kQresync));
  EXPECT_FALSE(mapped_.TellsBefore(vanished, kPlain));
  EXPECT_FALSE(mapped_.TellsBefore(ParseResponse("* VANISHED (EARLIER) 13\r\n"), kQresync));
  EXPECT_FALSE(mapped_.TellsBefore(ParseResponse("* 5 EXISTS\r\n"), kQresync));
}

TEST_F(RelayMappedTest, LetsTheClientGoWhenItCannotKnowWhichMessageWasExpunged) {
  EXPECT_EQ(Map("* VANISHED 13", kQresync), "BYE");
  EXPECT_EQ(Map("* 1 EXPUNGE", kQresync), "BYE");  // by UID it would have to be told
  EXPECT_EQ(Map("* 5 EXPUNGE", kPlain), "BYE");    // there are four
  EXPECT_EQ(Map("* VANISHED (EARLIER) 1:9", kQresync), "* VANISHED (EARLIER) 1:9");
}

TEST_F(RelayMappedTest, ClaimsNoModseqAboveThatOfAnExpungeOwed) {
  for (EnabledSet enabled : {kCondstore, kQresync}) {
    Rewrite("a FETCH 3 FLAGS");
    EXPECT_EQ(Map("a OK done", enabled), "a OK [HIGHESTMODSEQ 50] done");
    Rewrite("a FETCH 3 FLAGS");
    EXPECT_EQ(Map("a OK [HIGHESTMODSEQ 70] done", enabled), "a OK [HIGHESTMODSEQ 50] done");
    Rewrite("a FETCH 3 FLAGS");
    EXPECT_EQ(Map("a OK [HIGHESTMODSEQ 40] done", enabled), "a OK [HIGHESTMODSEQ 40] done");
    Rewrite("a STORE 3 (UNCHANGEDSINCE 1) FLAGS ()");
    EXPECT_EQ(Map("a OK [MODIFIED 2] done", enabled),
              "* OK [HIGHESTMODSEQ 50] Not all expunges are told yet\r\na OK [MODIFIED 3] done");
    Rewrite("a FETCH 2:3 FLAGS");
    EXPECT_EQ(Map("a OK [HIGHESTMODSEQ 70] done", enabled),
              "* OK [HIGHESTMODSEQ 50] Not all expunges are told yet\r\na " +
                  std::string(kExpungeIssued));
    EXPECT_EQ(Map("* OK [HIGHESTMODSEQ 70] x", enabled), "");
    Hold("c CLOSE");
    EXPECT_EQ(Map("c OK [HIGHESTMODSEQ 70] closed", enabled), "c OK [HIGHESTMODSEQ 50] closed");
  }
}

TEST_F(RelayMappedTest, SaysUpToWhereAllWasToldBeforeARefusalAndBeforeTheMailboxIsLeft) {
  const std::string known = "* OK [HIGHESTMODSEQ 50] Not all expunges are told yet\r\n";
  for (EnabledSet enabled : {kCondstore, kQresync}) {
    // Of a command of which only the beginning was sent.
    EXPECT_EQ(Map("a NO [TRYCREATE] no", enabled), known + "a NO [TRYCREATE] no");
    Hold("s SELECT x");
    EXPECT_EQ(Map("* OK [CLOSED] x", enabled), known + "* OK [CLOSED] x");
    EXPECT_EQ(Map("* OK [HIGHESTMODSEQ 7] of x", enabled), "* OK [HIGHESTMODSEQ 7] of x");
    EXPECT_EQ(Map("s BAD what", enabled), "s BAD what");
    Hold("s SELECT x");
    EXPECT_EQ(Map("s NO no", enabled), known + "s NO no");
  }
  Hold("s SELECT x");
  EXPECT_EQ(Map("s NO no", kPlain), "s NO no");
}

TEST_F(RelayMappedTest, IsOverWhenNothingIsSelected) {
  Hold("c CLOSE");
  EXPECT_EQ(Map("* 4 FETCH (FLAGS ())"), "* 6 FETCH (FLAGS ())");
  EXPECT_EQ(Map("* 1 EXPUNGE"), "");  // CLOSE tells none
  EXPECT_EQ(Map("c NO no"), "c NO no");
  EXPECT_FALSE(mapped_.over());
  Hold("c UNSELECT");
  EXPECT_EQ(Map("c OK done"), "c OK done");
  EXPECT_TRUE(mapped_.over());
}

TEST_F(RelayMappedTest, LeavesTheNumbersOfTheNextMailboxAlone) {
  Hold("s SELECT x");
  EXPECT_EQ(Map("* 3 EXISTS"), "* 3 EXISTS");
  EXPECT_EQ(Map("* 3 FETCH (FLAGS ())"), "* 3 FETCH (FLAGS ())");
  EXPECT_EQ(Map("s BAD what"), "s BAD what");  // and the old one is selected still
  EXPECT_FALSE(mapped_.over());
  EXPECT_EQ(Map("* 4 EXISTS"), "* 6 EXISTS");
  Hold("s SELECT x");
  EXPECT_EQ(Map("s NO no"), "s NO no");
  EXPECT_TRUE(mapped_.over());
}

TEST_F(RelayMappedTest, KeepsTheOldNumbersUntilClosedIsSaid) {
  Hold("s SELECT x");
  EXPECT_EQ(Map("* 4 FETCH (FLAGS ())", kQresync), "* 6 FETCH (FLAGS ())");
  EXPECT_EQ(Map("* OK [CLOSED] x", kQresync),
            "* OK [HIGHESTMODSEQ 50] Not all expunges are told yet\r\n* OK [CLOSED] x");
  EXPECT_EQ(Map("* 4 EXISTS", kQresync), "* 4 EXISTS");
  EXPECT_EQ(Map("s OK [READ-WRITE] x", kQresync), "s OK [READ-WRITE] x");
  EXPECT_TRUE(mapped_.over());
}

// ---- Dialogues ----

// The second of two parked clients believes in UIDs 1 to 5 and is owed the expunge of 2.
class MappedDialogue : public ::testing::Test {
 protected:
  explicit MappedDialogue(std::string_view capabilities = ScriptedWorld::kCapabilities)
      : world_(capabilities) {}

  void Park(std::string_view enable = {}) {
    first_ = world_.LogIn();
    Enable(first_, 0, enable);
    world_.Select(first_, 0, {.uids = {1, 2, 3, 4, 5}});
    world_.ParkFirst(first_, 0, {1, 2, 3, 4, 5});
    second_ = world_.LogIn();
    Enable(second_, 1, enable);
    world_.Select(second_, 1, {.uids = {1, 2, 3, 4, 5}});
    world_.Join(second_, 1, 0, {1, 2, 3, 4, 5});
    world_.Say(second_, "DONE");
    EXPECT_EQ(world_.Hear(second_), "i OK Idle completed.");
  }

  void Enable(size_t client, size_t session, std::string_view enable) {
    if (enable.empty()) return;
    const std::string command = "ENABLE " + std::string(enable);
    world_.Say(client, "e " + command);
    world_.Asked(session, command);
    world_.Tell(session, "* ENABLED " + std::string(enable));
    world_.Tell(session, "e OK done");
    world_.HearUntil(client, "e");
  }

  // The command wakes it.
  void Wake(std::string_view command, std::string_view enable = {},
            const std::vector<std::string>& news = {}) {
    world_.Say(second_, command);
    if (!enable.empty()) {
      const std::string tag = world_.Asked(2, "ENABLE " + std::string(enable));
      world_.Tell(2, "* ENABLED " + std::string(enable));
      world_.Tell(2, tag + " OK done");
    }
    world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1, 3, 4, 5}});
    world_.AnswerList(2, {1, 3, 4, 5});
    std::vector<std::string> all = {enable == "QRESYNC" ? "* VANISHED 2" : "* 2 EXPUNGE"};
    all.insert(all.end(), news.begin(), news.end());
    world_.AnswerFlush(0, all);
  }
  // Its third message is the session's second; expunges stay owed.
  void ParkAndFetchMapped() {
    Park();
    Wake("f FETCH 3 (UID)");
    Asked("f FETCH 2 (UID)");
    Completes("f");
  }
  void Completes(const std::string& tag) {
    Tell(tag + " OK done");
    Hears(tag + " OK done");
  }
  void Asked(std::string_view command) { EXPECT_EQ(world_.NextAsked(2), command); }
  void Tell(std::string_view line) { world_.Tell(2, line); }
  void Hears(std::string_view line) { EXPECT_EQ(world_.Hear(second_), line); }

  ScriptedWorld world_;
  size_t first_ = 0;
  size_t second_ = 0;
};

TEST_F(RelayMappedTest, PassesAnAlertOnByItself) {
  Rewrite("a FETCH 1:3 (UID)");  // the second is gone
  EXPECT_EQ(Map("a OK [ALERT] Going down"),
            "* OK [ALERT] Going down\r\na " + std::string(kExpungeIssued));
  Rewrite("b FETCH 1 (UID)");
  EXPECT_EQ(Map("b OK [ALERT] Going down"), "* OK [ALERT] Going down\r\nb OK Going down");
  Rewrite("c FETCH 1 (UID)", kCondstore);
  EXPECT_EQ(Map("c OK [ALERT] Going down", kCondstore),
            "* OK [ALERT] Going down\r\nc OK [HIGHESTMODSEQ 50] Going down");
  EXPECT_EQ(Map("d OK [ALERT] not ours"), "d OK [ALERT] not ours");
}

TEST_F(MappedDialogue, RunsOneMappedCommandAtATimeUntilOneAllowsToTell) {
  Park();
  Wake("f FETCH 3 (UID)\r\ng STORE 4 +FLAGS (\\Seen)\r\nn NOOP\r\nh FETCH 3 (UID)");
  Asked("f FETCH 2 (UID)");
  world_.AsksNothing(2, 0.3);
  Tell("* 2 FETCH (UID 3)");
  Hears("* 3 FETCH (UID 3)");
  Tell("* 5 EXISTS");
  Hears("* 6 EXISTS");
  Completes("f");
  Asked("g STORE 3 +FLAGS (\\Seen)");
  world_.AsksNothing(2, 0.3);
  Tell("* 3 FETCH (FLAGS (\\Seen))");
  Hears("* 4 FETCH (FLAGS (\\Seen))");
  Completes("g");
  // NOOP is in progress: now it can be told, and from here on everything is as it is.
  Asked("n NOOP");
  Asked("h FETCH 3 (UID)");
  Hears("* 2 EXPUNGE");
  Tell("* 3 EXPUNGE");
  Hears("* 3 EXPUNGE");
  Completes("n");
  EXPECT_EQ(world_.figures().client_stats.mapped_commands, 2u);
}

TEST_F(MappedDialogue, StreamsALargeFetch) {
  Park();
  Wake("f FETCH 4 (BODY[])");
  Asked("f FETCH 3 (BODY[])");
  Tell("* 3 FETCH (BODY[] {12}\r\n* 3 EXPUNGE\n UID 4)");
  Hears("* 4 FETCH (BODY[] {12}\r\n* 3 EXPUNGE\n UID 4)");
  Completes("f");
}

TEST_F(MappedDialogue, MapsWhatComesBetweenCommands) {
  Park();
  Wake("s SEARCH 2:3 UNSEEN");
  Asked("s SEARCH 2 UNSEEN");
  Tell("* SEARCH 2");
  Hears("* SEARCH 3");
  Completes("s");
  Tell("* 4 FETCH (FLAGS ())");
  Hears("* 5 FETCH (FLAGS ())");
}

TEST_F(MappedDialogue, RefusesACommandWhoseMessagesAreAllGone) {
  Park();
  Wake("f FETCH 2 (UID)");
  Hears("f " + std::string(kExpungeIssued));
  world_.AsksNothing(2, 0.2);
  world_.Say(second_, "s SEARCH 2");
  Asked("s SEARCH NOT ALL");
  Tell("* SEARCH");
  Tell("s OK done");
  Hears("* SEARCH");
  Hears("s OK done");
}

TEST_F(MappedDialogue, RefusesWhatItDoesNotUnderstandAndStaysAsItIs) {
  Park();
  Wake("x SEARCH FROB 3");
  Hears("x " + std::string(kExpungeIssued));
  world_.Say(second_, "y XFROB 3");
  Hears("y " + std::string(kExpungeIssued));
  world_.Say(second_, "r REPLACE 3 INBOX {5}");
  Hears("r " + std::string(kExpungeIssued));
  world_.Say(second_, "l SEARCH 3 BODY {100000}");  // longer than is kept
  Hears("l " + std::string(kExpungeIssued));
  world_.AsksNothing(2, 0.2);
  world_.Say(second_, "f FETCH 3 (UID)");
  Asked("f FETCH 2 (UID)");
}

TEST_F(MappedDialogue, TellsWithCopyWhoseNumbersAreStillTheOldOnes) {
  Park();
  Wake("c COPY 3:4 INBOX");
  Asked("c COPY 2:3 INBOX");
  Hears("* 2 EXPUNGE");
  Tell("* 6 EXISTS");
  Hears("* 6 EXISTS");
  Completes("c");
  world_.Say(second_, "m MOVE 3 INBOX");
  Asked("m MOVE 3 INBOX");
}

TEST_F(MappedDialogue, TellsAndRefusesACopyOfWhatIsPartlyGone) {
  Park();
  Wake("c MOVE 2:3 INBOX");
  Hears("* 2 EXPUNGE");
  Hears("c " + std::string(kExpungeIssued));
  world_.AsksNothing(2, 0.2);
  world_.Say(second_, "c MOVE 2 INBOX");
  Asked("c MOVE 2 INBOX");
}

TEST_F(MappedDialogue, AsksForALiteralItselfAndSendsTheCommandInOne) {
  Park();
  Wake("s SEARCH 3 SUBJECT {3}");
  Hears("+ OK");
  world_.AsksNothing(2, 0.2);
  world_.Say(second_, "a 3 OR 2 4");
  Asked("s SEARCH 2 SUBJECT {3+}\r\na 3 OR NOT ALL 3");
  Tell("* SEARCH 2");
  Hears("* SEARCH 3");
}

TEST_F(MappedDialogue, TellsBeforeItParksAgain) {
  ParkAndFetchMapped();
  world_.Say(second_, "i IDLE");
  Hears("* 2 EXPUNGE");
  Hears("+ idling");
  world_.AnswerList(2, {1, 3, 4, 5});
  world_.AnswerFlush(0);
  world_.HearsNothing(second_, 0.5);
  EXPECT_EQ(world_.figures().parked, 2u);
}

TEST_F(MappedDialogue, TellsWithWhatIsAnsweredHere) {
  ParkAndFetchMapped();
  world_.Say(second_, "c CAPABILITY\r\nf FETCH 3 (UID)");
  Hears("* 2 EXPUNGE");
  world_.HearsBeginning(second_, "* CAPABILITY");
  world_.HearsBeginning(second_, "c OK");
  Asked("f FETCH 3 (UID)");
}

TEST_F(MappedDialogue, ForgetsWhatIsOwedWithTheMailbox) {
  ParkAndFetchMapped();
  world_.Select(second_, 2, {.uids = {1, 3, 4, 5}});
  world_.Say(second_, "f FETCH 3 (UID)");
  Asked("f FETCH 3 (UID)");
}

TEST_F(MappedDialogue, MapsUntilASelectIsWhole) {
  ParkAndFetchMapped();
  world_.Say(second_, "s SELECT {5}");
  world_.Pass(0.1);
  Tell("* 4 FETCH (FLAGS ())");
  Hears("* 5 FETCH (FLAGS ())");
  Tell("+ ok");
  Hears("+ ok");
  world_.Say(second_, "other");
  Asked("s SELECT {5}\r\nother");
  Tell("* 4 EXISTS");
  Hears("* 4 EXISTS");
  Completes("s");
}

// What it was: the end of such a command was taken for one in progress. Expunges were told behind
// its answer, and the next command ran by numbers that were not the client's yet.
TEST_F(MappedDialogue, TellsNothingAtTheEndOfACommandThatWasAnsweredBefore) {
  ParkAndFetchMapped();
  const auto answered = [this](std::string_view said, const std::string& answer) {
    world_.SayRaw(second_, said);
    world_.Pass(0.1);
    Tell(answer);
    Hears(answer);
  };
  answered("a APPEND Sent {5+}\r\nhe", "a NO [TRYCREATE] no such mailbox");
  world_.Say(second_, "llo\r\nb STORE 3 +FLAGS (\\Deleted)");
  Asked("a APPEND Sent {5+}\r\nhello");
  Asked("b STORE 2 +FLAGS (\\Deleted)");
  world_.HearsNothing(second_, 0.1);
  Completes("b");
  answered("s SELECT {5+}\r\not", "s BAD not so");
  world_.Say(second_, "her");
  Asked("s SELECT {5+}\r\nother");
  Tell("* 4 FETCH (FLAGS ())");
  Hears("* 5 FETCH (FLAGS ())");
}

TEST_F(MappedDialogue, LetsTheClientGoWhenAnAnswerNeverComes) {
  Park();
  Wake("f FETCH 3 (UID)");
  Asked("f FETCH 2 (UID)");
  Tell("* BAD what is that");
  Hears("* BAD what is that");
  world_.Say(second_, "n NOOP");
  world_.Pass(15);
  world_.HearsBeginning(second_, "* BYE [UNAVAILABLE]");
}

TEST_F(MappedDialogue, KeepsAClientWhoseCommandIsAnsweredBehindABad) {
  Park();
  Wake("f FETCH 3 (UID)");
  Asked("f FETCH 2 (UID)");
  Tell("* BAD how odd");
  Hears("* BAD how odd");
  Completes("f");
  const auto is_kept_by_a_slow_answer = [&](const std::string& tag) {
    world_.Pass(8);
    world_.Say(second_, tag + " FETCH 3 (UID)");
    Asked(tag + " FETCH 2 (UID)");
    world_.HearsNothing(second_, 15);
    Completes(tag);
  };
  is_kept_by_a_slow_answer("g");
  Tell("* BAD to nothing that was asked");
  Hears("* BAD to nothing that was asked");
  is_kept_by_a_slow_answer("h");
}

// Its numbers would be the session's.
TEST_F(MappedDialogue, LetsTheClientGoWhenACodeIsTooLongToBeMapped) {
  ParkAndFetchMapped();
  world_.Say(second_, "s STORE 3 (UNCHANGEDSINCE 1) FLAGS ()");
  Asked("s STORE 2 (UNCHANGEDSINCE 1) FLAGS ()");
  std::string numbers = "2";
  while (numbers.size() < 100'000) numbers += ",2";
  Tell("s OK [MODIFIED " + numbers + "] done");
  world_.HearsNothing(second_, 0.5);
  EXPECT_TRUE(world_.closed(second_));
}

// By UID it is as it is.
TEST_F(MappedDialogue, CarriesALongCodeOfACommandThatAllowsToTell) {
  ParkAndFetchMapped();
  world_.Say(second_, "c COPY 3 INBOX");
  Asked("c COPY 2 INBOX");
  Hears("* 2 EXPUNGE");
  std::string uids = "9";
  while (uids.size() < 100'000) uids += ",9";
  Tell("c OK [COPYUID 7 3 " + uids + "] done");
  Hears("c OK [COPYUID 7 3 " + uids + "] done");
}

TEST_F(MappedDialogue, SaysGoodbyeWhenItsSessionDiesDuringAMappedCommand) {
  Park();
  Wake("f FETCH 3 (UID)");
  Asked("f FETCH 2 (UID)");
  world_.Cut(2);
  world_.HearsBeginning(second_, "* BYE [UNAVAILABLE]");
}

class QresyncDialogue : public MappedDialogue {
 protected:
  static constexpr std::string_view kWithQresync =
      "IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE QRESYNC UNSELECT AUTH=PLAIN SASL-IR";
  QresyncDialogue() : MappedDialogue(kWithQresync) {}
};

TEST_F(QresyncDialogue, TellsByUidAndNoHigherModseq) {
  Park("QRESYNC");
  Wake("f FETCH 3 (FLAGS)", "QRESYNC");
  Asked("f FETCH 2 (FLAGS)");
  Tell("* 2 FETCH (UID 3 FLAGS () MODSEQ (9))");
  Hears("* 3 FETCH (UID 3 FLAGS () MODSEQ (9))");
  Tell("f OK done");
  Hears("f OK [HIGHESTMODSEQ 5] done");  // that of SELECT, when the message was still there
  world_.Say(second_, "n NOOP");
  Asked("n NOOP");
  Hears("* VANISHED 2");
  Tell("n OK [HIGHESTMODSEQ 9] done");
  Hears("n OK [HIGHESTMODSEQ 9] done");
}

// It would take the MODSEQ of the flags for one up to which it knows of all, and never ask for the
// expunge before it.
TEST_F(QresyncDialogue, ClaimsNoHigherModseqWithWhatItRefuses) {
  const auto hears_refused = [this](const std::string& answer) {
    Hears("* OK [HIGHESTMODSEQ 5] Not all expunges are told yet");
    Hears(answer);
  };
  Park("QRESYNC");
  Wake("f FETCH 2 (FLAGS)", "QRESYNC", {"* 3 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (9))"});
  Hears("* 4 FETCH (UID 4 MODSEQ (9) FLAGS (\\Seen))");
  hears_refused("f " + std::string(kExpungeIssued));
  for (const char* command : {"XFROB 3", "REPLACE 3 INBOX {5}"}) {
    world_.Say(second_, "x " + std::string(command));
    hears_refused("x " + std::string(kExpungeIssued));
  }
  world_.Say(second_, "c CREATE {5+}\r\nother");
  hears_refused("c NO [CANNOT] Not possible here");
  world_.Say(second_, "s SELECT other");
  Asked("s SELECT other");
  Tell("* OK [CLOSED] so");
  hears_refused("* OK [CLOSED] so");
}

TEST_F(QresyncDialogue, ClaimsNoHigherModseqWhenTheStoreRefusesTheBeginningOfACommand) {
  Park("QRESYNC");
  Wake("a APPEND Sent {300}", "QRESYNC");
  world_.Pass(0.1);
  Tell("a NO [TRYCREATE] no such mailbox");
  Hears("* OK [HIGHESTMODSEQ 5] Not all expunges are told yet");
  Hears("a NO [TRYCREATE] no such mailbox");
}

// The session was listed before 5 went, so it is its to tell: with a command that synchronizes.
TEST_F(QresyncDialogue, ClaimsNoModseqAboveThatOfAnExpungeWhichTheSessionHasStillToTell) {
  Park("QRESYNC");
  Wake("l LIST \"\" *", "QRESYNC", {"* VANISHED 5", "* 3 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (9))"});
  Hears("* VANISHED 2");
  Hears("* 3 FETCH (UID 4 MODSEQ (9) FLAGS (\\Seen))");
  Hears("* OK [HIGHESTMODSEQ 5] Not all expunges are told yet");
  Asked("l LIST \"\" *");
  Tell("* VANISHED 5");
  Hears("* VANISHED 5");
  Completes("l");
}

TEST_F(QresyncDialogue, TellsWithASearchThatProvesToHaveNoNumbers) {
  Park("QRESYNC");
  Wake("u UID SEARCH TEXT {3}", "QRESYNC");
  Hears("+ OK");
  world_.Say(second_, "foo");
  Asked("u UID SEARCH TEXT \"foo\"");
  Hears("* VANISHED 2");
  Completes("u");
}

// This store takes no literal without being asked.
TEST_F(QresyncDialogue, QuotesWhatCameAsLiteral) {
  Park("QRESYNC");
  Wake("s SEARCH 3 SUBJECT {3}", "QRESYNC");
  Hears("+ OK");
  world_.Say(second_, "a 3 4");
  Asked("s SEARCH 2 SUBJECT \"a 3\" 3");
}

}  // namespace
}  // namespace roost
