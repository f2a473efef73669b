#include "core/store/session_state.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

class SessionStateTest : public ::testing::Test {
 protected:
  std::optional<SentCommand> See(std::string_view line) {
    text_ = std::string(line) + "\r\n";
    return state_.Seen(ParseResponse(text_));
  }
  void Send(std::string tag, CommandKind kind, std::string mailbox = "") {
    state_.Sent({.tag = std::move(tag), .kind = kind, .mailbox = std::move(mailbox)});
  }
  void Select(std::string mailbox = "INBOX") {
    Send("s", CommandKind::kSelect, std::move(mailbox));
    See("* FLAGS (\\Seen)");
    See("* 3 EXISTS");
    See("* OK [UIDVALIDITY 7] x");
    See("* OK [UIDNEXT 10] x");
    See("* OK [HIGHESTMODSEQ 5] x");
    See("s OK [READ-WRITE] done");
  }

  SessionState state_;
  std::string text_;
};

TEST_F(SessionStateTest, ChangesAtTheAnswerNotAtTheCommand) {
  Select();
  Send("a", CommandKind::kSelect, "Other");
  See("* 99 EXISTS");
  EXPECT_EQ(state_.selected()->name, "INBOX");
  EXPECT_EQ(state_.selected()->exists, 3u);
  See("a OK done");
  EXPECT_EQ(state_.selected()->name, "Other");
  EXPECT_EQ(state_.selected()->exists, 99u);
}

TEST_F(SessionStateTest, KnowsWhatIsSelectedWhereTheStoreSaysNothingOfIt) {
  Send("s", CommandKind::kExamine, "Other");
  See("s OK done");
  ASSERT_TRUE(state_.selected());
  EXPECT_EQ(state_.selected()->name, "Other");
  EXPECT_TRUE(state_.selected()->examine);
}

TEST_F(SessionStateTest, KeepsTheIdOfItsMailboxWhenAnotherIsCreated) {
  Send("s", CommandKind::kSelect, "INBOX");
  See("* OK [MAILBOXID (F1)] x");
  See("s OK done");
  Send("c", CommandKind::kCreate);
  See("c OK [MAILBOXID (F2)] done");
  EXPECT_EQ(state_.selected()->mailbox_id, "(F1)");
}

TEST_F(SessionStateTest, HasNothingSelectedAfterARefusedSelect) {
  Select();
  Send("a", CommandKind::kSelect, "Other");
  See("a NO [NONEXISTENT] no");
  EXPECT_FALSE(state_.selected());
  EXPECT_FALSE(state_.uncertain());
}

TEST_F(SessionStateTest, IsUncertainAfterBadToASelect) {
  Select();
  Send("a", CommandKind::kSelect, "Other");
  See("a BAD what?");
  EXPECT_TRUE(state_.uncertain());
}

TEST_F(SessionStateTest, CountsMessages) {
  Select();
  See("* 2 EXPUNGE");
  EXPECT_EQ(state_.selected()->exists, 2u);
  See("* 5 EXISTS");
  EXPECT_EQ(state_.selected()->exists, 5u);
  EXPECT_EQ(state_.selected()->uid_next, 13u) << "a lower bound: three more came";
  See("* VANISHED 1:2");
  EXPECT_EQ(state_.selected()->exists, 3u);
  See("* VANISHED (EARLIER) 3:9");
  EXPECT_EQ(state_.selected()->exists, 3u);
  EXPECT_FALSE(state_.selected()->out_of_step);
}

// VANISHED may name UIDs that were no messages: what EXISTS says then is no growth.
TEST_F(SessionStateTest, ConcludesNoUidnextFromACountInDoubt) {
  Select();
  See("* VANISHED 4:6");
  See("* 2 EXISTS");
  EXPECT_EQ(state_.selected()->uid_next, 10u);
  See("* 3 EXISTS");  // counted anew, and sure again
  EXPECT_EQ(state_.selected()->uid_next, 11u);
  See("* VANISHED 9");
  state_.CorrectExists(2);
  See("* 3 EXISTS");
  EXPECT_EQ(state_.selected()->uid_next, 12u);
}

TEST_F(SessionStateTest, SeesThatCountsContradictThemselves) {
  Select();
  See("* 4 EXPUNGE");
  EXPECT_TRUE(state_.selected()->out_of_step);
}

TEST_F(SessionStateTest, DoesNotLetExistsShrink) {
  Select();
  See("* 2 EXISTS");
  EXPECT_TRUE(state_.selected()->out_of_step);
}

TEST_F(SessionStateTest, EndsTheOldestCommandOfATag) {
  Send("a", CommandKind::kNoop);
  Send("b", CommandKind::kFetch);
  EXPECT_EQ(See("b OK x")->kind, CommandKind::kFetch);
  EXPECT_FALSE(state_.idle());
  EXPECT_EQ(See("a OK x")->kind, CommandKind::kNoop);
  EXPECT_TRUE(state_.idle());
  EXPECT_FALSE(See("a OK x")) << "nobody sent that";
}

TEST_F(SessionStateTest, KnowsTheClassByTheAnswerToEnable) {
  Send("a", CommandKind::kEnable);
  EXPECT_TRUE(state_.enabled().empty());
  See("* ENABLED QRESYNC");
  EXPECT_TRUE(state_.enabled().qresync());
  EXPECT_TRUE(state_.enabled().condstore());
}

TEST_F(SessionStateTest, KnowsThatSomeCommandsSwitchOnCondstore) {
  state_.Sent({.tag = "a", .kind = CommandKind::kFetch, .condstore = true});
  EXPECT_FALSE(state_.enabled().condstore());
  See("a OK x");
  EXPECT_TRUE(state_.enabled().condstore());
}

// What counts is that the command was issued (RFC 7162, 3.1), so some stores have it on by then.
TEST_F(SessionStateTest, DoesNotKnowTheClassWhenACommandThatSwitchesOnCondstoreIsRefused) {
  state_.Sent({.tag = "x", .kind = CommandKind::kStatus, .condstore = true});
  See("x BAD what");
  EXPECT_FALSE(state_.uncertain()) << "a store without it has nothing to switch on";
  See("* CAPABILITY IMAP4rev1 CONDSTORE");
  state_.Sent({.tag = "a", .kind = CommandKind::kStatus, .condstore = true});
  EXPECT_FALSE(state_.uncertain());
  See("a NO no such mailbox");
  EXPECT_TRUE(state_.uncertain());
  EXPECT_TRUE(state_.condstore_uncertain());
  EXPECT_FALSE(state_.enabled().condstore());
  state_.Sent({.tag = "b", .kind = CommandKind::kFetch, .condstore = true});
  See("b OK x");
  EXPECT_FALSE(state_.uncertain()) << "it is on in any case";
  state_.Sent({.tag = "c", .kind = CommandKind::kStatus, .condstore = true});
  See("c NO no such mailbox");
  EXPECT_FALSE(state_.uncertain());
}

TEST_F(SessionStateTest, BelongsToTheNewMailboxAfterClosed) {
  Select();
  Send("a", CommandKind::kSelect, "Other");
  See("* OK [CLOSED] x");
  See("* 1 EXISTS");
  See("a OK [READ-ONLY] x");
  EXPECT_EQ(state_.selected()->exists, 1u);
  EXPECT_TRUE(state_.selected()->read_only);
}

TEST_F(SessionStateTest, CloseAndUnselectLeaveNothing) {
  Select();
  Send("a", CommandKind::kUnselect);
  See("a OK x");
  EXPECT_FALSE(state_.selected());
}

// A store may speak of changes that it has not told yet (RFC 7162, 3.1.2.1 and 3.2.7).
TEST_F(SessionStateTest, BelievesTheHighestModseqOfSelectOnly) {
  Select();
  EXPECT_EQ(state_.selected()->highest_modseq, 5u);
  See("* OK [HIGHESTMODSEQ 9] first use");
  Send("e", CommandKind::kExpunge);
  See("e OK [HIGHESTMODSEQ 11] done");
  EXPECT_EQ(state_.selected()->highest_modseq, 5u);
  Send("a", CommandKind::kSelect, "INBOX");
  See("* 3 EXISTS");
  See("a OK [HIGHESTMODSEQ 12] done");
  EXPECT_EQ(state_.selected()->highest_modseq, 12u);
}

TEST_F(SessionStateTest, TakesTheUidnextBehindTheLastUid) {
  Send("a", CommandKind::kSelect, "INBOX");
  See("* 1 EXISTS");
  See("* OK [UIDNEXT 4294967295] x");
  See("a OK done");
  See("* 2 EXISTS");
  EXPECT_EQ(state_.selected()->uid_next, uint64_t{1} << 32);
  See("* 3 EXISTS");  // nonsense
  EXPECT_EQ(state_.selected()->uid_next, uint64_t{1} << 32);
  Send("b", CommandKind::kSelect, "INBOX");
  See("* OK [UIDNEXT 4294967296] x");
  See("b OK done");
  EXPECT_EQ(state_.selected()->uid_next, uint64_t{1} << 32);
}

}  // namespace
}  // namespace roost
