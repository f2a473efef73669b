// CONDSTORE and QRESYNC, dialogue by dialogue (RFC 7162).
#include <gtest/gtest.h>

#include "tools/store/test_client.h"

namespace roost::embedded {
namespace {

// Three messages with MODSEQ 2, 3 and 4.
class CondstoreTest : public testing::Test {
 protected:
  CondstoreTest() {
    for (int i = 0; i < 3; ++i) store.Deliver();
  }
  TestStore store;
};

// What a client of a store that was started again comes back to.
TEST(RestoredInboxTest, IsWhatItWasToWhoeverComesBack) {
  TestStore store;
  store.registry.Get("alice")->RestoreInbox(
      {.user = "alice",
       .uid_validity = 7,
       .uid_next = 12,
       .highest_modseq = 40,
       .messages = {{1, 12, {"\\Seen"}}, {5, 40, {"$A"}}}},
      0, [](Uid) { return std::make_shared<const std::string>("\r\n"); });
  TestClient client(store);
  client.LogIn();
  client.Ok("ENABLE QRESYNC");
  const std::string selected = client.Ok("SELECT INBOX (QRESYNC (7 20 1:11))");
  for (const char* part :
       {"* 2 EXISTS\r\n", "[UIDVALIDITY 7]", "[UIDNEXT 12]", "[HIGHESTMODSEQ 40]", " $A",
        "* VANISHED (EARLIER) 2:4,6:11\r\n", "* 2 FETCH (UID 5 FLAGS ($A) MODSEQ (40))\r\n"}) {
    EXPECT_HAS(selected, part);
  }
  EXPECT_LACKS(selected, "* 1 FETCH");
  store.Deliver();
  EXPECT_HAS(client.Ok("NOOP"), "* 3 EXISTS\r\n");
  EXPECT_HAS(client.Ok("FETCH 3 (UID MODSEQ)"), "UID 12 MODSEQ (41)");
}

TEST_F(CondstoreTest, PlainClientsSeeNoModseq) {
  TestClient client(store);
  client.Open();
  EXPECT_LACKS(client.Ok("STORE 1 +FLAGS (\\Seen)"), "MODSEQ");
  EXPECT_LACKS(client.Ok("EXPUNGE"), "MODSEQ");
}

TEST_F(CondstoreTest, IsSwitchedOnByEachCommandThatShowsInterest) {
  for (const char* command : {"FETCH 1 (MODSEQ)", "FETCH 1 FLAGS (CHANGEDSINCE 1)",
                              "STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT ($X)", "SEARCH MODSEQ 1",
                              "STATUS INBOX (HIGHESTMODSEQ)", "SELECT INBOX (CONDSTORE)"}) {
    TestClient client(store);
    client.Open();
    const std::string output = client.Run(command);
    EXPECT_HAS(output, "[HIGHESTMODSEQ ") << command;
    EXPECT_HAS(client.Ok("STORE 2 +FLAGS (\\Draft)"), "MODSEQ (") << command;
    client.Ok("STORE 2 -FLAGS (\\Draft)");
  }
  TestClient client(store);
  client.LogIn();
  EXPECT_HAS(client.Ok("ENABLE CONDSTORE X-UNHEARD"), "* ENABLED CONDSTORE\r\n");
  EXPECT_HAS(client.Ok("ENABLE CONDSTORE"), "* ENABLED\r\n");
}

TEST_F(CondstoreTest, SilentStoreTellsOnlyTheModseq) {
  TestClient client(store);
  client.LogIn();
  client.Ok("ENABLE CONDSTORE");
  client.Ok("SELECT INBOX");
  EXPECT_EQ(client.Run("STORE 1 +FLAGS.SILENT (\\Seen)"),
            "* 1 FETCH (UID 1 MODSEQ (5))\r\nt OK Stored\r\n");
  EXPECT_EQ(client.Run("STORE 1 +FLAGS.SILENT (\\Seen)"),
            "* 1 FETCH (UID 1 MODSEQ (5))\r\nt OK Stored\r\n")
      << "no change, no new modseq";
}

TEST_F(CondstoreTest, ConditionalStoreLeavesWhatHasChanged) {
  TestClient mine(store);
  TestClient other(store);
  mine.Open("SELECT INBOX (CONDSTORE)");
  other.Open();
  other.Ok("STORE 2 +FLAGS (\\Flagged)");  // MODSEQ 5
  const std::string output = mine.Ok("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)");
  EXPECT_HAS(output, "* 1 FETCH (UID 1 MODSEQ (6))\r\n* 3 FETCH (UID 3 MODSEQ (7))\r\n");
  EXPECT_HAS(output, "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (5))\r\n");
  EXPECT_HAS(output, "t OK [MODIFIED 2]");
  EXPECT_EQ(store.inbox().Find(2)->flags.system, kFlagged);
  EXPECT_HAS(mine.Ok("UID STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)"), "[MODIFIED 1:2]");
}

TEST_F(CondstoreTest, FetchChangedSinceTellsOnlyThose) {
  TestClient client(store);
  client.Open();
  EXPECT_EQ(client.Run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 3)"),
            "* OK [HIGHESTMODSEQ 4] From here on\r\n"
            "* 3 FETCH (UID 3 FLAGS (\\Recent) MODSEQ (4))\r\nt OK Fetched\r\n");
}

TEST_F(CondstoreTest, SearchTellsTheHighestModseqOfWhatItFound) {
  TestClient client(store);
  client.Open("SELECT INBOX (CONDSTORE)");
  EXPECT_HAS(client.Ok("SEARCH MODSEQ 3"), "* SEARCH 2 3 (MODSEQ 4)\r\n");
  EXPECT_HAS(client.Ok("SEARCH MODSEQ \"/flags/\\\\draft\" all 9"), "* SEARCH\r\n");
  EXPECT_HAS(client.Ok("SEARCH RETURN (MIN) MODSEQ 3"), " MIN 2 MODSEQ 3\r\n");
  EXPECT_HAS(client.Ok("UID SEARCH RETURN (ALL) MODSEQ 2"), " UID ALL 1:3 MODSEQ 4\r\n");
}

TEST_F(CondstoreTest, AnOwedExpungeIsNotCoveredByTheHighestModseq) {
  TestClient mine(store);
  TestClient other(store);
  mine.Open("SELECT INBOX (CONDSTORE)");
  other.Open();
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");  // 5
  other.Ok("EXPUNGE");                            // 6
  other.Ok("STORE 1 +FLAGS.SILENT (\\Seen)");     // 7, of UID 2
  const std::string output = mine.Ok("FETCH 3 UID");
  EXPECT_HAS(output, "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) MODSEQ (7))");
  EXPECT_HAS(output, "t OK [HIGHESTMODSEQ 5]");
  EXPECT_LACKS(mine.Ok("NOOP"), "HIGHESTMODSEQ");
  EXPECT_LACKS(mine.Ok("FETCH 1 UID"), "HIGHESTMODSEQ");
}

// --- QRESYNC ---

class QresyncTest : public CondstoreTest {
 protected:
  void Open(TestClient& client, const std::string& select = "SELECT INBOX") {
    client.LogIn();
    EXPECT_HAS(client.Ok("ENABLE QRESYNC"), "* ENABLED CONDSTORE QRESYNC\r\n");
    answer = client.Ok(select);
  }
  std::string answer;
};

TEST_F(QresyncTest, NeedsEnable) {
  TestClient client(store);
  client.LogIn();
  EXPECT_HAS(client.Run("SELECT INBOX (QRESYNC (100 1))"), "t BAD");
  client.Ok("SELECT INBOX");
  EXPECT_HAS(client.Run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)"), "t BAD");
}

TEST_F(QresyncTest, ExpungesAreToldAsVanished) {
  TestClient client(store);
  Open(client);
  client.Ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(client.Run("EXPUNGE"), "* VANISHED 1,3\r\nt OK [HIGHESTMODSEQ 7] Expunged\r\n");
  EXPECT_EQ(client.Run("EXPUNGE"), "t OK Expunged\r\n");
  client.Ok("CREATE Box");
  EXPECT_EQ(client.Run("MOVE 1 Box"),
            "* OK [COPYUID 101 2 1] Moved\r\n* VANISHED 2\r\nt OK [HIGHESTMODSEQ 8] Moved\r\n");
}

TEST_F(QresyncTest, SelectTellsWhatHappenedSince) {
  TestClient other(store);
  other.Open();
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  other.Ok("STORE 2 +FLAGS.SILENT (\\Flagged)");  // 6
  other.Ok("EXPUNGE");                            // 7
  store.Deliver();                                // 8
  TestClient mine(store);
  Open(mine, "SELECT INBOX (QRESYNC (100 4))");
  EXPECT_HAS(answer,
             "* VANISHED (EARLIER) 1\r\n* 1 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (6))\r\n"
             "* 3 FETCH (UID 4 FLAGS (\\Recent) MODSEQ (8))\r\nt OK");
  TestClient knows_some(store);
  Open(knows_some, "SELECT INBOX (QRESYNC (100 4 3:9))");
  EXPECT_LACKS(answer, "VANISHED");
  EXPECT_LACKS(answer, "UID 2");
  TestClient match(store);
  Open(match, "SELECT INBOX (QRESYNC (100 4 1:3 (1,3 1,3)))");
  EXPECT_HAS(answer, "* VANISHED (EARLIER) 1\r\n");
  TestClient other_validity(store);
  Open(other_validity, "SELECT INBOX (QRESYNC (99 4))");
  EXPECT_LACKS(answer, "VANISHED");
  EXPECT_LACKS(answer, "* 1 FETCH");
}

TEST_F(QresyncTest, UidFetchVanishedTellsPendingExpungesFirst) {
  TestClient mine(store);
  Open(mine);
  TestClient other(store);
  other.Open();
  other.Ok("STORE 2 +FLAGS.SILENT (\\Deleted)");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.Run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 4 VANISHED)"),
            "* VANISHED 2\r\n* VANISHED (EARLIER) 2\r\nt OK Fetched\r\n");
}

TEST_F(QresyncTest, IdleTellsFlagsWithUidAndModseq) {
  TestClient mine(store);
  Open(mine);
  TestClient other(store);
  other.Open();
  mine.Idle();
  other.Ok("STORE 3 +FLAGS (\\Flagged)");
  EXPECT_EQ(mine.TakeNews(), "* 3 FETCH (UID 3 FLAGS (\\Flagged \\Recent) MODSEQ (5))\r\n");
  other.Ok("STORE 3 +FLAGS (\\Deleted)");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.TakeNews(), "* VANISHED 3\r\n");
}

TEST_F(QresyncTest, WhatIsForgottenIsAnsweredWithAllThatIsMissing) {
  Mailbox& inbox = store.inbox();
  const size_t many = Mailbox::kMaxVanished + 10;
  const Body body = std::make_shared<const std::string>("x");
  const ModSeq before = inbox.highest_modseq();
  for (size_t i = 0; i < many; ++i) {
    const Uid uid = inbox.Append(body, {}, 0);
    inbox.Expunge({&uid, 1});
  }
  const std::vector<Uid> vanished = inbox.VanishedSince(before);
  EXPECT_EQ(vanished.size(), many);
  EXPECT_EQ(vanished.front(), 4u);
  EXPECT_EQ(inbox.VanishedSince(inbox.highest_modseq() - 3).size(), 2u);
  inbox.CheckInvariants();
}

}  // namespace
}  // namespace roost::embedded
