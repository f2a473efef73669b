// The small parts: sequence sets, accounts, the command line.
#include <gtest/gtest.h>

#include "tools/store/account.h"
#include "tools/store/inbox_state.h"
#include "tools/store/options.h"
#include "tools/store/sequence_set.h"

namespace roost::embedded {
namespace {

std::string Resolved(std::string_view text, uint32_t last) {
  SequenceSet set;
  if (!SequenceSet::Parse(text, &set)) return "(bad)";
  set.Resolve(last);
  std::string result;
  for (const auto& [first, second] : set.ranges()) {
    result += std::to_string(first) + ":" + std::to_string(second) + " ";
  }
  return result;
}

TEST(SequenceSetTest, IsSortedAndJoined) {
  EXPECT_EQ(Resolved("5,1:3,4,9", 10), "1:5 9:9 ");
  EXPECT_EQ(Resolved("7:4", 10), "4:7 ");
  EXPECT_EQ(Resolved("*", 10), "10:10 ");
  EXPECT_EQ(Resolved("20:*", 10), "10:20 ");
  EXPECT_EQ(Resolved("*:8,1", 10), "1:1 8:10 ");
  EXPECT_EQ(Resolved("*", 0), "");
  EXPECT_EQ(Resolved("4294967295", 10), "4294967295:4294967295 ");
  for (const char* bad : {"", "0", "1:", "1,,2", "a", "1:0", "4294967296", "1;2"}) {
    EXPECT_EQ(Resolved(bad, 10), "(bad)") << bad;
  }
  SequenceSet set;
  ASSERT_TRUE(SequenceSet::Parse("3:5,9", &set));
  set.Resolve(10);
  EXPECT_TRUE(set.Contains(3) && set.Contains(5) && set.Contains(9));
  EXPECT_FALSE(set.Contains(2) || set.Contains(6) || set.Contains(10));
  EXPECT_EQ(FormatSet(std::vector<uint32_t>{1, 2, 3, 7, 9, 10}), "1:3,7,9:10");
  EXPECT_EQ(FormatSet({}), "");
}

TEST(AccountTest, MailboxNamesAreChecked) {
  const Credentials credentials;
  Registry registry(&credentials);
  Account& account = *registry.Get("alice");
  for (const char* bad : {"", "/a", "a//b", "a*", "a%", "b\xc3\xa4r", "a\nb"}) {
    EXPECT_EQ(account.Create(bad), MailboxError::kInvalidName) << bad;
  }
  EXPECT_EQ(account.Create("a/b/c/"), MailboxError::kNone);
  EXPECT_NE(account.Find("a/b"), nullptr);
  EXPECT_EQ(account.Create("Inbox/sub"), MailboxError::kNone);
  EXPECT_NE(account.Find("INBOX/sub"), nullptr);
  EXPECT_EQ(account.Rename("a", "a/b/d"), MailboxError::kInvalidName);
  EXPECT_EQ(account.Create("x/b"), MailboxError::kNone);
  EXPECT_EQ(account.Delete("x"), MailboxError::kNone);
  EXPECT_EQ(account.Rename("a", "x"), MailboxError::kAlreadyExists) << "x/b would be overwritten";
  EXPECT_NE(account.Find("a/b/c"), nullptr);
  EXPECT_EQ(account.Rename("a", "y/z"), MailboxError::kNone);
  EXPECT_NE(account.Find("y/z/b/c"), nullptr);
  EXPECT_EQ(account.Find("a/b/c"), nullptr);
}

TEST(AccountTest, MailboxesAreLimited) {
  const Credentials credentials;
  Registry registry(&credentials);
  Account& account = *registry.Get("alice");
  MailboxError error = MailboxError::kNone;
  for (size_t i = 0; error == MailboxError::kNone; ++i) error = account.Create(std::to_string(i));
  EXPECT_EQ(error, MailboxError::kLimit);
  EXPECT_EQ(account.mailboxes().size(), Account::kMaxMailboxes);
}

TEST(OptionsTest, ListenersAreRead) {
  ListenerSpec spec;
  ASSERT_TRUE(ParseListener("tls:[::1]:993", Protocol::kImap, &spec));
  EXPECT_EQ(spec.tls, TlsUse::kImplicit);
  EXPECT_EQ(spec.address.ToString(), "[::1]:993");
  ASSERT_TRUE(ParseListener("starttls:127.0.0.1:143", Protocol::kImap, &spec));
  EXPECT_EQ(spec.tls, TlsUse::kStartTls);
  EXPECT_FALSE(ParseListener("starttls:127.0.0.1:24", Protocol::kLmtp, &spec));
  EXPECT_FALSE(ParseListener("localhost", Protocol::kImap, &spec));
}

TEST(OptionsTest, ACommandLineIsRead) {
  CommandLine line;
  std::string error;
  ASSERT_TRUE(ParseCommandLine(
      {"--listen", "127.0.0.1:1", "--listen=127.0.0.1:2", "--password=a=b", "--preload", "x:y:7",
       "--notify-delay-ms=5", "--capability-off", "IDLE, move"},
      &line, &error))
      << error;
  EXPECT_EQ(line.server.listeners.size(), 2u);
  EXPECT_EQ(line.server.credentials.password, "a=b");
  EXPECT_EQ(line.preload.front(), std::make_pair(std::string("x:y"), 7u));
  EXPECT_EQ(line.server.notify_delay_ns, 5'000'000u);
  EXPECT_FALSE(line.server.session.features.Has(Feature::kIdle));
  EXPECT_FALSE(line.server.session.features.Has(Feature::kMove));
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"--listen"},
                                              {"--threads=x"},
                                              {"--threads", "100000"},
                                              {"--preload", "7"},
                                              {"--descriptors", "some"},
                                              {"--listen=127.0.0.1:1", "--threads=0"}}) {
    CommandLine other;
    EXPECT_FALSE(ParseCommandLine(bad, &other, &error)) << bad.front();
    EXPECT_FALSE(error.empty());
  }
}

TEST(OptionsTest, UserFilesAreRead) {
  Credentials credentials;
  std::string error;
  EXPECT_TRUE(ParseUsers("# list\n\nann:secret\r\nben:a:b\n", &credentials, &error));
  EXPECT_EQ(credentials.users.at("ann"), "secret");
  EXPECT_EQ(credentials.users.at("ben"), "a:b");
  EXPECT_FALSE(ParseUsers("ann\n", &credentials, &error));
  EXPECT_EQ(error, "line 1 is not USER:PASSWORD");
}

TEST(InboxStateTest, IsReadAndFaultsAreNamed) {
  std::vector<InboxState> inboxes;
  std::string error;
  ASSERT_TRUE(
      ParseInboxes("# kept\r\ninbox ann 7 12 40 # hers\n1 12 \\Seen\n\n5 40 $A \\Flagged\n"
                   "inbox ben 8 1 1",
                   &inboxes, &error))
      << error;
  ASSERT_EQ(inboxes.size(), 2u);
  EXPECT_EQ(inboxes[0].user, "ann");
  EXPECT_EQ(inboxes[0].uid_validity, 7u);
  EXPECT_EQ(inboxes[0].uid_next, 12u);
  EXPECT_EQ(inboxes[0].highest_modseq, 40u);
  ASSERT_EQ(inboxes[0].messages.size(), 2u);
  EXPECT_EQ(inboxes[0].messages[1].uid, 5u);
  EXPECT_EQ(inboxes[0].messages[1].flags, (std::vector<std::string>{"$A", "\\Flagged"}));
  EXPECT_TRUE(inboxes[1].messages.empty());
  for (const auto& [bad, why] : std::vector<std::pair<std::string, std::string>>{
           {"1 1", "line 1: begin with inbox USER UIDVALIDITY UIDNEXT HIGHESTMODSEQ"},
           {"inbox ann 7 12", "line 1: inbox wants USER UIDVALIDITY UIDNEXT HIGHESTMODSEQ"},
           {"inbox ann 0 12 4",
            "line 1: UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ are numbers above 0"},
           {"inbox ann 1 2 3\n\n1", "line 3: a message is UID MODSEQ and flags, numbers above 0"},
           {"inbox ann 1 2 3\n1 2 \\Recent", "line 2: \\Recent is no flag that can be stored"},
           {"inbox ann 1 2 3\n2 2", "line 2: the UID is not below UIDNEXT"},
           {"inbox ann 1 2 3\n1 4", "line 2: the MODSEQ is above HIGHESTMODSEQ"},
           {"inbox ann 1 9 3\n4 1\n4 1", "line 3: UIDs must grow"},
           {"inbox ann 1 9 3\ninbox ann 2 9 3", "line 2: this user is named twice"}}) {
    EXPECT_FALSE(ParseInboxes(bad, &inboxes, &error)) << bad;
    EXPECT_EQ(error, why);
  }
}

}  // namespace
}  // namespace roost::embedded
