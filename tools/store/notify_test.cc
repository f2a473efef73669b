// NOTIFY, dialogue by dialogue (RFC 5465).
#include <gtest/gtest.h>

#include "tools/store/test_client.h"

namespace roost::embedded {
namespace {

constexpr std::string_view kAll = "(MessageNew (FLAGS) MessageExpunge FlagChange)";

std::string SetSelected(std::string_view events = kAll) {
  return "NOTIFY SET (SELECTED " + std::string(events) + ")";
}
std::string SetDelayed(std::string_view events = kAll) {
  return "NOTIFY SET (SELECTED-DELAYED " + std::string(events) + ")";
}

// One client asks for news of what the other one does, or somebody delivers.
class NotifyNews : public ::testing::Test {
 protected:
  void Deliver(int messages) {
    for (int i = 0; i < messages; ++i) store.Deliver();
  }

  TestStore store;
  TestClient mine{store}, other{store};
};

TEST(NotifyCommand, IsOfferedAfterLogin) {
  TestStore store;
  TestClient client(store);
  EXPECT_LACKS(client.greeting(), "NOTIFY");
  EXPECT_HAS(client.Run("NOTIFY NONE"), "t BAD");
  EXPECT_HAS(client.Run("LOGIN alice secret"), " NOTIFY] Logged in");
  EXPECT_HAS(client.Ok("CAPABILITY"), " NOTIFY\r\n");
  client.Ok("NOTIFY NONE");
  client.Ok(SetSelected());
  client.Ok("SELECT INBOX");
  client.Ok("NOTIFY NONE");
}

TEST(NotifyCommand, EventsThatDoNotGoTogetherAreBad) {
  TestStore store;
  TestClient client(store);
  client.LogIn();
  for (const char* arguments : {"",
                                " SET",
                                " SOME",
                                " NONE SET",
                                " SET STATUS",
                                " SET (SELECTED)",
                                " SET (SELECTED ())",
                                " SET (SELECTED (MessageNew))",
                                " SET (SELECTED (MessageExpunge))",
                                " SET (SELECTED (FlagChange))",
                                " SET (SELECTED (MessageNew FlagChange))",
                                " SET (SELECTED (MessageNew (UID MessageExpunge))",
                                " SET (SELECTED (MessageNew (WEIGHT) MessageExpunge))",
                                " SET (SELECTED (MailboxName))",
                                " SET (SELECTED NONE) (SELECTED-DELAYED NONE)",
                                " SET (SELECTED NONE)(PERSONAL NONE)",
                                " SET (EVERYWHERE NONE)",
                                " SET (SUBTREE NONE)",
                                " SET (PERSONAL (MessageNew (UID) MessageExpunge))",
                                " SET (PERSONAL (FlagChange))",
                                " SET (SELECTED NONE) "}) {
    EXPECT_HAS(client.Run("NOTIFY" + std::string(arguments)), "t BAD") << arguments;
  }
  for (const char* arguments :
       {" set (selected none)", " SET STATUS (Selected (messagenew messageexpunge))",
        " SET (SELECTED (FlagChange MessageExpunge MessageNew (UID BODY.PEEK[HEADER.FIELDS "
        "(TO)])))",
        " SET (MAILBOXES (INBOX {4+}\r\nWork) NONE) (SUBTREE \"a b\" NONE)"}) {
    EXPECT_HAS(client.Run("NOTIFY" + std::string(arguments)), "t OK") << arguments;
  }
}

TEST(NotifyCommand, EventsThatCannotBeToldAreRefusedByName) {
  TestStore store;
  TestClient client(store);
  client.Open();
  client.Ok(SetSelected());
  for (const char* event : {"AnnotationChange", "ServerMetadataChange", "X-Telepathy"}) {
    EXPECT_HAS(client.Run(SetSelected("(MessageNew MessageExpunge " + std::string(event) + ")")),
               "t NO [BADEVENT (MessageNew MessageExpunge FlagChange");
  }
  store.Deliver();
  EXPECT_HAS(client.TakeNews(), "* 1 EXISTS") << "what was asked for before still holds";
}

TEST_F(NotifyNews, HearsWithoutIdleAndInIt) {
  Deliver(1);
  mine.Open();
  other.Open();
  EXPECT_EQ(mine.Run(SetSelected()), "t OK Done\r\n");
  store.Deliver();
  EXPECT_EQ(mine.Take(), "") << "only at the end of the turn";
  const std::string two = "* 2 EXISTS\r\n* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n* 2 RECENT\r\n";
  EXPECT_EQ(mine.TakeNews(), two);
  EXPECT_EQ(mine.TakeNews(), "");
  other.Ok("STORE 1 +FLAGS (\\Deleted)");
  EXPECT_EQ(mine.TakeNews(), "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))\r\n");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.TakeNews(), "* 1 EXPUNGE\r\n");
  EXPECT_EQ(mine.Idle(), "+ idling\r\n");
  store.Deliver();
  store.Deliver();
  EXPECT_EQ(mine.TakeNews(),
            "* 3 EXISTS\r\n* 2 FETCH (UID 3 FLAGS (\\Recent))\r\n"
            "* 3 FETCH (UID 4 FLAGS (\\Recent))\r\n* 3 RECENT\r\n");
  EXPECT_EQ(mine.Done(), "t OK Idle ended\r\n");
}

TEST(NotifySelected, FollowsTheClientFromMailboxToMailbox) {
  TestStore store;
  TestClient client(store);
  client.LogIn();
  client.Ok(SetSelected("(MessageNew MessageExpunge)"));
  store.Deliver();
  EXPECT_EQ(client.TakeNews(), "");
  client.Ok("CREATE Box");
  client.Ok("SELECT Box");
  store.Deliver();
  EXPECT_EQ(client.TakeNews(), "");
  client.Ok("EXAMINE INBOX");
  store.Deliver();
  EXPECT_EQ(client.TakeNews(), "* 3 EXISTS\r\n* 3 RECENT\r\n");
  client.Ok("UNSELECT");
  store.Deliver();
  EXPECT_EQ(client.TakeNews(), "");
}

TEST(NotifySelected, WhatHasComeTogetherIsToldBySetButNotByNone) {
  TestStore store;
  TestClient client(store);
  client.Open();
  store.Deliver();
  EXPECT_EQ(client.Run(SetSelected()),
            "* 1 EXISTS\r\n* 1 FETCH (UID 1 FLAGS (\\Recent))\r\n* 1 RECENT\r\nt OK Done\r\n");
  store.Deliver();
  EXPECT_EQ(client.Run("NOTIFY NONE"), "t OK Done\r\n");
  EXPECT_EQ(client.Run(SetSelected("(MessageNew MessageExpunge)")),
            "* 2 EXISTS\r\n* 2 RECENT\r\nt OK Done\r\n");
  store.Deliver();
  EXPECT_EQ(client.Run("NOTIFY SET (SELECTED NONE)"), "* 3 EXISTS\r\n* 3 RECENT\r\nt OK Done\r\n");
}

TEST_F(NotifyNews, WhoAskedForNothingHearsNothing) {
  Deliver(2);
  mine.Open();
  other.Open();
  mine.Ok("NOTIFY NONE");
  other.Ok("STORE 1 +FLAGS (\\Deleted)");
  other.Ok("EXPUNGE");
  store.Deliver();
  EXPECT_EQ(mine.TakeNews(), "");
  EXPECT_EQ(mine.Run("NOOP"), "t OK Done\r\n");
  EXPECT_EQ(mine.Idle(), "+ idling\r\n");
  store.Deliver();
  EXPECT_EQ(mine.TakeNews(), "");
  EXPECT_EQ(mine.Done(), "t OK Idle ended\r\n");
  // Its numbers stay what they were.
  EXPECT_HAS(mine.Run("FETCH 1:2 UID"), "* 2 FETCH (UID 2)\r\nt NO [EXPUNGEISSUED]");
  EXPECT_HAS(mine.Run("FETCH 3 UID"), "t BAD");
  // What its own commands remove is their answer.
  mine.Ok("STORE 2 +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(mine.Run("EXPUNGE"), "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nt OK Expunged\r\n");
  EXPECT_EQ(mine.Run(SetSelected("(MessageNew MessageExpunge)")),
            "* 2 EXISTS\r\n* 2 RECENT\r\nt OK Done\r\n");
}

TEST_F(NotifyNews, FlagsAreToldOnlyToWhoAskedForThem) {
  Deliver(1);
  mine.Open();
  other.Open();
  mine.Ok(SetSelected("(MessageNew MessageExpunge)"));
  other.Ok("STORE 1 +FLAGS (\\Flagged)");
  EXPECT_EQ(mine.TakeNews(), "");
  EXPECT_EQ(mine.Run("NOOP"), "t OK Done\r\n");
  EXPECT_HAS(mine.Run(SetSelected()), "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))\r\n");
  other.Ok("STORE 1 +FLAGS ($New)");
  const std::string news = mine.TakeNews();
  EXPECT_LT(news.find("* FLAGS"), news.find("\\Recent $New"));
  EXPECT_HAS(news, "* 1 FETCH (UID 1 FLAGS (\\Flagged ");
}

TEST_F(NotifyNews, KeywordsOfNewMessagesAreAnnouncedBeforeTheyAppear) {
  mine.Open();
  other.Open();
  mine.Ok(SetSelected());
  other.Ok("APPEND INBOX ($New) {3+}\r\nnew");
  const std::string news = mine.TakeNews();
  EXPECT_LT(news.find("* FLAGS"), news.find("* 1 EXISTS\r\n* 1 FETCH (UID 1 FLAGS ("));
  EXPECT_LT(news.find("* 1 EXISTS"), news.size());
}

TEST_F(NotifyNews, ExpungesComeAtAnyTimeButInsideOfACommandThatForbidsThem) {
  Deliver(3);
  mine.Open();
  mine.Ok(SetSelected());
  other.Open();
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.Run("FETCH 2 UID"), "* 2 FETCH (UID 2)\r\nt OK Fetched\r\n* 1 EXPUNGE\r\n");
}

TEST_F(NotifyNews, ExpungesWaitForACommandThatAllowsThem) {
  Deliver(3);
  mine.Open();
  mine.Ok(SetDelayed());
  other.Open();
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  EXPECT_HAS(mine.TakeNews(), "* 1 FETCH (UID 1 FLAGS (\\Deleted ");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.TakeNews(), "");
  store.Deliver();
  EXPECT_EQ(mine.TakeNews(), "* 4 EXISTS\r\n* 4 FETCH (UID 4 FLAGS (\\Recent))\r\n* 4 RECENT\r\n");
  EXPECT_EQ(mine.Run("FETCH 2 UID"), "* 2 FETCH (UID 2)\r\nt OK Fetched\r\n");
  EXPECT_EQ(mine.Run("NOOP"), "* 1 EXPUNGE\r\nt OK Done\r\n");
  EXPECT_EQ(mine.Idle(), "+ idling\r\n");
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  other.Ok("EXPUNGE");
  EXPECT_EQ(mine.TakeNews(), "* 1 EXPUNGE\r\n");
}

TEST_F(NotifyNews, NoModseqIsBelievedAboveAnExpungeThatIsOwed) {
  Deliver(2);
  mine.LogIn();
  mine.Ok("ENABLE QRESYNC");
  mine.Ok("SELECT INBOX");
  mine.Ok(SetDelayed());
  other.Open();
  other.Ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
  other.Ok("EXPUNGE");  // modseq 5
  mine.TakeNews();
  store.Deliver();
  EXPECT_HAS(mine.TakeNews(), "* OK [HIGHESTMODSEQ 4] ");
  other.Ok("STORE 1 +FLAGS.SILENT (\\Seen)");
  const std::string news = mine.TakeNews();
  EXPECT_HAS(news,
             "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) MODSEQ (7))\r\n* OK [HIGHESTMODSEQ 4] ");
  EXPECT_EQ(mine.TakeNews(), "");
  EXPECT_HAS(mine.Ok("NOOP"), "* VANISHED 1\r\n");
}

TEST(NotifyArrivals, HaveWhatWasAskedForAndTheUidFirst) {
  TestStore store;
  TestClient client(store);
  client.Open();
  client.Ok(
      SetSelected("(MessageNew (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)] UID FLAGS "
                  "INTERNALDATE) MessageExpunge)"));
  store.Deliver();
  EXPECT_HAS(client.TakeNews(),
             "* 1 EXISTS\r\n* 1 FETCH (UID 1 RFC822.SIZE 22 BODY[HEADER.FIELDS (SUBJECT)] {18}\r\n"
             "Subject: hello\r\n\r\n FLAGS (\\Recent) INTERNALDATE \"");
  client.Ok(SetSelected("(MessageNew (BODY[TEXT]) MessageExpunge FlagChange)"));
  store.Deliver();
  EXPECT_HAS(client.TakeNews(), "* 2 FETCH (UID 2 BODY[TEXT] {4}\r\nHi\r\n)\r\n");
  EXPECT_EQ(store.inbox().Find(2)->flags.system, 0) << "what is told unasked is not read";
}

TEST(NotifyArrivals, HaveTheirModseqWithCondstore) {
  TestStore store;
  TestClient asks(store);
  TestClient enables(store);
  asks.Open();
  EXPECT_HAS(asks.Ok(SetSelected("(MessageNew (MODSEQ UID) MessageExpunge)")), "[HIGHESTMODSEQ 1]");
  enables.LogIn();
  enables.Ok("ENABLE CONDSTORE");
  enables.Ok("SELECT INBOX");
  enables.Ok(SetSelected("(MessageNew (UID) MessageExpunge)"));
  store.Deliver();
  store.registry.NotifyDirty();
  EXPECT_HAS(asks.Take(), "* 1 EXISTS\r\n* 1 FETCH (UID 1 MODSEQ (2))\r\n");
  EXPECT_HAS(enables.Take(), "* 1 EXISTS\r\n* 1 FETCH (UID 1 MODSEQ (2))\r\n");

  TestStore poorer;
  poorer.options.features.Remove("CONDSTORE");
  TestClient client(poorer);
  client.Open();
  EXPECT_HAS(client.Run(SetSelected("(MessageNew (MODSEQ) MessageExpunge)")), "t BAD");
}

TEST(NotifyArrivals, OfTheClientsOwnAreNotDescribedToIt) {
  TestStore store;
  TestClient client(store);
  client.Open();
  client.Ok(SetSelected());
  store.Deliver();
  EXPECT_EQ(client.Run("APPEND INBOX {3+}\r\nnew"),
            "* 2 EXISTS\r\n* 1 FETCH (UID 1 FLAGS (\\Recent))\r\n* 2 RECENT\r\n"
            "t OK [APPENDUID 100 2] Appended\r\n");
  EXPECT_EQ(client.Run("UID COPY 1 INBOX"),
            "* 3 EXISTS\r\n* 3 RECENT\r\nt OK [COPYUID 100 1 3] Copied\r\n");
}

TEST(NotifyArrivals, AreAnnouncedInPortionsToASlowReader) {
  TestStore store;
  const std::string big = "Subject: big\r\n\r\n" + std::string(100000, 'x') + "\r\n";
  TestClient client(store);
  client.Open();
  client.Ok(SetSelected("(MessageNew (BODY.PEEK[]) MessageExpunge FlagChange)"));
  client.host().hold_output = true;
  for (int i = 0; i < 20; ++i) store.Deliver(big);
  std::string output = client.TakeNews();
  EXPECT_HAS(output, "* 3 EXISTS\r\n* 1 FETCH (UID 1 BODY[] {100018}\r\n");
  EXPECT_LT(output.size(), Session::kOutputHighWater + 2 * big.size());
  EXPECT_EQ(client.TakeNews(), "");
  for (int turn = 0; turn < 20; ++turn) {
    client.host().unsent = 0;
    client.session().Resume();
    output += client.Take();
  }
  EXPECT_HAS(output, "* 20 EXISTS\r\n");
  for (int i = 1; i <= 20; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_HAS(output, "* " + number + " FETCH (UID " + number + " BODY[]");
  }
  client.host().unsent = 0;
  EXPECT_EQ(client.Run("NOOP"), "t OK Done\r\n");
}

TEST(NotifyArrivals, DuringACommandAreToldWithIt) {
  TestStore store;
  const std::string big = "Subject: big\r\n\r\n" + std::string(100000, 'x') + "\r\n";
  for (int i = 0; i < 5; ++i) store.Deliver(big);
  TestClient client(store);
  client.Open();
  client.Ok(SetSelected("(MessageNew (UID) MessageExpunge FlagChange)"));
  client.host().hold_output = true;
  client.Raw("a UID FETCH 1:* (BODY.PEEK[])\r\n");
  store.Deliver();
  EXPECT_EQ(client.TakeNews(), "");
  client.host().unsent = 0;
  client.session().Resume();
  const std::string rest = client.Take();
  EXPECT_HAS(rest, "* 6 EXISTS\r\n* 6 FETCH (UID 6)\r\n* 6 RECENT\r\na OK Fetched\r\n");

  client.host().hold_output = false;
  client.host().unsent = 0;
  EXPECT_EQ(client.Raw("b CREATE {3}\r\n"), "+ Go on\r\n");
  store.Deliver();
  EXPECT_EQ(client.TakeNews(), "");
  EXPECT_EQ(client.Raw("Box\r\n"),
            "* 7 EXISTS\r\n* 7 FETCH (UID 7)\r\n* 7 RECENT\r\nb OK Created\r\n");
  client.Raw("c CREATE {3}\r\n");
  store.Deliver();
  EXPECT_HAS(client.Raw("\"\r\n\r\n"), "* 8 EXISTS");
}

// --- mailboxes that are not selected ---

constexpr std::string_view kMessages = "(MessageNew MessageExpunge FlagChange)";

// alice has INBOX with one message, Work and Work/2024 with none.
class NotifyOthers : public NotifyNews {
 protected:
  NotifyOthers() {
    store.Deliver();
    mine.LogIn();
    other.LogIn();
    other.Ok("CREATE Work/2024");
  }
  std::string News() { return mine.TakeNews(); }
  // Done by another session of the same user.
  void Meanwhile(const std::string& command) { other.Ok(command); }
  void Append(const std::string& mailbox) { other.Ok("APPEND " + mailbox + " {3+}\r\nnew"); }
  static std::string Set(std::string_view mailboxes, std::string_view events = kMessages) {
    return "NOTIFY SET (" + std::string(mailboxes) + " " + std::string(events) + ")";
  }
};

TEST_F(NotifyOthers, StatusIsToldOfArrivalsAndExpunges) {
  mine.Ok(Set("MAILBOXES (INBOX Work Nowhere)", "(MessageNew MessageExpunge)"));
  store.Deliver();
  store.Deliver();
  EXPECT_EQ(News(), "* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 100)\r\n");
  Append("Work/2024");
  EXPECT_EQ(News(), "") << "nobody asked for it";
  other.Ok("SELECT INBOX");
  other.Ok("STORE 1 +FLAGS (\\Deleted)");
  EXPECT_EQ(News(), "");
  other.Ok("EXPUNGE");
  EXPECT_EQ(News(), "* STATUS INBOX (MESSAGES 2 UIDNEXT 4 UIDVALIDITY 100)\r\n");
  EXPECT_EQ(News(), "");
  EXPECT_EQ(mine.Idle(), "+ idling\r\n");
  store.Deliver();
  EXPECT_EQ(News(), "* STATUS INBOX (MESSAGES 3 UIDNEXT 5 UIDVALIDITY 100)\r\n");
}

TEST_F(NotifyOthers, StatusIsToldBeforeTheAnswerToACommand) {
  mine.Ok(Set("INBOXES"));
  store.Deliver();
  EXPECT_EQ(mine.Run("NOOP"),
            "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 100 UNSEEN 2)\r\nt OK Done\r\n");
  EXPECT_EQ(News(), "");
}

TEST_F(NotifyOthers, FlagsAreToldByUnseenWithoutCondstore) {
  mine.Ok(Set("PERSONAL"));
  other.Ok("SELECT INBOX");
  other.Ok("STORE 1 +FLAGS (\\Flagged)");
  EXPECT_EQ(News(), "");
  other.Ok("STORE 1 +FLAGS (\\Seen)");
  EXPECT_EQ(News(), "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 100 UNSEEN 0)\r\n");
}

TEST_F(NotifyOthers, FlagsAreToldByHighestmodseqWithCondstore) {
  mine.Ok("ENABLE CONDSTORE");
  mine.Ok(Set("PERSONAL"));
  other.Ok("SELECT INBOX");
  other.Ok("STORE 1 +FLAGS (\\Flagged)");
  EXPECT_EQ(News(), "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 100 HIGHESTMODSEQ 3)\r\n");
  other.Ok("STORE 1 +FLAGS (\\Seen)");
  EXPECT_EQ(News(),
            "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 100 UNSEEN 0 HIGHESTMODSEQ 4)\r\n");
}

TEST_F(NotifyOthers, StatusIndicatorTellsHowAllOfThemAreNow) {
  EXPECT_EQ(mine.Run("NOTIFY SET STATUS (SUBTREE Work (MessageNew MessageExpunge)) (INBOXES " +
                     std::string(kMessages) + ")"),
            "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 100 UNSEEN 1 HIGHESTMODSEQ 2)\r\n"
            "* STATUS Work (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 101)\r\n"
            "* STATUS Work/2024 (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 102)\r\n"
            "t OK Done\r\n");
  EXPECT_EQ(News(), "");
  mine.Ok("SELECT INBOX");
  EXPECT_LACKS(mine.Ok("NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))"), "INBOX");
}

TEST_F(NotifyOthers, TheSelectedMailboxIsNotAmongThem) {
  mine.Ok("SELECT INBOX");
  mine.Ok(
      "NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) (PERSONAL (MessageNew "
      "MessageExpunge))");
  store.Deliver();
  Append("Work");
  EXPECT_HAS(News(), "* 2 EXISTS\r\n* 2 FETCH (UID 2)\r\n");
  mine.Ok("SELECT Work");
  EXPECT_EQ(News(), "") << "it was told of INBOX while it was there";
  store.Deliver();
  EXPECT_EQ(News(), "* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 100)\r\n");
}

TEST_F(NotifyOthers, WhatWasNotToldOfASelectedMailboxIsToldWhenItIsLeft) {
  mine.Ok("SELECT INBOX");
  mine.Ok(Set("PERSONAL", "(MessageNew MessageExpunge)"));
  store.Deliver();
  EXPECT_EQ(News(), "");
  EXPECT_EQ(mine.Run("UNSELECT"),
            "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 100)\r\nt OK Unselected\r\n");
}

TEST_F(NotifyOthers, WhatTheClientDoesItselfIsNotToldToIt) {
  mine.Ok(Set("PERSONAL", "(MessageNew MessageExpunge MailboxName SubscriptionChange)"));
  EXPECT_EQ(mine.Run("CREATE Mine"), "t OK Created\r\n");
  EXPECT_EQ(mine.Run("SUBSCRIBE Mine"), "t OK Subscribed\r\n");
  EXPECT_HAS(mine.Run("APPEND Mine {3+}\r\nnew"), "t OK");
  EXPECT_EQ(News(), "");
  mine.Ok("SELECT INBOX");
  EXPECT_EQ(mine.Run("COPY 1 Mine"), "t OK [COPYUID 103 1 2] Copied\r\n");
  EXPECT_EQ(mine.Run("RENAME Mine Yours"), "t OK Renamed\r\n");
  EXPECT_EQ(News(), "");
  Append("Yours");
  EXPECT_HAS(mine.Run("COPY 1 Yours"), "* STATUS Yours (MESSAGES 4 ");
}

TEST_F(NotifyOthers, NamesAreToldByList) {
  mine.Ok(Set("PERSONAL", "(MailboxName)"));
  Meanwhile("CREATE Work/2024/May");
  EXPECT_EQ(mine.Take(),
            "* LIST (\\HasChildren) \"/\" Work/2024\r\n"
            "* LIST (\\HasNoChildren) \"/\" Work/2024/May\r\n");
  Meanwhile("SUBSCRIBE Work/2024");
  EXPECT_EQ(mine.Take(), "");
  Meanwhile("RENAME Work/2024 \"Old work/24\"");
  EXPECT_EQ(mine.Take(),
            "* LIST (\\HasChildren) \"/\" \"Old work\"\r\n"
            "* LIST (\\HasChildren) \"/\" \"Old work/24\" (\"OLDNAME\" (Work/2024))\r\n");
  Meanwhile("DELETE \"Old work/24/May\"");
  EXPECT_EQ(mine.Take(),
            "* LIST (\\HasNoChildren) \"/\" \"Old work/24\"\r\n"
            "* LIST (\\NonExistent) \"/\" \"Old work/24/May\"\r\n");
  Meanwhile("RENAME INBOX Kept");
  EXPECT_EQ(mine.Take(), "* LIST (\\HasNoChildren) \"/\" Kept (\"OLDNAME\" (INBOX))\r\n");
  EXPECT_EQ(News(), "");
}

TEST_F(NotifyOthers, NamesOutsideAreNotTold) {
  mine.Ok("NOTIFY SET (SUBTREE Work (MailboxName)) (MAILBOXES Box (MailboxName))");
  Meanwhile("CREATE Workshop");
  Meanwhile("CREATE Box/Inner/Most");
  EXPECT_EQ(mine.Take(), "* LIST (\\HasChildren) \"/\" Box\r\n");
  Meanwhile("RENAME Work Play");
  EXPECT_EQ(mine.Take(), "* LIST (\\NonExistent) \"/\" Work\r\n");
}

TEST_F(NotifyOthers, SubscriptionsAreToldByList) {
  mine.Ok("NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge SubscriptionChange))");
  Append("Work");
  EXPECT_EQ(News(), "");
  Meanwhile("SUBSCRIBE Work");
  EXPECT_EQ(mine.Take(),
            "* LIST (\\HasChildren \\Subscribed) \"/\" Work\r\n"
            "* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 101)\r\n");
  Meanwhile("SUBSCRIBE Work");
  EXPECT_EQ(mine.Take(), "");
  Append("Work");
  EXPECT_HAS(News(), "* STATUS Work (MESSAGES 2 ");
  Meanwhile("UNSUBSCRIBE Work");
  EXPECT_EQ(mine.Take(), "* LIST (\\HasChildren) \"/\" Work\r\n");
  Append("Work");
  EXPECT_EQ(News(), "");
}

TEST_F(NotifyOthers, ANameThatComesBackIsToldWithItsNewUidvalidity) {
  mine.Ok(Set("MAILBOXES Work/2024"));
  Meanwhile("DELETE Work/2024");
  EXPECT_EQ(mine.Take(), "");
  Meanwhile("CREATE Work/2024");
  EXPECT_EQ(mine.Take(), "* STATUS Work/2024 (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 103 UNSEEN 0)\r\n");
  Meanwhile("DELETE Work/2024");
  Meanwhile("RENAME INBOX Work/2024");
  EXPECT_EQ(mine.Take(), "* STATUS Work/2024 (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 104 UNSEEN 1)\r\n");
}

TEST_F(NotifyOthers, HeldBackWhileOutputIsFullAndToldAsItIsThen) {
  mine.Ok(Set("PERSONAL", "(MessageNew MessageExpunge MailboxName)"));
  mine.host().unsent = Session::kOutputHighWater + 1;
  Meanwhile("CREATE New");
  Append("New");
  store.Deliver();
  EXPECT_EQ(News(), "");
  Append("New");
  EXPECT_EQ(News(), "");
  mine.host().unsent = 0;
  mine.session().Resume();
  EXPECT_EQ(mine.Take(),
            "* LIST (\\HasNoChildren) \"/\" New\r\n"
            "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 100)\r\n"
            "* STATUS New (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 103)\r\n");
}

TEST_F(NotifyOthers, ANewSetTakesThePlaceOfTheOldOneAndLosesNothing) {
  mine.Ok(Set("INBOXES", "(MessageNew MessageExpunge)"));
  store.Deliver();
  EXPECT_HAS(mine.Run(Set("SUBTREE Work")), "* STATUS INBOX (MESSAGES 2 ");
  store.Deliver();
  Append("Work");
  EXPECT_EQ(News(), "* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 101 UNSEEN 1)\r\n");
  mine.Ok("NOTIFY NONE");
  Append("Work");
  EXPECT_EQ(News(), "");
}

TEST_F(NotifyOthers, TooManyMailboxesOverflow) {
  for (int i = 0; i < 990; ++i) other.Ok("CREATE Many/" + std::to_string(i));
  mine.Ok("SELECT INBOX");
  const std::string set =
      "NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))";
  mine.Ok(set);
  for (int i = 990; i < 1010; ++i) other.Ok("CREATE Many/" + std::to_string(i));
  const std::string news = News();
  EXPECT_HAS(news, "* STATUS Many/995 (MESSAGES 0 ");
  EXPECT_TRUE(news.ends_with("\r\n* OK [NOTIFICATIONOVERFLOW] There is more than can be told\r\n"))
      << news;
  store.Deliver();
  EXPECT_EQ(News(), "") << "as after NOTIFY NONE";
  EXPECT_EQ(mine.Run("NOOP"), "t OK Done\r\n");
  EXPECT_HAS(mine.Run(set), "t NO [NOTIFICATIONOVERFLOW]");
  mine.Ok("NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MailboxName))");
  Meanwhile("CREATE Another");
  EXPECT_HAS(News(), "* LIST (\\HasNoChildren) \"/\" Another\r\n");
}

TEST_F(NotifyOthers, SessionsThatEndLeaveNothingBehind) {
  {
    TestClient gone(store);
    gone.LogIn();
    gone.Ok(Set("PERSONAL", "(MessageNew MessageExpunge MailboxName)"));
    gone.Ok("SELECT Work");
    Meanwhile("DELETE Work");
    EXPECT_HAS(gone.Take(), "* BYE");
    EXPECT_EQ(store.inbox().watcher_count(), 1u);
  }
  EXPECT_EQ(store.inbox().watcher_count(), 0u);
  Meanwhile("CREATE Work");
  store.Deliver();
  EXPECT_EQ(News(), "");
}

}  // namespace
}  // namespace roost::embedded
