#include "tools/ctl/trace.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(TraceLine, IsReadByPeople) {
  EXPECT_EQ(TraceLine(R"({"time": "T", "event": "parked", "session": "abc", "mailbox": "My mail", )"
                      R"("messages": 3, "drives": true, "reason": ""})"),
            R"(T parked session=abc mailbox="My mail" messages=3 drives=yes reason="")");
}

TEST(TraceLine, MovesNoCursor) {
  EXPECT_EQ(TraceLine("{\"event\": \"told\", \"mailbox\": \"\\u001b[2J\"}"), "told mailbox=?[2J");
  EXPECT_EQ(TraceLine("nonsense \x1b[2J"), "nonsense ?[2J");
}

}  // namespace
}  // namespace roost
