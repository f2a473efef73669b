#include "proto/imap/response.h"

#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "proto/imap/writer.h"

namespace roost {
namespace {

TEST(Response, NumberedOnes) {
  Response response = ParseResponse("* 23 EXISTS\r\n");
  EXPECT_EQ(response.kind, ResponseKind::kExists);
  EXPECT_EQ(response.number, 23u);
  EXPECT_EQ(ParseResponse("* 0 exists\r\n").kind, ResponseKind::kExists);
  EXPECT_EQ(ParseResponse("* 5 RECENT\r\n").kind, ResponseKind::kRecent);
  EXPECT_EQ(ParseResponse("* 44 Expunge\r\n").kind, ResponseKind::kExpunge);
  response = ParseResponse("* 4294967295 FETCH (UID 5 BODY[] {100}\r\n");
  EXPECT_EQ(response.kind, ResponseKind::kFetch);
  EXPECT_EQ(response.number, 4294967295u);
  EXPECT_EQ(response.rest, "(UID 5 BODY[] {100}");
  for (std::string_view bad :
       {"* EXISTS\r\n", "* 4294967296 EXISTS\r\n", "* 0 EXPUNGE\r\n", "* 0 FETCH ()\r\n",
        "* FETCH (UID 5)\r\n", "* 5 OK\r\n", "* 5\r\n", "* 5EXISTS\r\n", "* 5 SEARCH 1\r\n"}) {
    EXPECT_EQ(ParseResponse(bad).kind, ResponseKind::kMalformed) << bad;
  }
}

TEST(Response, StatusOnesHaveCodes) {
  Response response = ParseResponse("* OK [UIDVALIDITY 3857529045] UIDs valid\r\n");
  EXPECT_EQ(response.kind, ResponseKind::kOk);
  EXPECT_EQ(response.code, "UIDVALIDITY 3857529045");
  EXPECT_EQ(response.code_name, "UIDVALIDITY");
  EXPECT_EQ(response.code_args, "3857529045");
  EXPECT_EQ(response.text, "UIDs valid");
  EXPECT_TRUE(response.CodeIs("uidvalidity"));
  EXPECT_FALSE(response.CodeIs("UIDNEXT"));
  response = ParseResponse("* OK [PERMANENTFLAGS (\\Answered \\*)] Limited\r\n");
  EXPECT_EQ(response.code_args, "(\\Answered \\*)");
  response = ParseResponse("* OK [X \"a]b\\\"]\"] text\r\n");
  EXPECT_EQ(response.code_args, "\"a]b\\\"]\"");
  EXPECT_EQ(response.text, "text");
  response = ParseResponse("* OK [X a\"b] text\r\n");
  EXPECT_EQ(response.code_args, "a\"b") << "a quote that is never closed";
  response = ParseResponse("* NO [unfinished text\r\n");
  EXPECT_EQ(response.kind, ResponseKind::kNo);
  EXPECT_EQ(response.code, "");
  EXPECT_EQ(response.text, "[unfinished text");
  EXPECT_FALSE(response.CodeIs(""));
  EXPECT_EQ(ParseResponse("* BYE\r\n").kind, ResponseKind::kBye);
  EXPECT_EQ(ParseResponse("* BAD x\r\n").kind, ResponseKind::kBad);
  EXPECT_EQ(ParseResponse("* PREAUTH hi\r\n").kind, ResponseKind::kPreauth);
  EXPECT_EQ(ParseResponse("* OK [READ-ONLY]\r\n").code_name, "READ-ONLY");
}

TEST(Response, TaggedOnes) {
  Response response = ParseResponse("a1 NO [TRYCREATE] no such mailbox\r\n");
  EXPECT_EQ(response.kind, ResponseKind::kTagged);
  EXPECT_EQ(response.status, Status::kNo);
  EXPECT_EQ(response.tag, "a1");
  EXPECT_EQ(response.code_name, "TRYCREATE");
  EXPECT_EQ(response.text, "no such mailbox");
  EXPECT_EQ(ParseResponse("a OK\r\n").status, Status::kOk);
  EXPECT_EQ(ParseResponse("a bad x\r\n").status, Status::kBad);
  for (std::string_view bad : {"a\r\n", "", "\r\n", "a BYE x\r\n", "a FETCH x\r\n", "a+ OK x\r\n",
                               " OK x\r\n", "(a OK x\r\n", "a OKAY\r\n", "garbage\r\n"}) {
    EXPECT_EQ(ParseResponse(bad).kind, ResponseKind::kMalformed) << bad;
  }
}

TEST(Response, Continuations) {
  EXPECT_EQ(ParseResponse("+ idling\r\n").kind, ResponseKind::kContinuation);
  EXPECT_EQ(ParseResponse("+ idling\r\n").text, "idling");
  EXPECT_EQ(ParseResponse("+\r\n").kind, ResponseKind::kContinuation);
  EXPECT_EQ(ParseResponse("+ \r\n").kind, ResponseKind::kContinuation);
  EXPECT_EQ(ParseResponse("+x OK\r\n").kind, ResponseKind::kMalformed);
}

TEST(Response, OthersPassWithTheirName) {
  EXPECT_EQ(ParseResponse("* CAPABILITY IMAP4rev1 IDLE\r\n").rest, "IMAP4rev1 IDLE");
  EXPECT_EQ(ParseResponse("* ENABLED\r\n").kind, ResponseKind::kEnabled);
  EXPECT_EQ(ParseResponse("* FLAGS (\\Seen)\r\n").kind, ResponseKind::kFlags);
  EXPECT_EQ(ParseResponse("* LIST () \"/\" {5}\r\n").kind, ResponseKind::kList);
  EXPECT_EQ(ParseResponse("* SEARCH\r\n").kind, ResponseKind::kSearch);
  Response other = ParseResponse("* 5 X-NEW foo\r\n");
  EXPECT_EQ(other.kind, ResponseKind::kOther);
  EXPECT_EQ(other.name, "X-NEW");
  EXPECT_TRUE(other.has_number);
  EXPECT_EQ(other.rest, "foo");
  EXPECT_EQ(ParseResponse("* QUOTA \"\" ()\r\n").kind, ResponseKind::kOther);
  EXPECT_EQ(ParseResponse("* (x)\r\n").kind, ResponseKind::kMalformed);
  EXPECT_EQ(ParseResponse("*\r\n").kind, ResponseKind::kMalformed);
  EXPECT_EQ(ParseResponse("*  OK\r\n").kind, ResponseKind::kMalformed);
}

TEST(Response, VanishedTellsEarlierFromNow) {
  Response response = ParseResponse("* VANISHED (EARLIER) 41,43:116\r\n");
  EXPECT_EQ(response.kind, ResponseKind::kVanished);
  EXPECT_TRUE(response.earlier);
  EXPECT_EQ(response.rest, "41,43:116");
  response = ParseResponse("* VANISHED 5\r\n");
  EXPECT_FALSE(response.earlier);
  EXPECT_EQ(response.rest, "5");
}

TEST(ParseFetch, TakesTheItemsThatCarryState) {
  FetchInfo info = ParseFetch("(UID 4827313 FLAGS (\\Seen $x) MODSEQ (65402))");
  EXPECT_TRUE(info.whole);
  EXPECT_FALSE(info.other_items);
  EXPECT_EQ(info.uid, 4827313u);
  EXPECT_EQ(info.flags, "\\Seen $x");
  EXPECT_EQ(info.modseq, 65402u);
  info = ParseFetch("(FLAGS ())");
  EXPECT_TRUE(info.whole);
  EXPECT_EQ(info.flags, "");
  EXPECT_FALSE(info.uid.has_value());
}

TEST(ParseFetch, PassesOverAllOtherItems) {
  FetchInfo info = ParseFetch(
      "(ENVELOPE (\"date\" \"sub)\\\"(ject\" ((\"a\" NIL \"b\" \"c\")) NIL NIL NIL NIL NIL NIL "
      "\"<id>\") BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"x\") NIL NIL \"7bit\" 5 "
      "1)(\"a\" "
      "\"b\" NIL NIL NIL \"7bit\" 5) \"mixed\") RFC822.SIZE 44 INTERNALDATE \"17-Jul-1996\" "
      "BODY[HEADER.FIELDS (FROM {2}\r\n])]<0> {6}\r\n(UID 9 BODY[TEXT] NIL UID 7 FLAGS (\\Seen))");
  EXPECT_TRUE(info.whole);
  EXPECT_TRUE(info.other_items);
  EXPECT_EQ(info.uid, 7u);
  EXPECT_EQ(info.flags, "\\Seen");
}

TEST(ParseFetch, StopsWhereItUnderstandsNoMore) {
  FetchInfo info = ParseFetch("(UID 7 BODY[] {1000}");
  EXPECT_FALSE(info.whole);
  EXPECT_EQ(info.uid, 7u);
  EXPECT_FALSE(info.flags.has_value());
  for (std::string_view bad :
       {"", "(", "(UID)", "(UID 0)", "(UID x)", "(FLAGS x)", "(MODSEQ 5)", "(MODSEQ (x))", "(UID 7",
        "(UID 7) x", "(FLAGS (\\Seen)", "(UID 99999999999)", "UID 7"}) {
    EXPECT_FALSE(ParseFetch(bad).whole) << bad;
  }
}

TEST(ParseUidSet, AddsToASet) {
  UidSet set;
  EXPECT_EQ(ParseUidSet("1:5,9,7", &set), SetParse::kOk);
  EXPECT_EQ(FormatUidSet(set), "1:5,7,9");
  EXPECT_EQ(ParseUidSet("8:6", &set), SetParse::kOk);
  EXPECT_EQ(FormatUidSet(set), "1:9");
  for (std::string_view bad : {"", "*", "1:*", "0", "1,", "1 2", "x", "4294967296"}) {
    UidSet other;
    EXPECT_EQ(ParseUidSet(bad, &other), SetParse::kMalformed) << bad;
  }
}

TEST(ParseEsearch, ReadsAllItems) {
  EsearchInfo info =
      ParseEsearch("(TAG \"a567\") UID COUNT 5 MIN 2 MAX 9 ALL 4:19,21,28 MODSEQ 1236");
  EXPECT_TRUE(info.whole);
  EXPECT_EQ(info.tag, "a567");
  EXPECT_TRUE(info.uid);
  EXPECT_EQ(info.count, 5u);
  EXPECT_EQ(info.min, 2u);
  EXPECT_EQ(info.max, 9u);
  EXPECT_EQ(info.all, "4:19,21,28");
  EXPECT_EQ(info.modseq, 1236u);
  info = ParseEsearch("(TAG \"a\")");
  EXPECT_TRUE(info.whole);
  EXPECT_EQ(info.all, "");
  info = ParseEsearch("");
  EXPECT_TRUE(info.whole);
  info = ParseEsearch("(TAG \"a\") UID PARTIAL (1:10 5,6) RELEVANCY (1 2)");
  EXPECT_TRUE(info.whole);
  EXPECT_TRUE(info.other_items);
  for (std::string_view bad : {"(TAG", "ALL", "ALL x", "COUNT x", "(TAG \"a\") (x)", "ALL 1:*,"}) {
    EXPECT_FALSE(ParseEsearch(bad).whole) << bad;
  }
}

TEST(ParseStatus, ReadsWhatAPollerNeeds) {
  StatusInfo info;
  ASSERT_TRUE(ParseStatus("inbox (MESSAGES 231 UIDNEXT 44292 X-FOO (a) HIGHESTMODSEQ 77 )", &info));
  EXPECT_EQ(info.mailbox, "INBOX");
  EXPECT_EQ(info.messages, 231u);
  EXPECT_EQ(info.uid_next, 44292u);
  EXPECT_EQ(info.highest_modseq, 77u);
  EXPECT_FALSE(info.unseen.has_value());
  EXPECT_TRUE(ParseStatus("\"a b\" () ", &info));
  EXPECT_FALSE(ParseStatus("x", &info));
  EXPECT_FALSE(ParseStatus("x (MESSAGES)", &info));
  EXPECT_FALSE(ParseStatus("x (MESSAGES 5", &info));
  EXPECT_FALSE(ParseStatus("{5}", &info));
}

// ---- SearchListParser ----

struct Listing {
  bool ok;
  std::string uids;
  uint64_t listed;
  bool uid;
  std::string tag;
  bool operator==(const Listing&) const = default;
};

Listing Read(std::string_view line, size_t step) {
  UidSet set;
  SearchListParser parser(&set);
  for (size_t i = 0; i < line.size(); i += step) parser.Feed(line.substr(i, step));
  bool ok = parser.Finish();
  return {ok, FormatUidSet(set), parser.listed(), parser.uid(), parser.tag()};
}

Listing ReadAll(std::string_view line) {
  Listing whole = Read(line, line.size());
  for (size_t step = 1; step < 8; ++step) EXPECT_EQ(Read(line, step), whole) << line;
  return whole;
}

TEST(SearchListParser, ReadsSearchLines) {
  EXPECT_EQ(ReadAll("* SEARCH 2 84 882 83\r\n"), (Listing{true, "2,83:84,882", 4, false, ""}));
  EXPECT_EQ(ReadAll("* SEARCH\r\n"), (Listing{true, "", 0, false, ""}));
  EXPECT_EQ(ReadAll("* SEARCH \r\n"), (Listing{true, "", 0, false, ""}));
  EXPECT_EQ(ReadAll("* search 5 \n"), (Listing{true, "5", 1, false, ""}));
  EXPECT_EQ(ReadAll("* SEARCH 2 5 (MODSEQ 917162500)\r\n"), (Listing{true, "2,5", 2, false, ""}));
  EXPECT_EQ(ReadAll("* SEARCH 5 5\r\n").listed, 2u);
  for (std::string_view bad :
       {"* SEARCH 0\r\n", "* SEARCH 4294967296\r\n", "* SEARCH x\r\n", "* SEARCH 1,2\r\n",
        "* SORT 1\r\n", "* SEARCH 1", "* SEARCH 1\r", "* SEARCH 1 (MODSEQ 5\r\n", "* SEARCH 1\r\nx",
        "* SEARCH (MODSEQ 5) 7\r\n", "* SEARCH 99999999999999999999999999\r\n", "", "\r\n",
        "* SEARCHX\r\n"}) {
    EXPECT_FALSE(ReadAll(bad).ok) << bad;
  }
}

TEST(SearchListParser, ReadsEsearchLines) {
  EXPECT_EQ(ReadAll("* ESEARCH (TAG \"a1\") UID ALL 1:5,9\r\n"),
            (Listing{true, "1:5,9", 6, true, "a1"}));
  EXPECT_EQ(ReadAll("* ESEARCH (TAG \"a1\") UID\r\n"), (Listing{true, "", 0, true, "a1"}));
  EXPECT_EQ(ReadAll("* ESEARCH\r\n"), (Listing{true, "", 0, false, ""}));
  EXPECT_EQ(ReadAll("* esearch (tag \"x\") uid count 5 all 5:4 modseq 7\r\n"),
            (Listing{true, "4:5", 2, true, "x"}));
  EXPECT_EQ(ReadAll("* ESEARCH (TAG a) PARTIAL (1:5 (\"x)\" 7)) ALL 3\r\n"),
            (Listing{true, "3", 1, false, "a"}));
  EXPECT_EQ(ReadAll("* ESEARCH ALL 1:4294967295 UID\r\n"),
            (Listing{true, "1:4294967295", 4294967295u, true, ""}));
  for (std::string_view bad :
       {"* ESEARCH ALL\r\n", "* ESEARCH ALL \r\n", "* ESEARCH ALL 1:\r\n", "* ESEARCH ALL 1,\r\n",
        "* ESEARCH ALL *\r\n", "* ESEARCH ALL 1:2:3\r\n", "* ESEARCH ALL 0:5\r\n",
        "* ESEARCH (TAG \"a\r\n", "* ESEARCH (TAG)\r\n", "* ESEARCH COUNT\r\n",
        "* ESEARCH X (1\r\n", "* ESEARCH X )\r\n", "* ESEARCH \"x\"\r\n",
        "* ESEARCH ALL 1:x\r\n"}) {
    EXPECT_FALSE(ReadAll(bad).ok) << bad;
  }
}

TEST(SearchListParser, ReadsVanishedLines) {
  EXPECT_EQ(ReadAll("* VANISHED 1:5,9\r\n"), (Listing{true, "1:5,9", 6, false, ""}));
  EXPECT_EQ(ReadAll("* vanished (earlier) 7\r\n"), (Listing{true, "7", 1, false, ""}));
  UidSet set;
  SearchListParser parser(&set);
  EXPECT_TRUE(parser.Feed("* VANISHED (EARLIER) 300:310,405,411\r\n"));
  EXPECT_TRUE(parser.Finish());
  EXPECT_TRUE(parser.vanished());
  EXPECT_TRUE(parser.earlier());
  for (std::string_view bad :
       {"* VANISHED\r\n", "* VANISHED \r\n", "* VANISHED (EARLIER)\r\n",
        "* VANISHED (EARLIER) \r\n", "* VANISHED (EARLIER) (EARLIER) 5\r\n", "* VANISHED 5 6\r\n",
        "* VANISHED (LATER) 5\r\n", "* VANISHED 5:*\r\n", "* VANISHED 5 ALL 7\r\n"}) {
    EXPECT_FALSE(ReadAll(bad).ok) << bad;
  }
}

TEST(SearchListParser, BoundsWhatAHostileLineCosts) {
  std::string words = "* ESEARCH (TAG \"" + std::string(100000, 'a') + "\")\r\n";
  EXPECT_FALSE(Read(words, 1000).ok);
  words = "* ESEARCH " + std::string(100000, 'a') + " 5\r\n";
  EXPECT_FALSE(Read(words, 1000).ok);

  UidSet set;
  SearchListParser parser(&set);
  parser.Feed("* SEARCH");
  std::string piece;
  uint32_t uid = 1;
  bool more = true;
  while (more && uid < 200000000) {
    piece.clear();
    for (int i = 0; i < 10000; ++i, uid += 2) piece += " " + std::to_string(uid);
    more = parser.Feed(piece);
  }
  EXPECT_FALSE(more);
  EXPECT_EQ(parser.state(), SetParse::kTooLarge);
  EXPECT_FALSE(parser.Finish());
}

}  // namespace
}  // namespace roost
