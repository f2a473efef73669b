#include "proto/imap/number_map.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "proto/imap/tokens.h"

namespace roost {
namespace {

// Messages 2 and 5 of six are gone.
NumberMap TwoGone() { return NumberMap(UidSet{{2, 2}, {5, 5}}); }

std::string Rewrite(const NumberMap& map, std::string_view text, uint32_t client_count = 6,
                    LiteralsTaken literals = LiteralsTaken::kAll) {
  std::string line = std::string(text) + "\r\n";
  std::string out;
  switch (RewriteCommand(map, ParseCommand(line), client_count, literals, &out)) {
    case Rewriting::kWhole:
      EXPECT_TRUE(out.ends_with("\r\n")) << text;
      return out.substr(0, out.size() - 2);
    case Rewriting::kReduced:
      EXPECT_TRUE(out.ends_with("\r\n")) << text;
      return "reduced " + out.substr(0, out.size() - 2);
    case Rewriting::kEmpty:
      EXPECT_EQ(out, "") << text;
      return "empty";
    case Rewriting::kNotUnderstood:
      EXPECT_EQ(out, "") << text;
      return "no";
  }
  return "";
}

// In pieces of `step` bytes, the first of which goes far enough to be parsed.
std::string Respond(const NumberMap& map, std::string_view text, bool by_number = true,
                    size_t step = 1 << 20) {
  const std::string line = std::string(text) + "\r\n";
  const size_t head = std::min(line.size(), step < 24 ? size_t{24} : step);
  const std::string_view first = std::string_view(line).substr(0, head);
  std::string out;
  ResponseRewriter rewriter(map);
  rewriter.Begin(first, ParseResponse(first), by_number, &out);
  for (size_t i = head; i < line.size(); i += step) {
    rewriter.More(std::string_view(line).substr(i, step), &out);
  }
  EXPECT_TRUE(out.ends_with("\r\n")) << text;
  return out.substr(0, out.size() - 2);
}

// ---- The map ----

TEST(NumberMapTest, MapsNumbersThereAndBack) {
  const NumberMap map = TwoGone();
  const uint32_t session[] = {0, 1, 0, 2, 3, 0, 4, 5, 6};
  for (uint32_t client = 1; client <= 8; ++client) {
    EXPECT_EQ(map.ToSession(client), session[client]) << client;
    if (session[client] == 0) continue;
    EXPECT_EQ(map.ToClient(session[client]), client);
  }
  EXPECT_EQ(map.CountForClient(4), 6u);
}

TEST(NumberMapTest, WithNothingGoneIsTheIdentity) {
  const NumberMap map;
  EXPECT_TRUE(map.empty());
  for (uint32_t n : {1u, 7u, 4294967295u}) {
    EXPECT_EQ(map.ToSession(n), n);
    EXPECT_EQ(map.ToClient(n), n);
  }
}

TEST(NumberMapTest, TakesAnExpungeOfTheSessionByItsNumber) {
  NumberMap map = TwoGone();
  EXPECT_TRUE(map.AddGone(2));  // the client's third
  EXPECT_EQ(map.gone(), (UidSet{{2, 3}, {5, 5}}));
  EXPECT_TRUE(map.AddGone(1));
  EXPECT_TRUE(map.AddGone(1));
  EXPECT_EQ(map.gone(), (UidSet{{1, 5}}));
}

TEST(NumberMapTest, DoesNotOverflowAtTheLastNumber) {
  const NumberMap map = TwoGone();
  EXPECT_EQ(map.ToClient(4294967295u), 4294967295u);
  EXPECT_EQ(map.CountForClient(4294967295u), 4294967295u);
}

// Everything against a model that counts on its fingers.
TEST(NumberMapTest, AgreesWithANaiveModel) {
  std::mt19937 random(1);
  auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 3000; ++round) {
    const uint32_t count = 1 + below(40);
    UidSet gone;
    std::vector<uint32_t> there;  // the client's numbers, by the session's, from 0
    const uint32_t share = below(11);
    for (uint32_t n = 1; n <= count; ++n) {
      if (below(10) < share) {
        gone.Insert(n);
      } else {
        there.push_back(n);
      }
    }
    const NumberMap map(gone);
    ASSERT_EQ(map.CountForClient(static_cast<uint32_t>(there.size())), count);
    for (uint32_t m = 1; m <= there.size(); ++m) {
      ASSERT_EQ(map.ToClient(m), there[m - 1]);
      ASSERT_EQ(map.ToSession(there[m - 1]), m);
    }
    gone.ForEach([&](uint32_t n) { ASSERT_EQ(map.ToSession(n), 0u); });

    // A set, in elements with stars and ranges either way round.
    std::string set;
    UidSet named;
    for (uint32_t elements = 1 + below(4); elements > 0; --elements) {
      const bool star = below(5) == 0;
      const uint32_t a = 1 + below(count), b = star ? count : 1 + below(count);
      const std::string end = star ? "*" : std::to_string(b);
      if (!set.empty()) set += ',';
      switch (below(3)) {
        case 0:
          set += end;
          named.Insert(b);
          break;
        case 1:
          set += std::to_string(a) + ":" + end;
          named.InsertRange(std::min(a, b), std::max(a, b));
          break;
        default:
          set += end + ":" + std::to_string(a);
          named.InsertRange(std::min(a, b), std::max(a, b));
          break;
      }
    }
    UidSet expected;
    named.ForEach([&](uint32_t n) {
      if (!gone.Contains(n)) expected.Insert(map.ToSession(n));
    });
    std::string mapped;
    const NumberMap::Mapped result = map.AppendForSession(set, count, &mapped);
    UidSet got;
    ASSERT_TRUE(mapped.empty() || ParseUidSet(mapped, &got) == SetParse::kOk) << mapped;
    ASSERT_EQ(got, expected) << set;
    const bool reduced = !UidSet::Intersection(named, gone).empty();
    ASSERT_EQ(result, expected.empty() ? NumberMap::Mapped::kEmpty
                      : reduced        ? NumberMap::Mapped::kReduced
                                       : NumberMap::Mapped::kWhole);

    // And the other way.
    if (there.empty()) continue;
    const auto size = static_cast<uint32_t>(there.size());
    const uint32_t x = 1 + below(size), y = 1 + below(size);
    UidSet back, wanted;
    std::string ranges;
    map.AppendForClient(std::min(x, y), std::max(x, y), &ranges);
    ASSERT_EQ(ParseUidSet(ranges, &back), SetParse::kOk) << ranges;
    for (uint32_t m = std::min(x, y); m <= std::max(x, y); ++m) wanted.Insert(there[m - 1]);
    ASSERT_EQ(back, wanted) << ranges;
  }
}

// ---- Sets ----

TEST(NumberMapTest, NamesTheLastMessageOfTheClientByAStar) {
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH * FLAGS"), "a FETCH 4 FLAGS");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 3:* FLAGS"), "reduced a FETCH 2:4 FLAGS");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH *:6 FLAGS"), "a FETCH 4 FLAGS");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 9:* FLAGS"), "a FETCH 4 FLAGS");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 4294967295:* FLAGS"), "a FETCH 4 FLAGS");
  EXPECT_EQ(Rewrite(NumberMap(UidSet{{6, 6}}), "a FETCH * FLAGS"), "empty");
  EXPECT_EQ(Rewrite(NumberMap(UidSet{{1, 6}}), "a FETCH 1:* FLAGS"), "empty");
}

TEST(NumberMapTest, LeavesNumbersBeyondTheEndBeyondIt) {
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 7 FLAGS"), "a FETCH 5 FLAGS");  // the session has four
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 1:4294967295 FLAGS"), "reduced a FETCH 1:4294967293 FLAGS");
}

TEST(NumberMapTest, TellsWhenOnlySomeOfTheMessagesAreLeft) {
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 1,3 FLAGS"), "a FETCH 1,2 FLAGS");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 6,2,1:3 FLAGS"), "reduced a FETCH 4,1:2 FLAGS");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 2,5 FLAGS"), "empty");
}

// ---- Commands ----

TEST(NumberMapTest, RewritesCommandsBySetAndNothingElseOfThem) {
  EXPECT_EQ(Rewrite(TwoGone(), "A1 fetch 3 (BODY.PEEK[1.2.HEADER.FIELDS (A \"3 x\")]<0.3> FLAGS)"),
            "A1 fetch 2 (BODY.PEEK[1.2.HEADER.FIELDS (A \"3 x\")]<0.3> FLAGS)");
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 3 (FLAGS) (CHANGEDSINCE 3)"),
            "a FETCH 2 (FLAGS) (CHANGEDSINCE 3)");
  EXPECT_EQ(Rewrite(TwoGone(), "a STORE 4 +FLAGS.SILENT (\\Seen $3)"),
            "a STORE 3 +FLAGS.SILENT (\\Seen $3)");
  EXPECT_EQ(Rewrite(TwoGone(), "a STORE 4 FLAGS \\Seen x"), "a STORE 3 FLAGS \\Seen x");
  EXPECT_EQ(Rewrite(TwoGone(), "a STORE 4 (UNCHANGEDSINCE 3) -FLAGS ()"),
            "a STORE 3 (UNCHANGEDSINCE 3) -FLAGS ()");
  EXPECT_EQ(Rewrite(TwoGone(), "a COPY 3:4 \"to 3\""), "a COPY 2:3 \"to 3\"");
  EXPECT_EQ(Rewrite(TwoGone(), "a move 3 5"), "a move 2 5");
}

TEST(NumberMapTest, RewritesSearchKeys) {
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH 3 UNSEEN"), "a SEARCH 2 UNSEEN");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH UNSEEN"), "a SEARCH UNSEEN");
  EXPECT_EQ(Rewrite(TwoGone(), "a UID SEARCH UID 3 NOT 3"), "a UID SEARCH UID 3 NOT 2");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH OR (3 LARGER 3) (KEYWORD 3 SINCE 3-Mar-2003 1:*)"),
            "a SEARCH OR (2 LARGER 3) (KEYWORD 3 SINCE 3-Mar-2003 1:4)");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH RETURN (MIN PARTIAL 1:3 COUNT) CHARSET UTF-8 3 TEXT 3"),
            "a SEARCH RETURN (MIN PARTIAL 1:3 COUNT) CHARSET UTF-8 2 TEXT 3");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH HEADER 3 \"3 (3\" 3 MODSEQ 3"),
            "a SEARCH HEADER 3 \"3 (3\" 2 MODSEQ 3");
  EXPECT_EQ(Rewrite(TwoGone(), "a SORT (SUBJECT) US-ASCII 3"), "a SORT (SUBJECT) US-ASCII 2");
  EXPECT_EQ(Rewrite(TwoGone(), "a UID THREAD REFERENCES UTF-8 3:4 SEEN"),
            "a UID THREAD REFERENCES UTF-8 2:3 SEEN");
}

TEST(NumberMapTest, SearchesForNothingWhereASetIsEmpty) {
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH 2 UNSEEN"), "a SEARCH NOT ALL UNSEEN");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH OR 2 3"), "a SEARCH OR NOT ALL 2");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH OR 3 2"), "a SEARCH OR 2 NOT ALL");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH NOT 2"), "a SEARCH NOT NOT ALL");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH (2,5 (SEEN) 6)"), "a SEARCH (NOT ALL (SEEN) 4)");
  // What comes out is understood again.
  const std::string again = Rewrite(TwoGone(), "a SEARCH OR 2 NOT 5 (2)");
  EXPECT_EQ(again, "a SEARCH OR NOT ALL NOT NOT ALL (NOT ALL)");
  EXPECT_TRUE(AnalyzeSearch(ParseCommand(again + "\r\n")).whole);
}

TEST(NumberMapTest, RefusesWhatItDoesNotUnderstandWhole) {
  for (const char* command : {"a FETCH $ FLAGS",
                              "a FETCH 3",
                              "a FETCH 3 (FLAGS) (VANISHED)",
                              "a FETCH 3 (FLAGS) x",
                              "a FETCH 3 (FLAGS",
                              "a FETCH 0 FLAGS",
                              "a FETCH 3, FLAGS",
                              "a FETCH 3  FLAGS",
                              "a UID FETCH 3 FLAGS",
                              "a STORE 3 ANNOTATION (/c (v \"3\"))",
                              "a STORE 3 (X 3) FLAGS ()",
                              "a STORE 3 FLAGS",
                              "a STORE 3 FLAGS (\\Seen) 3",
                              "a COPY 3 a b",
                              "a COPY 3",
                              "a REPLACE 3 x {1+}\r\nx",
                              "a SEARCH FROB 3",
                              "a SEARCH RETURN (SAVE) 3",
                              "a SEARCH RETURN (UPDATE) 3",
                              "a SEARCH $ 3",
                              "a SEARCH (3",
                              "a SEARCH 3)",
                              "a SEARCH IN (mailboxes x) 3",
                              "a ESEARCH IN (selected) 3",
                              "a NOOP",
                              "a XFROB 3",
                              "a"}) {
    EXPECT_EQ(Rewrite(TwoGone(), command), "no") << command;
  }
}

TEST(NumberMapTest, CarriesLiteralsInAFormThatTheStoreTakes) {
  const char* command = "a SEARCH SUBJECT {5}\r\n3 \"x\" 3 FROM {1+}\r\n3";
  EXPECT_EQ(Rewrite(TwoGone(), command), "a SEARCH SUBJECT {5+}\r\n3 \"x\" 2 FROM {1+}\r\n3");
  EXPECT_EQ(Rewrite(TwoGone(), command, 6, LiteralsTaken::kNone),
            "a SEARCH SUBJECT \"3 \\\"x\\\"\" 2 FROM \"3\"");
  const std::string large = "a COPY 3 {5000}\r\n" + std::string(5000, 'x');
  EXPECT_EQ(Rewrite(TwoGone(), large, 6, LiteralsTaken::kSmall), "no");
  EXPECT_EQ(Rewrite(TwoGone(), large), "a COPY 2 {5000+}\r\n" + std::string(5000, 'x'));
  // No quoted string can hold a line end.
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH 3 BODY {3}\r\na\r\n", 6, LiteralsTaken::kNone), "no");
  EXPECT_EQ(Rewrite(TwoGone(), "a SEARCH 3 BODY ~{1}\r\na"), "no");
  // Where no string may begin, stores differ in whether they take it for a literal.
  EXPECT_EQ(Rewrite(TwoGone(), "a FETCH 3 BODY[x;{1}\r\na]"), "no");
  // A command that was cut off at a literal.
  std::string out;
  EXPECT_EQ(
      RewriteCommand(TwoGone(), ParseCommand("a COPY 3 {6}\r\n"), 6, LiteralsTaken::kAll, &out),
      Rewriting::kNotUnderstood);
}

TEST(NumberMapTest, NoPrefixOfACommandIsTakenForIt) {
  const std::string line = "a UID SEARCH RETURN (MIN) OR (3 4) NOT 2:* SUBJECT {3}\r\n3 3\r\n";
  std::string out;
  ASSERT_EQ(RewriteCommand(TwoGone(), ParseCommand(line), 6, LiteralsTaken::kAll, &out),
            Rewriting::kWhole);
  for (size_t size = 0; size < line.size(); ++size) {
    out.clear();
    EXPECT_EQ(
        RewriteCommand(TwoGone(), ParseCommand(line.substr(0, size)), 6, LiteralsTaken::kAll, &out),
        Rewriting::kNotUnderstood)
        << size;
  }
}

// ---- Responses ----

TEST(NumberMapTest, RewritesTheNumberThatAResponseBeginsWith) {
  EXPECT_EQ(Respond(TwoGone(), "* 2 FETCH (UID 2 BODY[2] \"2\")"),
            "* 3 FETCH (UID 2 BODY[2] \"2\")");
  EXPECT_EQ(Respond(TwoGone(), "* 4 FETCH (FLAGS ())", false), "* 6 FETCH (FLAGS ())");
  EXPECT_EQ(Respond(TwoGone(), "* 4 EXISTS"), "* 6 EXISTS");
  EXPECT_EQ(Respond(TwoGone(), "* 4 EXPUNGE"), "* 6 EXPUNGE");
  EXPECT_EQ(Respond(TwoGone(), "* 2 RECENT"), "* 2 RECENT");  // a count, and not of messages told
}

TEST(NumberMapTest, RewritesOnlyTheBeginningOfALargeFetch) {
  const NumberMap map = TwoGone();
  ResponseRewriter rewriter(map);
  std::string out;
  const std::string_view first = "* 2 FETCH (BODY[] {9}\r\n";
  rewriter.Begin(first, ParseResponse(first), true, &out);
  rewriter.More("* 2 FETCH", &out);
  rewriter.More(" UID 2)\r\n", &out);
  EXPECT_EQ(out, "* 3 FETCH (BODY[] {9}\r\n* 2 FETCH UID 2)\r\n");
}

TEST(NumberMapTest, RewritesListsCutAnywhere) {
  struct Case {
    const char* session;
    const char* client;
  };
  for (const Case& c : {
           Case{"* SEARCH 1 2 4 3 (MODSEQ 2)", "* SEARCH 1 3 6 4 (MODSEQ 2)"},
           Case{"* SEARCH", "* SEARCH"},
           Case{"* SEARCH 2", "* SEARCH 3"},
           Case{"* SORT 4 3 2 1", "* SORT 6 4 3 1"},
           Case{"* SORT 4 (MODSEQ 44)", "* SORT 6 (MODSEQ 44)"},
           Case{"* THREAD (2)(3 1 (4 2)((1)(3)))", "* THREAD (3)(4 1 (6 3)((1)(4)))"},
           Case{"* ESEARCH (TAG \"a 2\") ALL 1:4 COUNT 4",
                "* ESEARCH (TAG \"a 2\") ALL 1,3:4,6 COUNT 4"},
           Case{"* ESEARCH (TAG \"a\") MIN 2 MAX 4 COUNT 3 MODSEQ 4",
                "* ESEARCH (TAG \"a\") MIN 3 MAX 6 COUNT 3 MODSEQ 4"},
           Case{"* ESEARCH (TAG \"a\") PARTIAL (1:4 2,4) ALL 3",
                "* ESEARCH (TAG \"a\") PARTIAL (1:4 3,6) ALL 4"},
           Case{"* ESEARCH (TAG \"a\") PARTIAL (-1:-4 NIL) min 4",
                "* ESEARCH (TAG \"a\") PARTIAL (-1:-4 NIL) min 6"},
           Case{"* ESEARCH (TAG \"a\\\" UID 2\") RELEVANCY (4 2) ALL 4:2,1",
                "* ESEARCH (TAG \"a\\\" UID 2\") RELEVANCY (4 2) ALL 3:4,6,1"},
           Case{"* ESEARCH (TAG \"a\") UID ALL 1:4 MIN 2",
                "* ESEARCH (TAG \"a\") UID ALL 1:4 MIN 2"},
           Case{"* ESEARCH ALL 2", "* ESEARCH ALL 3"},
           Case{"* ESEARCH (TAG \"a\")", "* ESEARCH (TAG \"a\")"},
       }) {
    for (size_t step = 1; step < 30; ++step) {
      EXPECT_EQ(Respond(TwoGone(), c.session, true, step), c.client) << step;
    }
    EXPECT_EQ(Respond(TwoGone(), c.session, false), c.session);  // of UIDs
  }
}

TEST(NumberMapTest, RewritesTheMessagesThatAStoreDidNotChange) {
  EXPECT_EQ(Respond(TwoGone(), "a OK [MODIFIED 1:2,4] 2 of them"),
            "a OK [MODIFIED 1,3,6] 2 of them");
  EXPECT_EQ(Respond(TwoGone(), "a NO [MODIFIED 2] no"), "a NO [MODIFIED 3] no");
  EXPECT_EQ(Respond(TwoGone(), "a OK [MODIFIED 2] x", false), "a OK [MODIFIED 2] x");
  EXPECT_EQ(Respond(TwoGone(), "a OK [UIDNEXT 2] 2"), "a OK [UIDNEXT 2] 2");
}

TEST(NumberMapTest, PassesWhatHoldsNoNumbers) {
  for (const char* line : {"* VANISHED 2", "* STATUS x (MESSAGES 2)", "* FLAGS (a2)", "* 2 FROB 2",
                           "* LIST () \"/\" 2", "+ 2", "* BYE 2", "a BAD 2", "a OK [MODIFIED]2"}) {
    EXPECT_EQ(Respond(TwoGone(), line), line);
  }
}

TEST(NumberMapTest, PassesNumbersThatAreNone) {
  const std::string endless = "* SEARCH 99999999999 0 2 " + std::string(40, '1') + " 2";
  EXPECT_EQ(Respond(TwoGone(), endless), "* SEARCH 99999999999 0 3 " + std::string(40, '1') + " 2");
}

// A search done by a client with the old numbers, and by a session with the new: same messages.
TEST(NumberMapTest, ASearchFindsTheSameMessagesByEitherNumbers) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    const uint32_t count = 1 + static_cast<uint32_t>(random() % 30);
    UidSet gone;
    for (uint32_t n = 1; n <= count; ++n) {
      if (random() % 3 == 0) gone.Insert(n);
    }
    const NumberMap map(gone);
    std::string session = "* SEARCH", client = "* SEARCH";
    std::string all, none;
    UidSet found;
    for (uint32_t n = 1; n <= count; ++n) {
      if (gone.Contains(n) || random() % 2 == 0) continue;
      session += " " + std::to_string(map.ToSession(n));
      client += " " + std::to_string(n);
      all += (all.empty() ? "" : ",") + std::to_string(map.ToSession(n));
      found.Insert(n);
    }
    EXPECT_EQ(Respond(map, session, true, 1 + random() % 9), client);
    if (all.empty()) continue;
    const std::string answer = Respond(map, "* ESEARCH (TAG \"x\") ALL " + all);
    UidSet told;
    EXPECT_EQ(ParseUidSet(std::string_view(answer).substr(answer.rfind(' ') + 1), &told),
              SetParse::kOk);
    EXPECT_EQ(told, found);
  }
}

}  // namespace
}  // namespace roost
