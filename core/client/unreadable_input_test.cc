// Input that is no command, in each phase.
#include <string>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

class UnreadableInput : public ::testing::Test {
 protected:
  // Who says what cannot be read is sent away, and counted.
  void EndsWith(size_t client, const std::string& bye) {
    world_.SayRaw(client, std::string("a N\0OP\r\n", 8));
    EXPECT_EQ(world_.Hear(client), bye);
    world_.Pass(1);
    EXPECT_TRUE(world_.closed(client));
    const ShardFigures figures = world_.figures();
    EXPECT_EQ(figures.client_stats.limits[static_cast<size_t>(ClientLimit::kLine)], 1u);
  }
  void IsAnsweredWithoutATag(size_t client) {
    world_.Say(client, "(");
    world_.HearsBeginning(client, "* BAD ");
  }

  ScriptedWorld world_;
};

TEST_F(UnreadableInput, EndsAClientThatHasNotLoggedIn) {
  const size_t client = world_.Connect();
  IsAnsweredWithoutATag(client);
  EndsWith(client, "* BYE NUL in a command");
}

TEST_F(UnreadableInput, EndsAClientThatIsRelayed) {
  const size_t client = world_.LogIn();
  IsAnsweredWithoutATag(client);
  EndsWith(client, "* BYE [UNAVAILABLE] NUL in a command");
}

TEST_F(UnreadableInput, EndsAClientThatIsParked) {
  const size_t client = world_.LogInAndPark({1, 2});
  world_.EndIdle(client);
  IsAnsweredWithoutATag(client);
  EndsWith(client, "* BYE [UNAVAILABLE] NUL in a command");
}

}  // namespace
}  // namespace roost
