#include "tools/ctl/trace.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(TraceLine, IsReadByPeople) {
  EXPECT_EQ(TraceLine(R"({"time": "T", "event": "parked", "session": "abc", "mailbox": "My mail", )"
                      R"("messages": 3, "drives": true, "reason": ""})"),
            R"(T parked session=abc mailbox="My mail" messages=3 drives=yes reason="")");
}

constexpr std::string_view kFollowing =
    "{\"time\": \"T\", \"event\": \"following\", \"user\": \"ann\"}\n";
constexpr std::string_view kEnding = "{\"time\": \"T\", \"event\": \"ending\"}\n";

// Why it is over, once all of this has come; "ok: " where it is as it should be.
std::string EndOf(std::string_view answer, bool silent) {
  TraceAnswer trace(false);
  trace.Take(answer);
  std::string sentence;
  return trace.Ended(silent, &sentence) ? "ok: " + sentence : sentence;
}

TEST(TraceAnswer, IsPrintedByWholeLinesAsTheyCome) {
  for (const bool json : {false, true}) {
    TraceAnswer trace(json);
    std::string printed;
    for (const char c : std::string(kFollowing) + "\n\n" + std::string(kFollowing)) {
      printed += trace.Take({&c, 1});
    }
    const std::string line = json ? std::string(kFollowing) : "T following user=ann\n";
    EXPECT_EQ(printed, line + line);
  }
}

// What it was: nothing on standard error where nothing had come, and "roostd has ended" with status
// 0 where it was held up or had given up on its reader.
TEST(TraceAnswer, SaysWhyItIsOver) {
  EXPECT_EQ(EndOf("", false).substr(0, 49), "roostd closed the connection without an answer; r");
  EXPECT_EQ(EndOf("", true), "no answer within 10 seconds");
  EXPECT_EQ(EndOf("{\"error\": \"4 follow somebody already\"}\n", false),
            "4 follow somebody already");
  EXPECT_EQ(EndOf(kFollowing, true), "roostd says nothing any more; it is held up");
  EXPECT_EQ(EndOf(kFollowing, false).substr(0, 37), "roostd has closed the connection: it ");
  EXPECT_EQ(EndOf(std::string(kFollowing) + std::string(kEnding), false), "ok: roostd has ended");
}

TEST(TraceLine, MovesNoCursor) {
  EXPECT_EQ(TraceLine("{\"event\": \"told\", \"mailbox\": \"\\u001b[2J\"}"), "told mailbox=?[2J");
  EXPECT_EQ(TraceLine("nonsense \x1b[2J"), "nonsense ?[2J");
}

}  // namespace
}  // namespace roost
