#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/route/lookups.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};
constexpr std::string_view kBye =
    "* BYE [UNAVAILABLE] Your mailboxes are on another server now; please connect again";

// Where a test says. There is no store number 1: nobody may go there before it is told BYE.
class SaidRoutes final : public Router {
 public:
  using Say = std::function<std::optional<StoreIndex>(std::string_view user)>;
  // `around`: while some store is drained; by default the same.
  explicit SaidRoutes(Say say, Say around = {})
      : say_(std::move(say)), around_(around ? std::move(around) : say_) {}
  std::optional<StoreIndex> Route(std::string_view user) const override { return say_(user); }
  std::optional<StoreIndex> RouteAround(std::string_view user,
                                        const std::vector<bool>&) const override {
    return around_(user);
  }

 private:
  const Say say_, around_;
};

class ReroutedTest : public ::testing::Test {
 protected:
  void Route(SaidRoutes::Say say, SaidRoutes::Say around = {}) {
    world_.shard().SetRouter(std::make_shared<SaidRoutes>(std::move(say), std::move(around)));
  }
  static SaidRoutes::Say To(StoreIndex store) {
    return [store](std::string_view) { return store; };
  }
  // Everybody else stays.
  void Move(const std::string& moved) {
    Route([moved](std::string_view user) { return user == moved ? 1 : 0; });
  }
  void HearsBye(size_t client) { world_.HearsLast(client, kBye); }
  void Stays(size_t client) {
    world_.HearsNothing(client, 60);
    EXPECT_FALSE(world_.closed(client));
  }
  uint64_t rerouted() { return world_.figures().client_stats.rerouted; }

  ScriptedWorld world_;
};

TEST_F(ReroutedTest, ComeAgainParkedOrAttachedAndOthersHearNothing) {
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  const size_t attached = world_.LogIn("ann");
  const size_t other = world_.LogInAndPark(kUids, "bob");
  world_.Pass(1);
  EXPECT_EQ(world_.figures().asleep, 2u);
  Move("ann");
  HearsBye(parked);
  HearsBye(attached);
  EXPECT_EQ(rerouted(), 2u);
  Stays(other);
}

TEST_F(ReroutedTest, StayWhereTheRoutesLeadWhereTheyLed) {
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  world_.TakeRoute();  // another router, which says the same
  Route([](std::string_view) { return 0; });
  world_.HearsNothing(parked, 60);
  EXPECT_EQ(rerouted(), 0u);
}

// What it was: any reload sent all clients of a store that was being drained away at once.
TEST_F(ReroutedTest, AreNotThoseWhoseStoreIsDrainedWhateverIsReloadedMeanwhile) {
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  const size_t attached = world_.LogIn("ann");
  world_.DrainStore(100'000);
  Route(To(0), To(1));
  Route(To(0), To(1));
  world_.HearsNothing(parked, 60);
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_EQ(rerouted(), 0u);
  Route(To(1));
  world_.HearsNothing(parked, 60);
  EXPECT_FALSE(world_.closed(attached)) << "the drain sends it, in its time";
  EXPECT_EQ(rerouted(), 0u);
}

// What it was: they stayed for good, and heard nothing of mail that went to their new store.
TEST_F(ReroutedTest, AreToldWhenTheirStoreIsWantedAgainIfTheirRouteChangedMeanwhile) {
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  const size_t attached = world_.LogIn("ann");
  const size_t other = world_.LogInAndPark(kUids, "bob");
  world_.DrainStore(100'000);
  Move("ann");
  world_.HearsNothing(parked, 60);
  world_.HearsNothing(attached, 1);
  world_.UndrainStore();
  HearsBye(parked);
  HearsBye(attached);
  EXPECT_EQ(rerouted(), 2u);
  Stays(other);
}

TEST_F(ReroutedTest, AreToldSoThoughTheyWereLoggingInAsTheirStoreWasDrained) {
  world_.HoldLogins(true);
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  world_.Pass(1);
  world_.DrainStore(100'000);
  Move("ann");
  world_.Pass(1);
  world_.HoldLogins(false);
  world_.HearsBeginning(client, "l OK");
  world_.HearsNothing(client, 60);
  world_.UndrainStore();
  HearsBye(client);
}

TEST_F(ReroutedTest, AreNotThoseWhoseRouteIsWhatItWasWhenTheirStoreIsWantedAgain) {
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  world_.DrainStore(100'000);
  Move("ann");
  world_.Pass(1);
  Move("nobody");
  world_.Pass(1);
  world_.UndrainStore();
  world_.HearsNothing(parked, 60);
  EXPECT_EQ(rerouted(), 0u);
}

// What it was: the first reload after a store was wanted again moved its users back.
TEST_F(ReroutedTest, AreNotThoseWhoWentRoundAStoreThatIsWantedAgain) {
  Route(To(1), To(0));
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  const size_t attached = world_.LogIn("ann");
  Route(To(1));
  world_.HearsNothing(parked, 60);
  EXPECT_FALSE(world_.closed(attached));
  EXPECT_EQ(rerouted(), 0u);
}

TEST_F(ReroutedTest, AreNotThoseWhoWereLoggingInWhenAStoreWasWantedAgain) {
  Route(To(1), To(0));
  world_.HoldLogins(true);
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  world_.Pass(1);
  Route(To(1));
  world_.HoldLogins(false);
  world_.HearsBeginning(client, "l OK");
  world_.HearsNothing(client, 60);
  EXPECT_EQ(rerouted(), 0u);
}

// A map that was cut short must not send everybody away.
TEST_F(ReroutedTest, AreNotThoseWhomTheRoutesDoNotKnowAnyMore) {
  const size_t parked = world_.LogInAndPark(kUids, "ann");
  Route([](std::string_view) { return std::nullopt; });
  world_.HearsNothing(parked, 60);
  EXPECT_EQ(rerouted(), 0u);
}

TEST_F(ReroutedTest, GoBetweenTwoCommands) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.Say(client, "f UID FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.NextAsked(0), "f UID FETCH 1 (FLAGS)");
  Move("ann");
  world_.HearsNothing(client, 5);
  world_.Tell(0, "* 1 FETCH (UID 1 FLAGS ())");
  EXPECT_EQ(world_.Hear(client), "* 1 FETCH (UID 1 FLAGS ())");
  world_.Tell(0, "f OK done");
  EXPECT_EQ(world_.Hear(client), "f OK done");
  HearsBye(client);
}

TEST_F(ReroutedTest, GoWhenTheyHaveLoggedInByAnOldRoute) {
  world_.HoldLogins(true);
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  world_.Pass(1);
  Move("ann");
  world_.Pass(1);
  EXPECT_EQ(rerouted(), 0u);
  world_.HoldLogins(false);
  world_.HearsBeginning(client, "l OK");
  HearsBye(client);
  EXPECT_EQ(rerouted(), 1u);
}

// A client that shares nothing, as one with a token, has a login and a session of its own.
TEST_F(ReroutedTest, AreThoseWithoutAUserAsWell) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH SASL-IR AUTH=PLAIN AUTH=XOAUTH2");
  const size_t client = world.Connect();
  world.Say(client, "l AUTHENTICATE XOAUTH2 " + ToBase64("user=ann\1auth=Bearer token\1\1"));
  world.HearsBeginning(client, "l OK");
  EXPECT_EQ(world.figures().users, 0u);
  world.shard().SetRouter(std::make_shared<SaidRoutes>([](std::string_view) { return 1; }));
  EXPECT_EQ(world.Hear(client), kBye);
}

TEST_F(ReroutedTest, AreToldSpreadOverTheTimeForGoodbyes) {
  world_.config().timeouts.bye_spread_s = 100;
  constexpr uint32_t kClients = 300;  // some slices
  std::vector<size_t> clients;
  for (uint32_t i = 0; i < kClients; ++i) clients.push_back(world_.LogIn());
  Route([](std::string_view) { return 1; });
  world_.Pass(0.1);
  EXPECT_EQ(rerouted(), kClients);  // all of them are known at once
  uint64_t before = kClients;
  for (int tenth = 0; tenth < 10; ++tenth) {
    world_.Pass(10);
    const uint64_t left = world_.figures().clients;
    EXPECT_NEAR(static_cast<double>(before - left), kClients / 10, kClients / 12);
    before = left;
  }
  world_.Pass(1);
  EXPECT_EQ(world_.figures().clients, 0u);
  for (const size_t client : clients) EXPECT_EQ(world_.Hear(client), kBye);
}

TEST_F(ReroutedTest, AreLookedForAnewWhenRoutesChangeMeanwhile) {
  std::vector<size_t> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(world_.LogIn(i < 150 ? "ann" : "bob"));
  Move("cid");
  Move("ann");
  world_.Pass(0.1);
  EXPECT_EQ(rerouted(), 150u);
  EXPECT_EQ(world_.figures().clients, 150u);
}

TEST_F(ReroutedTest, AreFoundThoughRoutesChangeAgainBeforeTheyAreLookedAt) {
  const size_t client = world_.LogIn("ann");
  Move("ann");
  Move("ann");
  HearsBye(client);
}

}  // namespace
}  // namespace roost
