#include "core/park/may_serve.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

void Answer(SessionState* state, std::string_view line) {
  const std::string text(line);
  state->Seen(ParseResponse(text + "\r\n"));
}

SessionState Selected(bool examine = false) {
  SessionState state;
  state.Sent({.tag = "a",
              .kind = examine ? CommandKind::kExamine : CommandKind::kSelect,
              .mailbox = "INBOX"});
  Answer(&state, "* 3 EXISTS");
  Answer(&state, "* OK [UIDVALIDITY 7] ok");
  Answer(&state, "* OK [UIDNEXT 10] ok");
  Answer(&state, "a OK [READ-WRITE] done");
  return state;
}

ClientMailbox Client() {
  ClientMailbox client;
  client.mailbox = "INBOX";
  client.uid_validity = 7;
  return client;
}

TEST(MayServe, AcceptsTheVerySameState) { EXPECT_TRUE(MayServe(Selected(), Client())); }

TEST(MayServe, RefusesOneThatEverRanNotify) {
  SessionState state = Selected();
  state.Sent({.tag = "b", .kind = CommandKind::kNotify});
  Answer(&state, "b OK done");
  EXPECT_FALSE(MayServe(state, Client()));
}

TEST(MayServe, RefusesTheOtherMode) {
  EXPECT_FALSE(MayServe(Selected(true), Client()));
  ClientMailbox client = Client();
  client.examine = true;
  EXPECT_FALSE(MayServe(Selected(), client));
  EXPECT_TRUE(MayServe(Selected(true), client));
}

TEST(MayServe, RefusesAnotherUidvalidityMailboxOrId) {
  ClientMailbox client = Client();
  client.uid_validity = 8;
  EXPECT_FALSE(MayServe(Selected(), client));
  client = Client();
  client.mailbox = "Other";
  EXPECT_FALSE(MayServe(Selected(), client));
  client = Client();
  client.mailbox_id = "(x)";
  EXPECT_FALSE(MayServe(Selected(), client));
}

TEST(MayServe, WantsTheExactSetEnabledNeitherLessNorMore) {
  SessionState state = Selected();
  Answer(&state, "* ENABLED CONDSTORE");
  EXPECT_FALSE(MayServe(state, Client()));
  ClientMailbox client = Client();
  client.enabled = EnabledSet::Parse("CONDSTORE");
  EXPECT_TRUE(MayServe(state, client));
  client.enabled = EnabledSet::Parse("QRESYNC");
  EXPECT_FALSE(MayServe(state, client));
}

TEST(MayServe, NeverSharesWhatHasUnknownExtensions) {
  SessionState state = Selected();
  Answer(&state, "* ENABLED X-SOMETHING");
  ClientMailbox client = Client();
  client.enabled = EnabledSet::Parse("X-SOMETHING");
  EXPECT_FALSE(MayServe(state, client));
}

TEST(MayServe, GivesClientsWithoutAMailboxSessionsWithoutOne) {
  EXPECT_TRUE(MayServe(SessionState(), ClientMailbox()));
  EXPECT_FALSE(MayServe(Selected(), ClientMailbox()));
}

TEST(MayBeWatched, NeedsLastingUidsAndCountsThatAddUp) {
  SelectedMailbox m;
  EXPECT_FALSE(MayBeWatched(m));
  m.uid_validity = 1;
  EXPECT_TRUE(MayBeWatched(m));
  m.uid_not_sticky = true;
  EXPECT_FALSE(MayBeWatched(m));
  m.uid_not_sticky = false;
  m.out_of_step = true;
  EXPECT_FALSE(MayBeWatched(m));
}

TEST(RightsOf, TellsSystemFlagsAndNewKeywordsButNotWhichKeywordsThereAre) {
  SelectedMailbox a, b;
  a.permanent_flags = "(\\Seen \\Deleted $x \\*)";
  b.permanent_flags = "(\\deleted $x $y \\* \\SEEN)";
  EXPECT_EQ(RightsOf(a), RightsOf(b));
  b.permanent_flags = "(\\Seen \\Deleted $x)";
  EXPECT_NE(RightsOf(a), RightsOf(b));
  b = a;
  b.read_only = true;
  EXPECT_NE(RightsOf(a), RightsOf(b));
  EXPECT_EQ(RightsOf(SelectedMailbox{}), 0);
}

}  // namespace
}  // namespace roost
