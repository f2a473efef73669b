#include "tools/ctl/answer.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

std::string Said(std::string_view command, std::string_view json, bool done = true) {
  std::string sentence;
  EXPECT_EQ(AnswerSentence(command, "ann", json, &sentence), done) << json;
  return sentence;
}

TEST(Answer, OfReloadSaysWhatWasReadAndWhatNeedsARestart) {
  EXPECT_EQ(
      Said("reload", "{\"reloaded\": true, \"needs_restart\": \"\", \"file\": \"/r.yaml\"}\n"),
      "read anew: /r.yaml and all files that it names");
  EXPECT_EQ(
      Said("reload", "{\"reloaded\": true, \"needs_restart\": \"a, b\", \"file\": \"/r.yaml\"}\n"),
      "read anew: /r.yaml and all files that it names; left as they were, they need a restart: "
      "a, b");
}

// What it was: ten seconds for all, and a reload that was taken had failed for systemd.
TEST(Answer, MayTakeMinutesWhereNamesAreResolved) {
  EXPECT_GE(AnswerSeconds("reload\n"), 300);
  EXPECT_GE(AnswerSeconds("store-drain 60 a\n"), 300);
  for (const char* request : {"status\n", "clients 1000\n", "drain 60\n", "kick reload\n"}) {
    EXPECT_EQ(AnswerSeconds(request), 10) << request;
  }
}

TEST(Answer, ThatDoesNotComeLeavesOpenWhetherAnOrderIsDone) {
  EXPECT_EQ(NoAnswer("status\n"), "no answer within 10 seconds");
  for (const char* request : {"reload\n", "drain\n", "kick ann\n", "store-undrain a\n"}) {
    EXPECT_TRUE(
        NoAnswer(request).ends_with("; roostd may do it all the same, and its log says so then"));
  }
}

TEST(Answer, OfDrainSaysUntilWhen) {
  EXPECT_EQ(Said("drain", "{\"draining\": true, \"over_s\": 15}\n"),
            "roostd is drained: all clients are told BYE within 15 s, then it ends");
}

TEST(Answer, OfAStoreSaysWhichAndWhatBecomesOfItsUsers) {
  EXPECT_EQ(Said("store drain", "{\"store\": \"m\", \"draining\": true, \"over_s\": 60}\n"),
            "store m is drained: its clients are told BYE within 60 s; roostctl backends shows how "
            "many are left");
  const auto one = [](std::string_view whole, std::string_view elsewhere) {
    return Said("store drain",
                "{\"store\": \"m\", \"address\": \"[::1]:143\", \"draining\": true, "
                "\"over_s\": 6, \"whole\": " +
                    std::string(whole) + ", \"elsewhere\": " + std::string(elsewhere) + "}");
  };
  EXPECT_EQ(one("false", "true"),
            "[::1]:143 of store m is drained: its users go elsewhere within 6 s; roostctl backends "
            "shows how many are left");
  EXPECT_EQ(one("false", "false"),
            "[::1]:143 of store m is drained, but no other address of the store takes users now: "
            "its own stay until one does; roostctl backends shows how many are left");
  EXPECT_EQ(one("true", "false"),
            "[::1]:143 of store m is drained, as all of the store is: its clients are told BYE "
            "within 6 s; roostctl backends shows how many are left");
}

TEST(Answer, OfAStoreThatIsWantedAgainSaysWhatOfItIsNot) {
  EXPECT_EQ(
      Said("store undrain", "{\"store\": \"m\", \"draining\": false, \"still_drained\": \"\"}"),
      "store m is drained no more: it takes users again");
  EXPECT_EQ(Said("store undrain",
                 "{\"store\": \"m\", \"address\": \"a:1\", \"draining\": false, "
                 "\"still_drained\": \"b:1 c:1\"}"),
            "a:1 of store m is drained no more: it takes users again; still drained: b:1 c:1");
}

TEST(Answer, OfKickCounts) {
  EXPECT_EQ(Said("kick", "{\"kicked\": 0}\n"), "there is no client of ann");
  EXPECT_EQ(Said("kick", "{\"kicked\": 1}\n"), "1 client of ann is told BYE");
  EXPECT_EQ(Said("kick", "{\"kicked\": 30}\n"), "30 clients of ann are told BYE");
}

TEST(Answer, ThatRefusesGivesTheReasonAlone) {
  EXPECT_EQ(Said("store drain", "{\"error\": \"there is no store x\"}\n", false),
            "there is no store x");
  EXPECT_EQ(Said("reload", "{\"error\": \"f:2: colour: is not a key\"}\n", false),
            "nothing was changed: f:2: colour: is not a key");
}

TEST(Answer, ThatIsOfAnotherKindIsNotTakenForDone) {
  for (const char* json : {"", "{", "{}", "[]", "{\"kicked\": 1}", "{\"reloaded\": true} {}"}) {
    EXPECT_EQ(Said("drain", json, false), "the answer is not one that this program understands");
  }
}

TEST(Answer, MovesNoCursor) {
  std::string sentence;
  ASSERT_TRUE(AnswerSentence("kick", "a\x1b[2J", "{\"kicked\": 1}", &sentence));
  EXPECT_EQ(sentence, "1 client of a?[2J is told BYE");
}

}  // namespace
}  // namespace roost
