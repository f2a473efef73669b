#include "core/client/user_limit.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"
#include "proto/imap/sasl.h"

namespace roost {
namespace {

constexpr HashKey kKey{1, 2};
constexpr std::string_view kTooMany = "a NO [LIMIT] Too many connections of this user";

TEST(UserLimit, CountsNamesApartAndForgetsThoseThatHaveGone) {
  UserLimit limit;
  EXPECT_TRUE(limit.Enter(kKey, "ann", 2));
  EXPECT_TRUE(limit.Enter(kKey, "ann", 2));
  EXPECT_FALSE(limit.Enter(kKey, "ann", 2));
  EXPECT_TRUE(limit.Enter(kKey, "Ann", 2));
  EXPECT_FALSE(limit.Enter(kKey, "bob", 0));
  EXPECT_EQ(limit.names(), 2u);
  limit.Leave(kKey, "ann");
  EXPECT_TRUE(limit.Enter(kKey, "ann", 2));
  for (int i = 0; i < 2; ++i) limit.Leave(kKey, "ann");
  limit.Leave(kKey, "Ann");
  limit.Leave(kKey, "nobody");
  EXPECT_EQ(limit.names(), 0u);
}

class UserLimitTest : public ::testing::Test {
 protected:
  UserLimitTest() { world_.config().limits.max_clients_per_user = 2; }

  // A connection that logs in as ann; what it is answered.
  std::string Try() {
    const size_t client = world_.Connect();
    world_.Say(client, "a LOGIN ann secret");
    const std::string answer = world_.Hear(client);
    world_.Hang(client);
    return answer;
  }

  ScriptedWorld world_;
};

TEST_F(UserLimitTest, RefusesWhoIsOneTooManyUntilOneHasLeft) {
  const size_t attached = world_.LogIn();
  const size_t parked = world_.LogIn();
  world_.StartIdle(parked);
  world_.Pass(1);
  EXPECT_EQ(Try(), kTooMany);
  EXPECT_EQ(Try(), kTooMany);
  world_.LogIn("bob");
  EXPECT_EQ(world_.figures().client_stats.refused_by_user, 2u);
  EXPECT_EQ(world_.figures().client_stats.Logins(LoginResult::kNotAllowed), 2u);
  EXPECT_EQ(world_.figures().client_stats.Logins(LoginResult::kRefused), 0u);
  world_.Hang(parked);
  world_.Pass(0.1);
  world_.LogIn();
  EXPECT_EQ(Try(), kTooMany);
  world_.Hang(attached);
  world_.Pass(0.1);
  world_.LogIn();
}

// A token's name is a claim: whoever makes it has places of their own.
TEST(UserLimit, IsNotUsedUpByThoseWhoOnlySayTheyAreTheUser) {
  ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + " AUTH=XOAUTH2");
  world.config().limits.max_clients_per_user = 2;
  const auto answer_to = [&world](const std::string& token) {
    const size_t client = world.Connect();
    const std::string message =
        "user=ann\x01"
        "auth=Bearer " +
        token + "\x01\x01";
    world.Say(client, "a AUTHENTICATE XOAUTH2 " + Base64Encode(message));
    return std::pair(client, world.Hear(client).substr(0, 12));
  };
  const auto [first, taken] = answer_to("mallorys");
  EXPECT_EQ(taken, "a OK [CAPABI");
  EXPECT_EQ(answer_to("mallorys").second, "a OK [CAPABI");
  EXPECT_EQ(answer_to("mallorys").second, "a NO [LIMIT]");
  EXPECT_EQ(answer_to("anns").second, "a OK [CAPABI");
  for (int i = 0; i < 2; ++i) world.LogIn();
  world.Hang(first);
  world.Pass(0.1);
  EXPECT_EQ(answer_to("mallorys").second, "a OK [CAPABI");
}

TEST_F(UserLimitTest, LeavesNoSessionBehind) {
  world_.LogIn();
  world_.LogIn();
  Try();
  world_.Pass(1);
  EXPECT_EQ(world_.sessions_seen(), 3u);
  EXPECT_EQ(world_.sessions_open(), 2u);
}

TEST_F(UserLimitTest, IsToldToNobodyWithAWrongPassword) {
  world_.LogIn();
  world_.LogIn();
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  EXPECT_EQ(Try(), "a NO [AUTHENTICATIONFAILED] no");
  EXPECT_EQ(world_.figures().client_stats.refused_by_user, 0u);
}

TEST_F(UserLimitTest, LetsAnotherUserTakeTheConnection) {
  world_.LogIn();
  world_.LogIn();
  const size_t client = world_.Connect();
  world_.Say(client, "a LOGIN ann secret");
  EXPECT_EQ(world_.Hear(client), kTooMany);
  world_.Say(client, "b LOGIN bob secret");
  world_.HearsBeginning(client, "b OK");
}

TEST_F(UserLimitTest, CountsFromThenOnWhereThereWasNone) {
  world_.config().limits.max_clients_per_user = 0;
  std::vector<size_t> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(world_.LogIn());
  world_.config().limits.max_clients_per_user = 1;
  const size_t counted = world_.LogIn();
  EXPECT_EQ(Try(), kTooMany);
  for (const size_t client : clients) world_.Hang(client);  // were not counted
  world_.Pass(0.1);
  EXPECT_EQ(Try(), kTooMany);
  world_.Hang(counted);
  world_.Pass(0.1);
  world_.LogIn();
}

}  // namespace
}  // namespace roost
