// What those who follow a user are told of its clients.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/trace.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Lines = std::vector<std::string>;

class FollowingTest : public ::testing::Test {
 protected:
  FollowingTest() { world_.shard().trace().Add(follower_); }

  // Events since the last call, each with what stands behind `key`, if it has that.
  Lines Events(const std::string& key) {
    Lines events;
    uint64_t left_out = 0;
    for (const std::string& line : follower_->Take(0, &left_out)) {
      const std::string value = ValueIn(line, key);
      events.push_back(ValueIn(line, "event") + (value.empty() ? "" : " " + value));
    }
    EXPECT_EQ(left_out, 0u);
    return events;
  }
  static std::string ValueIn(const std::string& line, const std::string& key) {
    const std::string name = "\"" + key + "\": ";
    const size_t at = line.find(name);
    if (at == line.npos) return {};
    const size_t begin = at + name.size() + (line[at + name.size()] == '"' ? 1 : 0);
    return line.substr(begin, line.find_first_of(",}\"", begin) - begin);
  }

  std::shared_ptr<TraceFollower> follower_ =
      std::make_shared<TraceFollower>("ann", Dialer::HashOf("ann"));
  ScriptedWorld world_;
};

TEST_F(FollowingTest, TellsTheLifeOfAClient) {
  const size_t client = world_.LogInAndPark({1, 2});
  EXPECT_EQ(Events("mailbox"),
            (Lines{"session_opening", "login", "selected INBOX", "parked INBOX"}));
  world_.Tell(0, "* 3 EXISTS");
  world_.Pass(0.1);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client), "* 1 EXPUNGE");
  world_.Pass(0.1);
  EXPECT_EQ(Events("events"), (Lines{"told 1"}));
  EXPECT_EQ(world_.Kick("ann"), 1u);
  world_.Pass(30);
  EXPECT_EQ(Events("text"), (Lines{"bye [UNAVAILABLE] Disconnected by the administrator",
                                   "disconnected", "session_closed"}));
}

TEST_F(FollowingTest, TellsWhyAClientWasRefused) {
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  const size_t client = world_.Connect();
  world_.Say(client, "a LOGIN ann wrong");
  world_.HearsBeginning(client, "a NO");
  EXPECT_EQ(Events("result"), (Lines{"session_opening", "session_closed", "login_failed refused"}));
}

TEST_F(FollowingTest, TellsWhatWokeAClientOrCouldNot) {
  const size_t client = world_.LogIn();
  world_.StartIdle(client);
  world_.EndIdle(client);
  world_.Pass(10);
  Events("");
  world_.Say(client, "l LIST \"\" %");
  world_.AwaitSession(1);
  EXPECT_EQ(world_.NextAsked(1), "l LIST \"\" %");
  EXPECT_EQ(Events("command"), (Lines{"session_opening", "woken LIST"}));
  world_.Tell(1, "l OK done");
  world_.HearsBeginning(client, "l OK");
  world_.StartIdle(client);
  world_.EndIdle(client);
  world_.Pass(10);
  Events("");
  world_.RefuseLogins("NO [UNAVAILABLE] later");
  world_.Say(client, "s STATUS INBOX (MESSAGES)");
  world_.HearsBeginning(client, "s NO");
  const Lines events = Events("command");
  EXPECT_EQ(events.front(), "session_opening");
  EXPECT_NE(std::find(events.begin(), events.end(), "refused STATUS"), events.end());
}

// What it was: that it idles so, and nothing of why.
TEST_F(FollowingTest, TellsWhatKeepsAClientOnItsSession) {
  const size_t client = world_.LogInAndSelect({.uids = {1, 2}});
  world_.config().parking.except_users = {"ann"};
  world_.TakeSwitches();
  Events("");
  world_.StartIdle(client);
  EXPECT_EQ(Events("reason"), (Lines{"idles_on_its_own_session switched_off"}));
}

TEST_F(FollowingTest, TellsWhichCommandBoundAClientToItsSession) {
  const size_t client = world_.LogInAndSelect({.uids = {1, 2}});
  Events("");
  for (const char* command : {"x SEARCH RETURN (SAVE) ALL", "x XSTRANGE"}) {
    world_.Say(client, command);
    EXPECT_EQ(world_.NextAsked(0), command);
    world_.Tell(0, "x OK whatever");
    EXPECT_EQ(world_.Hear(client), "x OK whatever");
  }
  EXPECT_EQ(Events("command"), (Lines{"pinned SEARCH"}));  // the first is enough
  world_.StartIdle(client);
  EXPECT_EQ(Events("reason"), (Lines{"idles_on_its_own_session pinned"}));
}

TEST_F(FollowingTest, TellsNothingOfOthers) {
  world_.LogInAndPark({1, 2}, "bob");
  world_.Kick("bob");
  world_.Pass(30);
  EXPECT_EQ(Events(""), Lines());
}

}  // namespace
}  // namespace roost
