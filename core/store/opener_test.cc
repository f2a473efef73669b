#include "core/store/opener.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

const std::vector<uint32_t> kUids = {1, 2};

// A client without a mailbox wakes while the only kept session has one selected. CLOSE, which any
// store knows, would expunge there.
void WakeUnselected(ScriptedWorld& world) {
  world.config().parking.pool_keep_s = 10;
  world.config().parking.pool_per_user = 1;
  world.LogInAndPark(kUids);
  world.LogInAndJoin(kUids);
  const size_t unselected = world.LogIn();
  world.StartIdle(unselected);
  EXPECT_NE(world.NextAsked(2).find(" LOGOUT"), std::string::npos);
  world.EndIdle(unselected);
  world.Say(unselected, "t STATUS INBOX (MESSAGES)");
}

TEST(Opener, UnselectsWhatAKeptSessionHasSelected) {
  ScriptedWorld world;
  WakeUnselected(world);
  world.Answer(1, "UNSELECT");
  EXPECT_EQ(world.NextAsked(1), "t STATUS INBOX (MESSAGES)");
  EXPECT_EQ(world.sessions_seen(), 3u);
}

TEST(Opener, OpensAnotherSessionWhereTheStoreHasNoUnselect) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH LITERAL+ SASL-IR AUTH=PLAIN");
  WakeUnselected(world);
  EXPECT_NE(world.NextAsked(1).find(" LOGOUT"), std::string::npos);
  EXPECT_EQ(world.NextAsked(3), "t STATUS INBOX (MESSAGES)");
}

TEST(Opener, ReplacesWhatWasSelectedByTheNextSelect) {
  ScriptedWorld world;
  world.config().parking.pool_keep_s = 10;
  world.LogInAndPark(kUids);
  const size_t joiner = world.LogInAndJoin(kUids);
  world.EndIdle(joiner);
  world.Say(joiner, "f FETCH 1 (FLAGS)");
  world.AnswerSelect(1, "SELECT INBOX", {.uids = kUids});  // and nothing before it
  world.AnswerFlush(0);
  EXPECT_EQ(world.NextAsked(1), "f FETCH 1 (FLAGS)");
}

}  // namespace
}  // namespace roost
