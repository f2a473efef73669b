#include "core/base/trace.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

std::vector<std::string> Taken(TraceFollower& follower, uint64_t* left_out) {
  return follower.Take(0, left_out);
}

TEST(Trace, TellsOfOneUserAlone) {
  Trace trace;
  EXPECT_FALSE(trace.on());
  trace.Say("ann", "parked", {}, {});  // to nobody
  auto ann = std::make_shared<TraceFollower>("ann", 7);
  trace.Add(ann);
  EXPECT_TRUE(trace.on());
  trace.Say("ann", "parked", {1}, {{"mailbox", "INBOX"}, {"messages", 3u}});
  trace.Say("bob", "parked", {}, {});
  trace.Say(uint64_t{7}, "session_closed", {}, {});
  trace.Say(uint64_t{8}, "session_closed", {}, {});
  uint64_t left_out = 1;
  const auto lines = Taken(*ann, &left_out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(left_out, 0u);
  EXPECT_EQ(lines[0].substr(0, 10), "{\"time\": \"");
  EXPECT_EQ(lines[0].substr(lines[0].find(", \"event\"")),
            ", \"event\": \"parked\", \"session\": \"aaaaaaaaaaaab\", \"mailbox\": \"INBOX\", "
            "\"messages\": 3}");
  trace.Remove(*ann);
  EXPECT_FALSE(trace.on());
}

TEST(Trace, TellsEachWhoFollows) {
  Trace trace;
  const auto one = std::make_shared<TraceFollower>("ann", 7);
  const auto other = std::make_shared<TraceFollower>("ann", 7);
  trace.Add(one);
  trace.Add(other);
  trace.Say("ann", "parked", {}, {});
  trace.Remove(*one);
  trace.Say("ann", "woken", {}, {});
  uint64_t left_out = 0;
  EXPECT_EQ(Taken(*one, &left_out).size(), 1u);
  EXPECT_EQ(Taken(*other, &left_out).size(), 2u);
}

TEST(Trace, LeavesOutAndCountsWhatNobodyTakes) {
  Trace trace;
  const auto slow = std::make_shared<TraceFollower>("ann", 7);
  trace.Add(slow);
  for (size_t i = 0; i < TraceFollower::kMostLines + 5; ++i) trace.Say("ann", "told", {}, {});
  uint64_t left_out = 0;
  EXPECT_EQ(Taken(*slow, &left_out).size(), TraceFollower::kMostLines);
  EXPECT_EQ(left_out, 5u);
  trace.Say("ann", "told", {}, {});
  EXPECT_EQ(Taken(*slow, &left_out).size(), 1u);
  EXPECT_EQ(left_out, 0u);
}

}  // namespace
}  // namespace roost
