#include "core/shard/store_drains.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/store/store_resolver.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr std::string_view kBye =
    "* BYE [UNAVAILABLE] The mail store is going down; please connect again";

class DrainedAddress : public ::testing::Test {
 protected:
  // A new session at the other address has this now, and drives.
  void Recovers(size_t session, const std::vector<uint32_t>& uids) {
    world_.AnswerEnable(session, "CONDSTORE");
    world_.AnswerSelect(session, "EXAMINE INBOX", {.uids = uids});
    world_.AnswerList(session, uids);
    if (!uids.empty()) world_.Answer(session, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
    world_.Asked(session, "IDLE");
    world_.Tell(session, "+ idling");
  }
  // Its IDLE is ended, and then it is.
  void IsLeft(size_t session, const std::string& idle) {
    EXPECT_EQ(world_.NextAsked(session), "DONE");
    world_.Tell(session, idle + " OK done");
  }
  uint64_t leaving() { return world_.figures().stores[0].leaving; }
  void OtherIsDown(bool down = true) {
    auto addresses = world_.shard().dialer(0).target().addresses;
    addresses[1].down = down;
    world_.shard().SetStoreAddresses({addresses});
  }

  ScriptedWorld world_;
};

TEST_F(DrainedAddress, KeepsItsParkedClientsAndTellsThemWhatDiffers) {
  const size_t client = world_.LogInAndSelect({.uids = {1, 2, 3}});
  const std::string idle = world_.ParkFirst(client, 0, {1, 2, 3});
  world_.DrainAddress(60);
  world_.Pass(54);                // everybody's turn has come
  world_.Tell(0, "* 1 EXPUNGE");  // the last that it says
  EXPECT_EQ(world_.Hear(client), "* 1 EXPUNGE");
  IsLeft(0, idle);
  Recovers(1, {3, 4});
  EXPECT_EQ(world_.Hear(client), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client), "* 2 EXISTS");
  EXPECT_EQ(world_.sessions_open(), 1u);
  world_.Pass(30);
  EXPECT_EQ(leaving(), 0u);
  EXPECT_FALSE(world_.closed(client));
  EXPECT_EQ(world_.sessions_seen(), 2u) << "once";
}

TEST_F(DrainedAddress, MovesAUserWithAllMailboxes) {
  const size_t client = world_.LogInAndSelect({.uids = {1}});
  const std::string idle = world_.ParkFirst(client, 0, {1});
  const size_t other = world_.LogInAndSelect({.uids = {7}}, "bob");
  const std::string others = world_.ParkFirst(other, 1, {7});
  world_.DrainAddress(2);
  world_.Pass(4);
  EXPECT_EQ(leaving(), 2u);
  IsLeft(0, idle);
  IsLeft(1, others);
  world_.AwaitSession(3);
  world_.Pass(1);
  EXPECT_EQ(leaving(), 0u);
}

// What it was: nobody, and whoever looked took it for emptied.
TEST_F(DrainedAddress, IsToBeLeftByAllUntilTheyWereLookedAt) {
  world_.LogIn();
  world_.DrainAddress(60);
  EXPECT_EQ(leaving(), 1u);
  world_.LogIn("bob");  // elsewhere
  const StoreDrainPlan again{DrainPlan::Make(world_.shard().now_ns(), 60, 0)};
  world_.shard().DrainStores({again});
  EXPECT_EQ(leaving(), 2u);
  world_.Pass(2);
  EXPECT_EQ(leaving(), 1u);
  world_.shard().DrainStores({again});  // as with every reload
  EXPECT_EQ(leaving(), 1u);
}

TEST_F(DrainedAddress, GetsNobodyNew) {
  world_.DrainAddress(60);
  const size_t client = world_.LogIn();  // nobody listens at the address before any more
  EXPECT_FALSE(world_.closed(client));
}

TEST_F(DrainedAddress, LetsClientsKeepTheirOwnSessionsForMostOfTheTime) {
  const size_t client = world_.LogIn();
  world_.DrainAddress(60);
  world_.Say(client, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  world_.Pass(52);
  EXPECT_EQ(leaving(), 1u);
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(client), "a OK done");
  world_.HearsNothing(client, 1);
  world_.Say(client, "b NOOP");
  EXPECT_EQ(world_.NextAsked(0), "b NOOP");
  world_.Pass(4);
  EXPECT_FALSE(world_.closed(client)) << "in the middle of a command";
  world_.Tell(0, "b OK done");
  EXPECT_EQ(world_.Hear(client), "b OK done");
  EXPECT_EQ(world_.Hear(client), kBye);
  EXPECT_EQ(world_.figures().client_stats.displaced, 1u);
}

TEST_F(DrainedAddress, WaitsForNobodyBehindTheEnd) {
  const size_t client = world_.LogIn();
  world_.DrainAddress(60);
  world_.Say(client, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  world_.Pass(62);
  EXPECT_EQ(world_.Hear(client), kBye);
}

TEST_F(DrainedAddress, IsLeftByNobodyWhileThereIsNowhereToGo) {
  const size_t client = world_.LogInAndSelect({.uids = {1}});
  const std::string idle = world_.ParkFirst(client, 0, {1});
  const size_t attached = world_.LogIn("bob");
  world_.DrainAddress(10);
  OtherIsDown();
  world_.Pass(100);
  world_.AsksNothing(0, 1);
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_EQ(leaving(), 2u);
  OtherIsDown(false);
  IsLeft(0, idle);
  Recovers(2, {1});
  EXPECT_EQ(world_.Hear(attached), kBye);
}

// What it was: those at the other address were cut off in the middle of their commands.
TEST_F(DrainedAddress, DrainsNobodyElseWhenItIsTheOnlyOneThatNamesLeadTo) {
  const size_t parked = world_.LogInAndSelect({.uids = {1}});
  const std::string idle = world_.ParkFirst(parked, 0, {1});
  world_.DrainAddress(60);
  world_.Pass(54);
  IsLeft(0, idle);
  Recovers(1, {1});
  const size_t attached = world_.LogIn("bob");
  world_.Say(attached, "a NOOP");
  EXPECT_EQ(world_.NextAsked(2), "a NOOP");
  world_.Pass(100);
  auto addresses = world_.shard().dialer(0).target().addresses;
  addresses[1].gone = true;
  world_.shard().SetStoreAddresses({addresses});
  world_.Pass(100);
  world_.Tell(2, "a OK done");
  EXPECT_EQ(world_.Hear(attached), "a OK done");
  world_.HearsNothing(attached, 100);
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_FALSE(world_.closed(parked));
  EXPECT_EQ(world_.figures().client_stats.displaced, 0u);
}

// What it was: they were refused, while those who were there stayed, and served.
TEST_F(DrainedAddress, TakesNewOnesWhileTheOtherDoesNotAnswer) {
  world_.DrainAddress(60);
  world_.ReturnStore();
  world_.LogIn("ann");  // before checks have found it out
  OtherIsDown();
  world_.LogIn("bob");
}

// What it was: a new session went where none of the user's was, and nobody answered.
TEST_F(DrainedAddress, IsWhereAClientWakesWhoseUserIsStillThereWhileTheOtherIsDown) {
  const size_t first = world_.LogInAndSelect({.uids = {1}});
  const size_t second = world_.LogInAndSelect({.uids = {1}});
  world_.DrainAddress(600);
  world_.Pass(565);  // its turn has come; sessions of clients are left for some seconds more
  world_.ReturnStore();
  OtherIsDown();
  world_.ParkFirst(first, 0, {1});
  world_.Join(second, 1, 0, {1});
  world_.EndIdle(second);
  world_.Say(second, "f FETCH 1 (FLAGS)");
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1}});
}

TEST_F(DrainedAddress, KeepsItsClientsAndTakesNewOnesWhenItIsTheOnlyOne) {
  const size_t parked = world_.LogInAndSelect({.uids = {1}});
  world_.ParkFirst(parked, 0, {1});
  const size_t attached = world_.LogIn("bob");
  world_.DrainStore(10, false);
  world_.LogIn("cid");
  world_.Pass(100);
  world_.AsksNothing(0, 1);
  EXPECT_FALSE(world_.closed(parked));
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_EQ(leaving(), 3u);
}

// What it was: nobody was left to leave, while a session was still there.
TEST_F(DrainedAddress, IsLeftByWhoeverIsThereThoughNamesLeadElsewhereByNow) {
  const size_t attached = world_.LogIn();
  world_.DrainAddress(60);
  auto addresses = world_.shard().dialer(0).target().addresses;
  StoreAddress third;
  ASSERT_TRUE(Address::Parse("127.0.0.4:143", &third.address));
  ASSERT_TRUE(Follow(&addresses, {addresses[1], third}));
  world_.shard().SetStoreAddresses({addresses});
  world_.Pass(52);
  EXPECT_EQ(leaving(), 1u);
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_EQ(world_.Hear(attached), kBye);
}

// Neither as long as names lead nowhere but to the drained one, nor when its place is another's.
TEST_F(DrainedAddress, IsNotWhereThoseAreWhoseAddressIsGone) {
  world_.DrainAddress(10);
  const size_t attached = world_.LogIn();
  world_.Say(attached, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  auto addresses = world_.shard().dialer(0).target().addresses;
  StoreAddress third;
  ASSERT_TRUE(Address::Parse("127.0.0.4:143", &third.address));
  ASSERT_TRUE(Follow(&addresses, {addresses[0], third}));
  ASSERT_EQ(addresses.size(), 2u);
  world_.shard().SetStoreAddresses({addresses});
  world_.Pass(100);
  EXPECT_EQ(leaving(), 0u);
  addresses[1].drained = true;
  world_.shard().SetStoreAddresses({addresses});
  world_.Pass(100);
  EXPECT_EQ(leaving(), 0u);
  world_.Tell(0, "a OK done");
  EXPECT_EQ(world_.Hear(attached), "a OK done");
  world_.HearsNothing(attached, 60);
  EXPECT_FALSE(world_.closed(attached));
}

// What it was: they stayed for as long as kept sessions do, since the user was elsewhere already.
TEST_F(DrainedAddress, HasItsKeptSessionsClosed) {
  world_.config().parking.pool_keep_s = 10'000;
  const size_t first = world_.LogInAndSelect({.uids = {1}});
  const std::string idle = world_.ParkFirst(first, 0, {1});
  const size_t second = world_.LogInAndSelect({.uids = {1}});
  world_.DrainAddress(600);
  for (int i = 0; i < 560 && world_.figures().feeds.moved == 0; ++i) world_.Pass(1);
  IsLeft(0, idle);
  Recovers(2, {1});
  auto addresses = world_.shard().dialer(0).target().addresses;
  addresses[0].drained = false;
  world_.shard().SetStoreAddresses({addresses});
  world_.shard().DrainStores({std::nullopt});
  world_.Join(second, 1, 2, {1});
  ASSERT_EQ(world_.sessions_open(), 2u) << "the second client's is kept";
  addresses[0].drained = true;
  world_.shard().SetStoreAddresses({addresses});
  world_.shard().DrainStores({StoreDrainPlan{DrainPlan::Make(world_.shard().now_ns(), 60, 0)}});
  world_.Pass(60);
  EXPECT_EQ(world_.sessions_open(), 1u);
  EXPECT_FALSE(world_.closed(second));
}

TEST_F(DrainedAddress, IsNotWhereAClientWakes) {
  const size_t client = world_.LogInAndSelect({.uids = {1}});
  const std::string idle = world_.ParkFirst(client, 0, {1});
  world_.DrainAddress(2);
  world_.Pass(4);
  IsLeft(0, idle);
  Recovers(1, {1});
  world_.EndIdle(client);
  world_.Say(client, "f FETCH 1 (FLAGS)");
  // Alone with its feed: the feed's session is not of its kind, so it has a new one.
  world_.AwaitSession(2);
  world_.AnswerSelect(2, "SELECT INBOX", {.uids = {1}});
}

class DrainedStore : public DrainedAddress {};

TEST_F(DrainedStore, TellsItsClientsGoodbyeEachBetweenTwoCommands) {
  const size_t parked = world_.LogInAndSelect({.uids = {1}});
  world_.ParkFirst(parked, 0, {1});
  const size_t attached = world_.LogIn("bob");
  world_.Say(attached, "a NOOP");
  EXPECT_EQ(world_.NextAsked(1), "a NOOP");
  world_.DrainStore(60);
  world_.Pass(55);
  EXPECT_EQ(world_.Hear(parked), kBye);
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_EQ(leaving(), 1u);
  world_.Tell(1, "a OK done");
  EXPECT_EQ(world_.Hear(attached), "a OK done");
  EXPECT_EQ(world_.Hear(attached), kBye);
  world_.Pass(2);
  EXPECT_EQ(leaving(), 0u);
  EXPECT_EQ(world_.figures().clients, 0u);
}

TEST_F(DrainedStore, WaitsForNobodyBehindTheEnd) {
  const size_t attached = world_.LogIn();
  world_.Say(attached, "a NOOP");
  EXPECT_EQ(world_.NextAsked(0), "a NOOP");
  world_.DrainStore(60);
  world_.Pass(62);
  EXPECT_EQ(world_.Hear(attached), kBye);
}

TEST_F(DrainedStore, TellsUserAfterUser) {
  std::vector<size_t> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(world_.LogIn("user" + std::to_string(i)));
  world_.DrainStore(100);
  uint32_t before = 100;
  for (int tenth = 1; tenth <= 9; ++tenth) {
    world_.Pass(10);
    const auto left = static_cast<uint32_t>(world_.figures().clients);
    EXPECT_LT(left, before);
    EXPECT_LE(before - left, 30u) << "of a hundred in a tenth of the time";
    before = left;
  }
  world_.Pass(2);
  EXPECT_EQ(world_.figures().clients, 0u);
}

TEST_F(DrainedStore, TakesNoLoginsUntilItIsWantedAgain) {
  world_.DrainStore(60);
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l NO [UNAVAILABLE]");
  EXPECT_EQ(world_.sessions_seen(), 0u);
  world_.UndrainStore();
  world_.Say(client, "m LOGIN ann secret");
  world_.HearsBeginning(client, "m OK");
}

TEST_F(DrainedStore, LetsThoseStayWhoseTurnHasNotComeWhenItIsWantedAgain) {
  const size_t client = world_.LogInAndSelect({.uids = {1}});
  world_.ParkFirst(client, 0, {1});
  world_.DrainStore(100'000);
  world_.Pass(0.5);
  world_.UndrainStore();
  world_.Pass(200'000);
  EXPECT_FALSE(world_.closed(client));
  world_.Tell(0, "* 0 EXISTS");
}

}  // namespace
}  // namespace roost
