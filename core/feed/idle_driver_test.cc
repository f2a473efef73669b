#include "core/feed/idle_driver.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

// A client parked on INBOX with UIDs 1 to 3; session 0 drives.
class IdleDriverTest : public ::testing::Test {
 protected:
  IdleDriverTest() {
    client_ = world_.LogIn();
    world_.Select(client_, 0, {.uids = {1, 2, 3}});
    world_.ParkFirst(client_, 0, {1, 2, 3});
  }
  // DONE, `fetch` and IDLE, which come in one go. Returns the tag of `fetch`.
  std::string Asks(const std::string& fetch) {
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    const std::string tag = world_.Asked(0, fetch);
    world_.Asked(0, "IDLE");
    world_.Tell(0,
                "R" + std::to_string(ToNumber(std::string_view(tag).substr(1)) - 1) + " OK done");
    return tag;
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(IdleDriverTest, TellsANewMessageWhenItsUidIsKnown) {
  world_.Tell(0, "* 4 EXISTS");
  const std::string tag = Asks("UID FETCH 4:* (UID)");
  world_.HearsNothing(client_, 0.2);
  world_.Tell(0, "* 4 FETCH (UID 9)");
  world_.Tell(0, tag + " OK done");
  world_.Tell(0, "+ idling");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
}

TEST_F(IdleDriverTest, NeverTellsAMessageThatWasGoneBeforeItsUidWasKnown) {
  world_.Tell(0, "* 4 EXISTS");
  const std::string tag = Asks("UID FETCH 4:* (UID)");
  world_.Tell(0, "* 4 EXPUNGE");
  world_.Tell(0, tag + " OK done");
  world_.Tell(0, "+ idling");
  world_.HearsNothing(client_, 0.5);
}

TEST_F(IdleDriverTest, DropsTheLastMessageThatAStoreNamesBeyondTheEnd) {
  world_.Tell(0, "* 4 EXISTS");
  const std::string tag = Asks("UID FETCH 4:* (UID)");
  world_.Tell(0, "* 4 EXPUNGE");
  world_.Tell(0, "* 3 FETCH (UID 3)");  // `4:*` when 3 is the last
  world_.Tell(0, tag + " OK done");
  world_.Tell(0, "+ idling");
  world_.HearsNothing(client_, 0.5);
}

TEST_F(IdleDriverTest, GoesOnWhenTheStoreEndsIdleByItself) {
  world_.Tell(0, "R4 OK enough");
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
}

TEST_F(IdleDriverTest, SharesOneFlushAmongAllWhoAskAtOnce) {
  world_.Say(client_, "DONE");
  EXPECT_EQ(world_.Hear(client_), "i OK Idle completed.");
  world_.Pass(5);  // what was flushed is old by now
  world_.Say(client_, "n NOOP");
  world_.AnswerFlush(0, {"* 2 EXPUNGE"});
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  world_.HearsBeginning(client_, "n OK");
  world_.Say(client_, "m NOOP");  // within flush_max_age: from the log
  world_.HearsBeginning(client_, "m OK");
  world_.AsksNothing(0, 0.2);
}

TEST_F(IdleDriverTest, PassesNoPermanentFlagsOn) {
  world_.Tell(0, "* FLAGS (\\Seen \\Deleted $new)");
  world_.Tell(0, "* OK [PERMANENTFLAGS ()] by whoever opened it so");
  EXPECT_EQ(world_.Hear(client_), "* FLAGS (\\Seen \\Deleted $new)");
  world_.HearsNothing(client_, 0.5);
}

TEST_F(IdleDriverTest, IsLostWhenTheStoreContradictsItself) {
  world_.Tell(0, "* 9 EXPUNGE");
  world_.HearsNothing(client_, 0.5);
  world_.AwaitSession(1);  // another is looked for; the client stays
  EXPECT_FALSE(world_.closed(client_));
}

}  // namespace
}  // namespace roost
