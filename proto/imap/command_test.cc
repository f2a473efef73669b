#include "proto/imap/command.h"

#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace roost {
namespace {

Command Parse(std::string_view line) {
  static std::set<std::string> lines;  // a Command points into its line
  std::string whole(line);
  if (!whole.ends_with('\n')) whole += "\r\n";
  return ParseCommand(*lines.insert(whole).first);
}

TEST(Command, HasATagAVerbAndArguments) {
  Command command = Parse("a1 select \"INBOX\" (CONDSTORE)\r\n");
  EXPECT_EQ(command.kind, CommandKind::kSelect);
  EXPECT_EQ(command.tag, "a1");
  EXPECT_EQ(command.name, "select");
  EXPECT_EQ(command.args, "\"INBOX\" (CONDSTORE)");
  EXPECT_FALSE(command.uid);
  EXPECT_TRUE(command.complete);
  command = Parse("a NOOP\n");
  EXPECT_EQ(command.kind, CommandKind::kNoop);
  EXPECT_EQ(command.args, "");
  command = Parse("x uid Fetch 1:* FLAGS");
  EXPECT_EQ(command.kind, CommandKind::kFetch);
  EXPECT_TRUE(command.uid);
  EXPECT_EQ(command.name, "Fetch");
  EXPECT_EQ(command.args, "1:* FLAGS");
}

TEST(Command, WhatHasNoTagOrVerbIsMalformed) {
  for (std::string_view line :
       {"\r\n", " NOOP", "a\r\n", "a \r\n", "a  NOOP", "+ NOOP", "a+ NOOP", "(a NOOP", "a\"b NOOP",
        "a NOOP(", "a \"NOOP\"", "a%b NOOP", "a UID ", "a\x80 NOOP", "{3}\r\nfoo NOOP\r\n"}) {
    EXPECT_EQ(Parse(line).kind, CommandKind::kMalformed) << line;
  }
  EXPECT_EQ(Parse("a  NOOP").tag, "a") << "a valid tag can be answered";
  EXPECT_EQ(Parse("a+ NOOP").tag, "");
  EXPECT_EQ(ParseCommand("").kind, CommandKind::kMalformed);
  EXPECT_EQ(Parse("GET / HTTP/1.1").kind, CommandKind::kUnknown);
  EXPECT_EQ(Parse("a UID NOOP").kind, CommandKind::kUnknown);
  EXPECT_EQ(Parse("a UID").kind, CommandKind::kUnknown);
  EXPECT_EQ(Parse("a XAVERYVERYLONGVERBINDEED").kind, CommandKind::kUnknown);
  EXPECT_EQ(Parse("]a.1$ NOOP").tag, "]a.1$");
}

TEST(Command, TagsAreBounded) {
  EXPECT_TRUE(IsValidTag(std::string(kMaxTagBytes, 'a')));
  EXPECT_FALSE(IsValidTag(std::string(kMaxTagBytes + 1, 'a')));
  EXPECT_FALSE(IsValidTag(""));
}

TEST(Command, KnowsEveryName) {
  for (int i = 0; i <= static_cast<int>(CommandKind::kGetJmapAccess); ++i) {
    CommandKind kind = static_cast<CommandKind>(i);
    std::string_view name = CommandName(kind);
    if (kind == CommandKind::kMalformed || kind == CommandKind::kUnknown) {
      EXPECT_EQ(name, "?");
    } else {
      EXPECT_EQ(Parse("a " + std::string(name)).kind, kind) << name;
    }
  }
}

TEST(Command, IsIncompleteWhenItEndsAtALiteral) {
  EXPECT_FALSE(Parse("a APPEND x {100}\r\n").complete);
  EXPECT_FALSE(Parse("a APPEND x (\\Seen) ~{100+}\r\n").complete);
  EXPECT_FALSE(Parse("a LOGIN {3}\r\nfoo {3}\r\n").complete);
  EXPECT_TRUE(Parse("a LOGIN {3}\r\nfoo {3}\r\nbar\r\n").complete);
  EXPECT_TRUE(Parse("a LOGIN {3}\r\nfoo {3}\r\na{} x}\r\n").complete);
  EXPECT_TRUE(Parse("a SEARCH TEXT \"{3}\r\n").complete);
  EXPECT_FALSE(ParseCommand("a NOOP").complete);
}

TEST(Command, DoneIsAWholeLineInAnyCase) {
  EXPECT_TRUE(IsDoneLine("DONE\r\n"));
  EXPECT_TRUE(IsDoneLine("dOnE\n"));
  EXPECT_FALSE(IsDoneLine("DONE"));
  EXPECT_FALSE(IsDoneLine("DONE \r\n"));
  EXPECT_FALSE(IsDoneLine("a DONE\r\n"));
}

TEST(Command, StatelessOnesAreListed) {
  for (std::string_view line :
       {"a NOOP",
        "a CAPABILITY",
        "a LOGOUT",
        "a IDLE",
        "a CHECK",
        "a CLOSE",
        "a UNSELECT",
        "a EXPUNGE",
        "a UID EXPUNGE 1:5",
        "a SELECT INBOX",
        "a EXAMINE x (CONDSTORE)",
        "a SELECT x (QRESYNC (1 2 1:5 (1,2 3,4)))",
        "a LIST \"\" *",
        "a LIST \"\" (a b)",
        "a LIST (SUBSCRIBED) \"\" % RETURN (CHILDREN STATUS (MESSAGES HIGHESTMODSEQ))",
        "a STATUS x (MESSAGES)",
        "a FETCH 1:* (FLAGS BODY[] MODSEQ)",
        "a UID FETCH 1 ALL",
        "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5 VANISHED)",
        "a STORE 1 +FLAGS (\\Seen)",
        "a UID STORE 1 (UNCHANGEDSINCE 5) FLAGS.SILENT ()",
        "a COPY 1 x",
        "a MOVE 1 x",
        "a SEARCH ALL",
        "a UID SEARCH RETURN () 1:5",
        "a SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN",
        "a UID SEARCH RETURN (PARTIAL 1:100) ALL",
        "a SORT (DATE) UTF-8 ALL",
        "a UID SORT RETURN (COUNT) (REVERSE DATE) UTF-8 SUBJECT \"x $\"",
        "a THREAD REFERENCES US-ASCII ALL",
        "a SEARCH HEADER x \"$\" OR (SEEN DELETED) NOT FROM y",
        "a SEARCH CHARSET UTF-8 TEXT {3}\r\n$ $\r\n",
        "a SEARCH KEYWORD $Forwarded",
        "a SEARCH MODSEQ 5",
        "a SEARCH MODSEQ \"/flags/\\\\draft\" all 5 LARGER 100",
        "a ID NIL",
        "a GETQUOTAROOT INBOX",
        "a NAMESPACE",
        "a ENABLE QRESYNC",
        "a APPEND x {5}\r\n",
        "a GETMETADATA x /private/comment",
        "a MYRIGHTS x",
        "a UID REPLACE 5 x {9}\r\n",
        "a ESEARCH IN (mailboxes x) RETURN (ALL) UNSEEN"}) {
    EXPECT_TRUE(IsStateless(Parse(line))) << line;
  }
}

TEST(Command, WhatKeepsStateInTheSessionPins) {
  for (std::string_view line : {"a SEARCH RETURN (SAVE) ALL",
                                "a UID SEARCH RETURN (COUNT save) ALL",
                                "a SEARCH $",
                                "a UID SEARCH UID $",
                                "a SEARCH NOT (UID $)",
                                "a FETCH $ FLAGS",
                                "a UID FETCH $ FLAGS",
                                "a STORE $ FLAGS ()",
                                "a COPY $ x",
                                "a UID MOVE $ x",
                                "a UID EXPUNGE $",
                                "a SEARCH RETURN (UPDATE) ALL",
                                "a SORT RETURN (CONTEXT UPDATE) (DATE) UTF-8 ALL",
                                "a SEARCH RETURN (CONTEXT) ALL",
                                "a SEARCH RETURN (X-NEW) ALL",
                                "a SEARCH X-UNKNOWN-KEY",
                                "a SEARCH",
                                "a SEARCH TEXT {100}\r\n",
                                "a SEARCH (ALL",
                                "a SEARCH ALL)",
                                "a SEARCH RETURN (ALL ALL",
                                "a LANGUAGE de",
                                "a COMPARATOR x",
                                "a NOTIFY NONE",
                                "a NOTIFY SET (SELECTED (MessageNew))",
                                "a XFOO",
                                "a CANCELUPDATE x",
                                "a SELECT x (X-OTHER)",
                                "a SELECT x (X-OTHER (1 2))",
                                "a SELECT",
                                "a SELECT x (QRESYNC)",
                                "a UNAUTHENTICATE",
                                "a COMPRESS DEFLATE",
                                "a STARTTLS",
                                "a LOGIN a b",
                                "a AUTHENTICATE PLAIN",
                                "a PROXYAUTH x",
                                "a  NOOP",
                                "a GENURLAUTH x",
                                "a CONVERT 1 x",
                                "a FETCH 1 (FLAGS MODSEQ",
                                "a STATUS x HIGHESTMODSEQ",
                                "a UID NOOP"}) {
    EXPECT_FALSE(IsStateless(Parse(line))) << line;
  }
}

TEST(Command, SequenceNumbersAreRecognised) {
  for (std::string_view line :
       {"a FETCH 1 FLAGS", "a STORE 1 FLAGS ()", "a SEARCH ALL", "a SEARCH UID 5",
        "a SORT (DATE) UTF-8 ALL", "a THREAD X UTF-8 ALL", "a COPY 1 x", "a MOVE 1 x",
        "a UID SEARCH 1:5", "a UID SEARCH NOT (OR SEEN 5)", "a UID SEARCH *",
        "a UID SORT (DATE) UTF-8 1:5 SEEN", "a UID THREAD REFERENCES UTF-8 2",
        "a REPLACE 4 x {1}\r\n", "a UID SEARCH X-UNKNOWN 5", "a UID SEARCH TEXT {100}\r\n",
        "a XUNKNOWN"}) {
    EXPECT_TRUE(UsesSequenceNumbers(Parse(line))) << line;
  }
  for (std::string_view line :
       {"a UID FETCH 1 FLAGS", "a UID STORE 1 FLAGS ()", "a UID COPY 1 x", "a UID MOVE 1 x",
        "a UID SEARCH UID 1:5", "a UID SEARCH TEXT 5 LARGER 7 SUBJECT {1}\r\n9\r\n",
        "a UID SEARCH RETURN (PARTIAL 1:5) ALL", "a UID SORT (SIZE) UTF-8 SINCE 1-Feb-1994",
        "a UID SEARCH MODSEQ 7", "a UID SEARCH $", "a NOOP", "a IDLE", "a EXPUNGE",
        "a UID EXPUNGE 1", "a STATUS x (MESSAGES)", "a UID SEARCH HEADER 5 6",
        "a UID SEARCH YOUNGER 5 UNKEYWORD $x"}) {
    EXPECT_FALSE(UsesSequenceNumbers(Parse(line))) << line;
  }
}

TEST(Command, ExpungeIsForbiddenDuringSomeOfThem) {
  for (std::string_view line :
       {"a FETCH 1 FLAGS", "a STORE 1 FLAGS ()", "a SEARCH ALL", "a SORT (DATE) UTF-8 ALL",
        "a THREAD X UTF-8 ALL", "a UID SEARCH 1:5", "a UID SORT (DATE) UTF-8 7", "a XUNKNOWN"}) {
    EXPECT_TRUE(ForbidsExpunge(Parse(line))) << line;
  }
  for (std::string_view line :
       {"a UID FETCH 1 FLAGS", "a UID STORE 1 FLAGS ()", "a COPY 1 x", "a MOVE 1 x",
        "a UID SEARCH UID 5", "a NOOP", "a IDLE", "a EXPUNGE", "a UID THREAD X UTF-8 ALL"}) {
    EXPECT_FALSE(ForbidsExpunge(Parse(line))) << line;
  }
}

TEST(Command, CondstoreIsSwitchedOnBySomeOfThem) {
  for (std::string_view line :
       {"a FETCH 1 MODSEQ", "a UID FETCH 1 (FLAGS modseq)", "a FETCH 1 FLAGS (CHANGEDSINCE 5)",
        "a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5 VANISHED)",
        "a STORE 1 (UNCHANGEDSINCE 5) FLAGS ()", "a SEARCH MODSEQ 5", "a SEARCH OR SEEN MODSEQ 5",
        "a SORT (DATE) UTF-8 MODSEQ 5", "a STATUS x (MESSAGES HIGHESTMODSEQ)",
        "a SELECT x (CONDSTORE)", "a EXAMINE x (QRESYNC (1 2))",
        "a LIST \"\" * RETURN (STATUS (HIGHESTMODSEQ))", "a FETCH 1 (MODSEQ"}) {
    EXPECT_TRUE(SwitchesOnCondstore(Parse(line))) << line;
  }
  for (std::string_view line :
       {"a FETCH 1 FLAGS", "a FETCH 1 (BODY[HEADER.FIELDS (MODSEQ)])", "a SEARCH TEXT MODSEQ",
        "a STORE 1 FLAGS (MODSEQ)", "a STATUS HIGHESTMODSEQ (MESSAGES)", "a SELECT CONDSTORE",
        "a LIST \"\" HIGHESTMODSEQ", "a LIST \"\" HIGHESTMODSEQ RETURN (STATUS (MESSAGES))",
        "a ENABLE CONDSTORE", "a CREATE MODSEQ", "a FETCH 1 (FLAGS"}) {
    EXPECT_FALSE(SwitchesOnCondstore(Parse(line))) << line;
  }
}

TEST(Command, SomeNeverReachAStoreAfterLogin) {
  for (std::string_view line : {"a LOGIN a b", "a AUTHENTICATE PLAIN", "a UNAUTHENTICATE",
                                "a PROXYAUTH x", "a STARTTLS", "a COMPRESS DEFLATE"}) {
    EXPECT_TRUE(NeverAfterLogin(Parse(line))) << line;
  }
  EXPECT_FALSE(NeverAfterLogin(Parse("a NOOP")));
  EXPECT_FALSE(NeverAfterLogin(Parse("a XUNKNOWN")));
}

TEST(ParseLogin, TakesAllFormsOfStrings) {
  LoginArgs args;
  ASSERT_TRUE(ParseLogin(Parse("a LOGIN user \"p\\\"w\""), &args));
  EXPECT_EQ(args.user, "user");
  EXPECT_EQ(args.password, "p\"w");
  ASSERT_TRUE(ParseLogin(Parse("a LOGIN {4}\r\nus r {3+}\r\np\nw\r\n"), &args));
  EXPECT_EQ(args.user, "us r");
  EXPECT_EQ(args.password, "p\nw");
  ASSERT_TRUE(ParseLogin(Parse("a LOGIN \"\" \"\""), &args));
  for (std::string_view bad : {"a LOGIN", "a LOGIN user", "a LOGIN user ", "a LOGIN user pw x",
                               "a LOGIN user {3}\r\n", "a LOGIN (user) pw", "a LOGIN  user pw"}) {
    EXPECT_FALSE(ParseLogin(Parse(bad), &args)) << bad;
  }
}

TEST(ParseAuthenticate, TakesAnInitialResponse) {
  AuthenticateArgs args;
  ASSERT_TRUE(ParseAuthenticate(Parse("a AUTHENTICATE PLAIN"), &args));
  EXPECT_EQ(args.mechanism, "PLAIN");
  EXPECT_FALSE(args.initial.has_value());
  ASSERT_TRUE(ParseAuthenticate(Parse("a AUTHENTICATE plain AGE="), &args));
  EXPECT_EQ(args.initial, "AGE=");
  ASSERT_TRUE(ParseAuthenticate(Parse("a AUTHENTICATE LOGIN ="), &args));
  EXPECT_EQ(args.initial, "");
  EXPECT_FALSE(ParseAuthenticate(Parse("a AUTHENTICATE"), &args));
  EXPECT_FALSE(ParseAuthenticate(Parse("a AUTHENTICATE PLAIN "), &args));
  EXPECT_FALSE(ParseAuthenticate(Parse("a AUTHENTICATE PLAIN a b"), &args));
}

TEST(ParseSelect, ReadsNameAndParameters) {
  SelectArgs args;
  ASSERT_TRUE(ParseSelect(Parse("a SELECT inbox"), &args));
  EXPECT_EQ(args.mailbox, "INBOX");
  EXPECT_EQ(args.mailbox_as_sent, "inbox");
  EXPECT_FALSE(args.condstore);
  EXPECT_EQ(args.parameters, "");
  ASSERT_TRUE(ParseSelect(Parse("a EXAMINE {3}\r\na b (condstore)\r\n"), &args));
  EXPECT_EQ(args.mailbox, "a b");
  EXPECT_EQ(args.mailbox_as_sent, "{3}\r\na b");
  EXPECT_TRUE(args.condstore);
  ASSERT_TRUE(ParseSelect(Parse("a SELECT x (QRESYNC (67890007 90060115194045000 41,43:211,214:541 "
                                "(1:4 5:8)))"),
                          &args));
  ASSERT_TRUE(args.qresync.has_value());
  EXPECT_EQ(args.qresync->uid_validity, 67890007u);
  EXPECT_EQ(args.qresync->modseq, 90060115194045000u);
  EXPECT_EQ(args.qresync->known_uids, "41,43:211,214:541");
  EXPECT_EQ(args.qresync->known_sequences, "1:4");
  EXPECT_EQ(args.qresync->known_sequence_uids, "5:8");
  EXPECT_EQ(args.parameters, "QRESYNC (67890007 90060115194045000 41,43:211,214:541 (1:4 5:8))");
  ASSERT_TRUE(ParseSelect(Parse("a SELECT x (QRESYNC (1 2 (1 2)) CONDSTORE)"), &args));
  EXPECT_EQ(args.qresync->known_uids, "");
  EXPECT_EQ(args.qresync->known_sequences, "1");
  ASSERT_TRUE(ParseSelect(Parse("a SELECT x (FOO BAR (1 2))"), &args));
  EXPECT_TRUE(args.unknown_parameters);
  for (std::string_view bad :
       {"a SELECT", "a SELECT x y", "a SELECT x (", "a SELECT x (QRESYNC)",
        "a SELECT x (QRESYNC (0 1))", "a SELECT x (QRESYNC (1))", "a SELECT x (QRESYNC (1 0))",
        "a SELECT x (QRESYNC (1 1 x))", "a SELECT x (QRESYNC (1 1 1:5 (1)))",
        "a SELECT x (CONDSTORE) y", "a SELECT x (QRESYNC (1 1 1:5 (1 2) 3))", "a SELECT {3}\r\n"}) {
    EXPECT_FALSE(ParseSelect(Parse(bad), &args)) << bad;
  }
}

TEST(ParseEnable, KeepsNamesAndKnownOnes) {
  EnableArgs args;
  ASSERT_TRUE(ParseEnable(Parse("a ENABLE qresync UTF8=ACCEPT X-FOO"), &args));
  EXPECT_EQ(args.names.size(), 3u);
  EXPECT_TRUE(args.known.qresync());
  EXPECT_TRUE(args.known.condstore());
  EXPECT_TRUE(args.known.utf8());
  EXPECT_TRUE(args.known.unknown());
  EXPECT_FALSE(ParseEnable(Parse("a ENABLE"), &args));
  EXPECT_FALSE(ParseEnable(Parse("a ENABLE "), &args));
  EXPECT_FALSE(ParseEnable(Parse("a ENABLE (x)"), &args));
}

TEST(ParseId, ReadsFields) {
  std::vector<IdField> fields;
  ASSERT_TRUE(ParseId(Parse("a ID NIL"), &fields));
  EXPECT_TRUE(fields.empty());
  ASSERT_TRUE(ParseId(Parse("a ID (\"name\" \"x\" \"os\" NIL {7}\r\nversion \"1\")\r\n"), &fields));
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].name, "name");
  EXPECT_EQ(fields[0].value, "x");
  EXPECT_FALSE(fields[1].value.has_value());
  EXPECT_EQ(fields[2].name, "version");
  EXPECT_TRUE(ParseId(Parse("a ID ()"), &fields));
  std::string many = "a ID (";
  for (int i = 0; i < 31; ++i) many += "\"n\" \"v\" ";
  many.back() = ')';
  for (std::string_view bad : {std::string_view("a ID"), std::string_view("a ID (\"name\")"),
                               std::string_view("a ID (\"name\" x)"),
                               std::string_view("a ID \"name\""), std::string_view(many)}) {
    EXPECT_FALSE(ParseId(Parse(bad), &fields)) << bad;
  }
}

TEST(Command, EveryPrefixIsReadWithoutHarm) {
  constexpr std::string_view kLines[] = {
      "a SELECT x (QRESYNC (67890007 90 41,43:211 (1:4 5:8)))\r\n",
      "a UID SEARCH RETURN (MIN PARTIAL 1:5) CHARSET UTF-8 OR (TEXT {3}\r\nabc) MODSEQ \"/x\" all "
      "5\r\n",
      "a LIST (SUBSCRIBED) \"\" (a b) RETURN (STATUS (HIGHESTMODSEQ))\r\n",
      "a UID FETCH 1:* (BODY[HEADER.FIELDS ({2}\r\nab)]<1.2> MODSEQ) (CHANGEDSINCE 5)\r\n",
      "a ID (\"name\" {1}\r\nx)\r\n"};
  for (std::string_view line : kLines) {
    for (size_t size = 0; size <= line.size(); ++size) {
      std::string prefix(line.substr(0, size));
      Command command = ParseCommand(prefix);
      SelectArgs select;
      LoginArgs login;
      std::vector<IdField> id;
      ParseSelect(command, &select);
      ParseLogin(command, &login);
      ParseId(command, &id);
      bool stateless = IsStateless(command);
      SwitchesOnCondstore(command);
      UsesSequenceNumbers(command);
      EXPECT_EQ(command.complete && size == line.size(), size == line.size()) << prefix;
      EXPECT_EQ(stateless && size == line.size(), size == line.size()) << prefix;
    }
  }
}

}  // namespace
}  // namespace roost
