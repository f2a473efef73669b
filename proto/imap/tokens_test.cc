#include "proto/imap/tokens.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

std::optional<std::string> Astring(std::string_view text) {
  TokenCursor cursor(text);
  StringToken token;
  if (!cursor.Astring(&token)) {
    EXPECT_EQ(cursor.position(), 0u);
    return std::nullopt;
  }
  return token.ToString();
}

TEST(TokenCursor, ReadsTheThreeFormsOfAString) {
  EXPECT_EQ(Astring("atom]x rest"), "atom]x");
  EXPECT_EQ(Astring("\"a \\\"b\\\\ c\" rest"), "a \"b\\ c");
  EXPECT_EQ(Astring("\"\""), "");
  EXPECT_EQ(Astring("{5}\r\nhel\"orest"), "hel\"o");
  EXPECT_EQ(Astring("{5+}\r\nhello"), "hello");
  EXPECT_EQ(Astring("~{2}\nab"), "ab");
  EXPECT_EQ(Astring("{0}\r\n"), "");
  for (std::string_view bad :
       {"", "\"open", "\"a\\", "\"a\r\nb\"", "(x)", "{5}\r\nhell", "{5}hello", "{}\r\n",
        "{99999999999999999999}\r\nx", "{4294967300}\r\nx", "*", "%"}) {
    EXPECT_EQ(Astring(bad), std::nullopt) << bad;
  }
}

TEST(TokenCursor, ReadsNumbersWithinTheirBounds) {
  uint32_t small = 0;
  uint64_t large = 0;
  EXPECT_TRUE(TokenCursor("4294967295").Number(&small));
  EXPECT_EQ(small, 4294967295u);
  EXPECT_FALSE(TokenCursor("4294967296").Number(&small));
  EXPECT_TRUE(TokenCursor("18446744073709551615").Number64(&large));
  EXPECT_EQ(large, 18446744073709551615u);
  EXPECT_FALSE(TokenCursor("18446744073709551616").Number64(&large));
  EXPECT_FALSE(TokenCursor("").Number(&small));
  EXPECT_FALSE(TokenCursor("-1").Number(&small));
  EXPECT_FALSE(TokenCursor("x1").Number(&small));
}

TEST(TokenCursor, ReadsFetchItemsWithTheirSections) {
  for (std::string_view item :
       {"FLAGS", "BODY[]", "BODY.PEEK[HEADER.FIELDS (FROM \"a ]\" B)]<0.100>", "BODY[1.2.MIME]",
        "BINARY[1]<5>", "BODY[HEADER.FIELDS ({3}\r\na]b)]"}) {
    std::string line = std::string(item) + " NEXT";
    TokenCursor cursor(line);
    std::string_view read;
    ASSERT_TRUE(cursor.FetchItem(&read)) << item;
    EXPECT_EQ(read, item);
    EXPECT_EQ(cursor.Rest(), " NEXT");
  }
  std::string_view read;
  EXPECT_FALSE(TokenCursor("BODY[HEADER").FetchItem(&read));
  EXPECT_FALSE(TokenCursor("BODY[\"x]").FetchItem(&read));
  EXPECT_FALSE(TokenCursor("(x)").FetchItem(&read));
}

TEST(TokenCursor, SkipsValuesOfAnyShape) {
  for (std::string_view value :
       {"NIL", "\"a)b\"", "()", "(())", "(a (b \"(\" {2}\r\n() c) \\Seen BODY[TEXT]<1>)",
        "((\"a\" NIL)(\"b\" NIL) \"mixed\")", "{3}\r\n)))", "12", "( a  b )", "(~{1}\r\nx)"}) {
    std::string line = std::string(value) + ") more";
    TokenCursor cursor(line);
    std::string_view raw;
    ASSERT_TRUE(cursor.Value(&raw)) << value;
    EXPECT_EQ(raw, value);
  }
  for (std::string_view bad : {"", ")", "(", "(a", "(\"a)", "(a {5}\r\nab)", "(a\r\n)"}) {
    TokenCursor cursor(bad);
    EXPECT_FALSE(cursor.Value()) << bad;
    EXPECT_EQ(cursor.position(), 0u);
  }
}

TEST(TokenCursor, BoundsTheDepthOfLists) {
  auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '(') +
           std::string(static_cast<size_t>(depth), ')');
  };
  std::string deep = nested(TokenCursor::kMaxDepth), deeper = nested(TokenCursor::kMaxDepth + 1);
  EXPECT_TRUE(TokenCursor(deep).Value());
  EXPECT_FALSE(TokenCursor(deeper).Value());
  std::string endless(1000000, '(');
  EXPECT_FALSE(TokenCursor(endless).Value());
}

TEST(TokenCursor, KeywordsIgnoreCaseAndAreWhole) {
  EXPECT_TRUE(TokenCursor("return (x)").Keyword("RETURN"));
  EXPECT_FALSE(TokenCursor("RETURNX").Keyword("RETURN"));
  EXPECT_FALSE(TokenCursor("RETUR").Keyword("RETURN"));
}

TEST(TokenCursor, ReadsFlags) {
  std::string_view flag;
  for (std::string_view text : {"\\Seen", "\\*", "$Forwarded", "NonJunk"}) {
    EXPECT_TRUE(TokenCursor(text).Flag(&flag));
    EXPECT_EQ(flag, text);
  }
  EXPECT_FALSE(TokenCursor("\\").Flag(&flag));
  EXPECT_FALSE(TokenCursor("*").Flag(&flag));
}

std::optional<std::vector<SequenceRange>> Ranges(std::string_view text) {
  SequenceSetReader reader(text);
  std::vector<SequenceRange> ranges;
  SequenceRange range;
  while (reader.Next(&range)) ranges.push_back(range);
  if (reader.malformed()) return std::nullopt;
  return ranges;
}

TEST(SequenceSetReader, OrdersRangesAndKnowsTheStar) {
  using R = SequenceRange;
  constexpr uint32_t kStar = SequenceRange::kStar;
  EXPECT_EQ(Ranges("1"), (std::vector<R>{{1, 1, false}}));
  EXPECT_EQ(Ranges("7:4,9"), (std::vector<R>{{4, 7, false}, {9, 9, false}}));
  EXPECT_EQ(Ranges("*"), (std::vector<R>{{kStar, kStar, true}}));
  EXPECT_EQ(Ranges("5:*"), (std::vector<R>{{5, kStar, true}}));
  EXPECT_EQ(Ranges("*:5"), (std::vector<R>{{5, kStar, true}}));
  EXPECT_EQ(Ranges("*:*"), (std::vector<R>{{kStar, kStar, true}}));
  EXPECT_EQ(Ranges("4294967295"), (std::vector<R>{{kStar, kStar, false}}));
  for (std::string_view bad : {"0", "1:0", "1,", ",1", "1:", ":1", "1::2", "1:2:3", "4294967296",
                               "a", "1,,2", "1 2", "1:*,", "**"}) {
    EXPECT_EQ(Ranges(bad), std::nullopt) << bad;
  }
}

TEST(TokenCursor, ReadsSequenceSets) {
  std::string_view set;
  bool saved = true;
  TokenCursor cursor("1:5,7 FLAGS");
  EXPECT_TRUE(cursor.SequenceSet(&set, &saved));
  EXPECT_EQ(set, "1:5,7");
  EXPECT_FALSE(saved);
  EXPECT_EQ(cursor.Rest(), " FLAGS");
  EXPECT_TRUE(TokenCursor("$ x").SequenceSet(&set, &saved));
  EXPECT_TRUE(saved);
  EXPECT_FALSE(TokenCursor("$").SequenceSet(&set)) << "where no saved result is allowed";
  EXPECT_FALSE(TokenCursor("1,,2").SequenceSet(&set));
}

TEST(Mailbox, OnlyInboxIgnoresCase) {
  const auto name_of = [](std::string_view text) {
    std::string name;
    EXPECT_TRUE(TokenCursor(text).Mailbox(&name)) << text;
    return name;
  };
  EXPECT_EQ(name_of("iNbOx"), "INBOX");
  EXPECT_EQ(name_of("\"in\\box\" x"), "INBOX");
  EXPECT_EQ(name_of("inbox/Sub"), "inbox/Sub");
  EXPECT_EQ(name_of("Work"), "Work");
}

TEST(TokenCursor, KnowsTheLinesEnd) {
  EXPECT_TRUE(TokenCursor("").AtEnd());
  EXPECT_TRUE(TokenCursor("\r\n").AtEnd());
  EXPECT_TRUE(TokenCursor("\n").AtEnd());
  EXPECT_FALSE(TokenCursor(" \r\n").AtEnd());
  EXPECT_FALSE(TokenCursor("\r\nx").AtEnd());
  EXPECT_EQ(WithoutLineEnd("a\r\n"), "a");
  EXPECT_EQ(WithoutLineEnd("a\n"), "a");
  EXPECT_EQ(WithoutLineEnd("a\r"), "a\r");
}

}  // namespace
}  // namespace roost
