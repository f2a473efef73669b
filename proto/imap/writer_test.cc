#include "proto/imap/writer.h"

#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "proto/imap/response.h"
#include "proto/imap/tokens.h"

namespace roost {
namespace {

using std::string_view_literals::operator""sv;

std::string Astring(std::string_view value, LiteralStyle style = LiteralStyle::kNonSync) {
  std::string out;
  EXPECT_TRUE(AppendAstring(&out, value, style));
  return out;
}

TEST(Writer, TakesTheSimplestForm) {
  EXPECT_EQ(Astring("INBOX"), "INBOX");
  EXPECT_EQ(Astring(""), "\"\"");
  EXPECT_EQ(Astring("nil"), "\"nil\"");
  EXPECT_EQ(Astring("a b"), "\"a b\"");
  EXPECT_EQ(Astring("a\"\\b"), "\"a\\\"\\\\b\"");
  EXPECT_EQ(Astring("a\r\nb"), "{4+}\r\na\r\nb");
  EXPECT_EQ(Astring("a\nb", LiteralStyle::kSync), "{3}\r\na\nb");
  EXPECT_EQ(Astring("\xc3\xa9"), "{2+}\r\n\xc3\xa9");
  EXPECT_EQ(AstringFormOf(std::string(1001, 'x')), StringForm::kLiteral);
  std::string out = "kept";
  EXPECT_TRUE(AppendString(&out, "INBOX", LiteralStyle::kSync));
  EXPECT_EQ(out, "kept\"INBOX\"");
}

TEST(Writer, NulCannotBeCarried) {
  std::string out = "kept";
  EXPECT_FALSE(AppendAstring(&out, "a\0b"sv, LiteralStyle::kSync));
  EXPECT_FALSE(AppendString(&out, "\0"sv, LiteralStyle::kSync));
  EXPECT_EQ(out, "kept");
}

TEST(Writer, WhatIsWrittenReadsBackTheSame) {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string value;
    for (int i = random() % 12; i > 0; --i) {
      value.push_back("ab\"\\ \r\n{}()%*]\x80\x7f\x01+~1"[random() % 20]);
    }
    TokenCursor cursor("");
    StringToken token;
    std::string written = Astring(value) + " next";
    cursor = TokenCursor(written);
    ASSERT_TRUE(cursor.Astring(&token)) << written;
    ASSERT_EQ(token.ToString(), value);
    ASSERT_EQ(cursor.Rest(), " next");
  }
}

TEST(Writer, TextIsMadeHarmless) {
  std::string out;
  AppendText(&out, "a\r\nb OK\0\x80"sv);
  EXPECT_EQ(out, "a??b OK??");
  out.clear();
  AppendText(&out, std::string(1000, 'x'), 10);
  EXPECT_EQ(out, std::string(10, 'x'));
}

TEST(Writer, Numbers) {
  std::string out;
  AppendNumber(&out, 0);
  AppendNumber(&out, 18446744073709551615u);
  EXPECT_EQ(out, "018446744073709551615");
}

TEST(Writer, UidSets) {
  EXPECT_EQ(FormatUidSet(UidSet{}), "");
  EXPECT_EQ(FormatUidSet(UidSet{{5, 5}}), "5");
  EXPECT_EQ(FormatUidSet(UidSet{{5, 6}, {8, 8}, {10, 4294967295}}), "5:6,8,10:4294967295");
}

TEST(Writer, LongUidSetsComeInParts) {
  UidSet set, read;
  for (uint32_t uid = 1; uid < 30000; uid += 3) set.InsertRange(uid, uid + uid % 2);
  uint32_t from = 1;
  int parts = 0;
  do {
    std::string part;
    from = AppendUidSetPart(&part, set, from, 1000);
    EXPECT_LE(part.size(), 1000u);
    EXPECT_EQ(ParseUidSet(part, &read), SetParse::kOk);
    ++parts;
  } while (from != 0);
  EXPECT_EQ(read, set);
  EXPECT_GT(parts, 50);
  std::string part;
  EXPECT_EQ(AppendUidSetPart(&part, set, 1, 0), 4u) << "one range at least";
  EXPECT_EQ(part, "1:2");
}

}  // namespace
}  // namespace roost
