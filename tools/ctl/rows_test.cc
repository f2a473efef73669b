#include "tools/ctl/rows.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

constexpr std::string_view kTwo =
    "{\"clients\": [\n"
    "{\"user\": \"ann\", \"owed\": 12, \"idling\": true, \"mailbox\": \"INBOX\"},\n"
    "{\"user\": \"j\xc3\xb6rg\", \"owed\": 0, \"idling\": false, \"mailbox\": \"a \\\"b\\\\\"}\n"
    "], \"end\": \"limit\"}\n";

TEST(Rows, AreATableWithNumbersToTheRight) {
  RowsAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseRowsAnswer(kTwo, "clients", &answer, &error)) << error;
  EXPECT_EQ(answer.end, "limit");
  EXPECT_EQ(RowsTable(answer),
            "user  owed  idling  mailbox\n"
            "ann     12  yes     INBOX\n"
            "j\xc3\xb6rg     0          a \"b\\\n");
}

TEST(Rows, WithoutAnyAreNothing) {
  RowsAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseRowsAnswer("{\"feeds\": [], \"end\": \"all\"}", "feeds", &answer, &error));
  EXPECT_EQ(RowsTable(answer), "");
}

// A user may name a mailbox as he likes.
TEST(Rows, DoNothingToATerminal) {
  RowsAnswer answer;
  std::string error;
  ASSERT_TRUE(
      ParseRowsAnswer("{\"feeds\": [{\"m\": \"\\u001b[2J\\u0007\\u007f\xc2\x9b"
                      "31m\\u000a\\u0085\"}], \"end\": \"all\"}",
                      "feeds", &answer, &error));
  EXPECT_EQ(RowsTable(answer), "m\n?[2J???31m??\n");
}

TEST(Rows, AnErrorIsHandedOn) {
  RowsAnswer answer;
  std::string error;
  EXPECT_FALSE(ParseRowsAnswer("{\"error\": \"not \\\"so\\\"\"}\n", "feeds", &answer, &error));
  EXPECT_EQ(error, "not \"so\"");
}

// What it was: --json gave status 0 for whatever had come, were it a single byte.
TEST(Rows, PassedOnUnreadAreJudgedByTheirEnd) {
  EXPECT_EQ(EndProblem(kTwo), "");
  EXPECT_EQ(EndProblem("{\"feeds\": [], \"end\": \"all\"}\n"), "");
  EXPECT_EQ(EndProblem(kTwo.substr(kTwo.size() - 30)), "");
  EXPECT_EQ(EndProblem("{\"feeds\": [], \"end\": \"failed\"}\n"), "not all shards have answered");
  EXPECT_EQ(EndProblem("{\"error\": \"not \\\"so\\\"\"}\n"), "not \"so\"");
  const std::string_view whole = kTwo.substr(0, kTwo.size() - 1);
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(EndProblem(whole.substr(0, n)).substr(0, 21), "the answer is cut off") << n;
  }
  // Cut in the name of a mailbox that looks like the end.
  EXPECT_NE(EndProblem("{\"feeds\": [\n{\"mailbox\": \"], \\\"end\\\": \\\"all\\\"}"), "");
}

TEST(Rows, OfAnotherKindOrCutAnywhereAreRefused) {
  RowsAnswer answer;
  std::string error;
  EXPECT_FALSE(ParseRowsAnswer(kTwo, "feeds", &answer, &error));
  const std::string_view whole = kTwo.substr(0, kTwo.size() - 1);
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(ParseRowsAnswer(whole.substr(0, n), "clients", &answer, &error)) << n;
    EXPECT_NE(error.find("not one that this program understands"), std::string::npos);
  }
  for (const char* bad : {"{\"feeds\": [{\"m\": \"\\x\"}], \"end\": \"all\"}",
                          "{\"feeds\": [{\"m\": \"\\u0100\"}], \"end\": \"all\"}",
                          "{\"feeds\": [{\"m\": null}], \"end\": \"all\"}"}) {
    EXPECT_FALSE(ParseRowsAnswer(bad, "feeds", &answer, &error)) << bad;
  }
}

}  // namespace
}  // namespace roost
