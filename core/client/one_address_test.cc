// A store with two addresses, which may lag behind each other: the sessions of a user are at one.
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_service.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

class OneAddress : public ::testing::Test {
 protected:
  // Ann has a client that is parked, and her feed's session is at the first address.
  OneAddress() {
    world_.config().stores[0].connect_timeout_s = 4;
    world_.TakeStores();
    world_.LogInAndPark({1});
  }
  // From now on somebody is at the first address, or at the other one.
  void OnlyTheFirstAnswers() {
    world_.ReturnStore();
    Know();
  }
  void OnlyTheOtherAnswers() {
    world_.MoveStore();
    Know();
  }
  void Know(bool first_is_down = false, bool other_is_drained = false) {
    std::vector<StoreAddress> both(2);
    EXPECT_TRUE(Address::Parse("127.0.0.2:143", &both[0].address));
    EXPECT_TRUE(Address::Parse("127.0.0.3:143", &both[1].address));
    both[0].down = first_is_down;
    both[1].drained = other_is_drained;
    world_.shard().SetStoreAddresses({both});
  }
  // New users go to the other address, for one session has found nobody at the first.
  void OneHasFailed() {
    OnlyTheOtherAnswers();
    world_.LogIn("bob");
    ASSERT_EQ(world_.shard().dialer(0).address(), 1u);
    OnlyTheFirstAnswers();
  }
  // Of those that were asked for since the last call.
  uint64_t sessions() {
    const uint64_t opened = world_.figures().stores[0].opened;
    return opened - std::exchange(before_, opened);
  }
  size_t Try() {
    const size_t client = world_.Connect();
    world_.Say(client, "l LOGIN ann secret");
    return client;
  }

  ScriptedWorld world_;
  uint64_t before_ = 0;
};

// What it was: one failure of anybody sent the next client of every user to the other.
TEST_F(OneAddress, IsWhereAnotherClientOfTheUserLogsIn) {
  OneHasFailed();
  sessions();
  world_.LogIn("ann");
  EXPECT_EQ(sessions(), 1u) << "nowhere else first";
}

TEST_F(OneAddress, IsWhereAnotherClientLogsInWhateverAServiceSays) {
  OneHasFailed();
  ScriptedService service(world_.network(), world_.runner(), 4, "127.0.0.4:80");
  service.AnswerFields({"Auth-Status: OK", "Auth-Server: 127.0.0.3", "Auth-Port: 143"});
  world_.config().route.kind = RouteConfig::Kind::kHttp;
  world_.config().lookup.servers = {{"127.0.0.4", 80}};
  world_.TakeRoute();
  sessions();
  world_.LogIn("ann");
  EXPECT_EQ(sessions(), 1u);
}

// What it was: one failure sent its next sessions to the other, while its feed was here.
TEST_F(OneAddress, IsWhereAClientWakesThoughOneSessionHasFailed) {
  const size_t client = world_.LogInAndJoin({1});
  OnlyTheOtherAnswers();
  world_.EndIdle(client);
  world_.Say(client, "f FETCH 1 (FLAGS)");
  world_.HearsBeginning(client, "f NO [UNAVAILABLE]");
  OnlyTheFirstAnswers();
  sessions();
  world_.Say(client, "g FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1}});
  EXPECT_EQ(sessions(), 1u);
}

// Nobody is refused for long: where nobody serves any more, sessions end or checks find it out.
TEST_F(OneAddress, IsLeftWhenItIsDown) {
  OnlyTheOtherAnswers();
  world_.HearsBeginning(Try(), "l NO [UNAVAILABLE]");
  Know(true);
  world_.HearsBeginning(Try(), "l OK");
}

TEST_F(OneAddress, IsLeftWhenItsSessionsAreLost) {
  OnlyTheOtherAnswers();
  world_.Cut(0);
  world_.HearsBeginning(Try(), "l OK");
}

// What it was: it was tried in place of the other again and again, without an end.
TEST_F(OneAddress, IsTriedOnceMoreWhereTheOtherIsDrained) {
  world_.config().stores[0].check_s = 0;
  world_.TakeStores();
  OnlyTheOtherAnswers();
  Know(false, true);
  sessions();
  world_.HearsBeginning(Try(), "l NO [UNAVAILABLE]");
  EXPECT_LE(sessions(), 2u);
}

// What it was: each address was tried, in vain, and new users went to another than before.
TEST(WithoutDescriptors, NoAddressIsToBlame) {
  IoLimits limits;
  limits.max_sockets = 40;  // of which the last two are not for clients
  ScriptedWorld world(ScriptedWorld::kCapabilities, 1, limits);
  std::vector<StoreAddress> both(2);
  ASSERT_TRUE(Address::Parse("127.0.0.2:143", &both[0].address));
  ASSERT_TRUE(Address::Parse("127.0.0.3:143", &both[1].address));
  world.shard().SetStoreAddresses({both});
  std::vector<size_t> clients;
  for (int i = 0; i < 38; ++i) clients.push_back(world.Connect());
  for (int i = 0; i < 2; ++i) {
    world.Say(clients[i], "l LOGIN ann secret");
    world.HearsBeginning(clients[i], "l OK");
  }
  const uint64_t before = world.figures().stores[0].opened;
  world.Say(clients[2], "l LOGIN bob secret");
  world.HearsBeginning(clients[2], "l NO [UNAVAILABLE]");
  EXPECT_EQ(world.figures().stores[0].opened - before, 1u);
  EXPECT_EQ(world.shard().dialer(0).address(), 0u);
}

}  // namespace
}  // namespace roost
