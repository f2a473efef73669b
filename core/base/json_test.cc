#include "core/base/json.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

std::string Text(std::string_view text) {
  std::string out;
  AppendJsonText(text, &out);
  return out;
}

TEST(Json, WritesMembersInTheirOrder) {
  std::string out = "[";
  JsonObject o(&out);
  o.Number("n", UINT64_MAX);
  o.Text("t", "a");
  o.Bool("b", false);
  o.End();
  EXPECT_EQ(out, "[{\"n\": 18446744073709551615, \"t\": \"a\", \"b\": false}");
  out.clear();
  JsonObject(&out).End();
  EXPECT_EQ(out, "{}");
}

TEST(Json, EscapesWhatMustBe) {
  EXPECT_EQ(Text("a \"b\" c:\\d"), "\"a \\\"b\\\" c:\\\\d\"");
  EXPECT_EQ(Text(std::string_view("\0\x1b[2J\n\x7f", 7)), "\"\\u0000\\u001b[2J\\u000a\\u007f\"");
  EXPECT_EQ(Text("\xc2\x9b\xc2\xa0"), "\"\\u009b\xc2\xa0\"") << "terminals take it for ESC [";
}

TEST(Json, KeepsUtf8AndReplacesWhatIsNone) {
  for (const char* good : {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x93", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(Text(good), "\"" + std::string(good) + "\"");
  }
  EXPECT_EQ(Text("a\xff"), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(Text("\xc3"), "\"\xef\xbf\xbd\"") << "cut";
  EXPECT_EQ(Text("\xc3\"x"), "\"\xef\xbf\xbd\\\"x\"") << "hides no quote";
  for (const char* bad : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    EXPECT_EQ(Text(bad).find_first_not_of("\xef\xbf\xbd\""), std::string::npos) << bad;
  }
}

}  // namespace
}  // namespace roost
