// What becomes of clients when the store refuses, for good, what they logged in with.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/client/clients.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr std::string_view kRefusal = "NO [AUTHENTICATIONFAILED] who are you";
constexpr std::string_view kBye = "* BYE [UNAVAILABLE] The mail store no longer accepts this login";

class RefusedLoginTest : public ::testing::Test {
 protected:
  void Refuse() { world_.RefuseLogins(std::string(kRefusal)); }
  void SpreadByes(int seconds) { world_.config().timeouts.bye_spread_s = seconds; }
  void ByProxy() {
    StoreConfig& store = world_.config().stores[0];
    store.login = StoreConfig::Login::kProxyAuthzid;
    store.master_user = "roost";
    store.master_password = "m";
  }
  // Parked in IDLE with nothing selected.
  size_t ParkUnselected() {
    const size_t client = world_.LogIn();
    world_.StartIdle(client);
    world_.Pass(0.1);
    return client;
  }
  // Out of IDLE, it wants something that takes a session.
  void Wake(size_t client, std::string_view tag = "w") {
    world_.EndIdle(client);
    world_.Say(client, std::string(tag) + " LIST \"\" %");
  }

  // From here on the store refuses the login; this client finds out.
  void RefusedAtWake(size_t client) {
    Refuse();
    Wake(client);
    EXPECT_EQ(world_.Hear(client), kBye);
  }

  ScriptedWorld world_;
};

TEST_F(RefusedLoginTest, EndsAllWhoHoldItAfterOneTry) {
  const size_t subscriber = world_.LogInAndPark({1, 2});
  const size_t first = ParkUnselected();
  const size_t second = ParkUnselected();
  EXPECT_EQ(world_.figures().parked, 3u);
  Refuse();
  Wake(first);
  for (size_t client : {first, second, subscriber}) EXPECT_EQ(world_.Hear(client), kBye);
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Cut(0);
  world_.Pass(60);
  EXPECT_EQ(world_.logins_refused(), 1u);
  EXPECT_EQ(world_.figures().clients, 0u);
  EXPECT_EQ(world_.figures().users, 0u);
  EXPECT_EQ(world_.sessions_open(), 0u);
}

TEST_F(RefusedLoginTest, EndsThoseWithNothingSelectedWhenAFeedFindsOut) {
  const size_t subscriber = world_.LogInAndPark({1, 2});
  const size_t unselected = ParkUnselected();
  Refuse();
  world_.Cut(0);
  EXPECT_EQ(world_.Hear(subscriber), kBye);
  EXPECT_EQ(world_.Hear(unselected), kBye);
  world_.Pass(60);
  EXPECT_EQ(world_.logins_refused(), 1u);
}

TEST_F(RefusedLoginTest, IsToldOneByOne) {
  SpreadByes(60);
  std::vector<size_t> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(ParkUnselected());
  Refuse();
  Wake(clients[0]);
  EXPECT_EQ(world_.Hear(clients[0]), kBye);  // it waits for an answer
  world_.Pass(1);
  EXPECT_GE(world_.figures().parked, 8u);
  world_.Pass(29);
  EXPECT_GE(world_.figures().parked, 1u);
  EXPECT_LE(world_.figures().parked, 10u);
  world_.Pass(31);
  EXPECT_EQ(world_.figures().clients, 0u);
  for (size_t i = 1; i < clients.size(); ++i) EXPECT_EQ(world_.Hear(clients[i]), kBye);
  EXPECT_EQ(world_.logins_refused(), 1u);
}

TEST_F(RefusedLoginTest, IsToldWhoeverSpeaksBeforeItsTurn) {
  SpreadByes(600);
  const size_t first = ParkUnselected();
  const size_t second = ParkUnselected();
  RefusedAtWake(first);
  world_.Say(second, "DONE");
  EXPECT_EQ(world_.Hear(second), kBye);
  EXPECT_EQ(world_.logins_refused(), 1u);
}

// Each of them would have been a guess more at the store, which may lock the account for it.
TEST_F(RefusedLoginTest, IsNotTriedForThoseWhoWaitInLine) {
  world_.config().stores[0].max_logins_in_progress = 1;
  std::vector<size_t> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(ParkUnselected());
  world_.HoldLogins(true);
  for (size_t client : clients) Wake(client);
  world_.Pass(1);
  EXPECT_EQ(world_.figures().sessions.waiting, 2u);
  Refuse();
  world_.HoldLogins(false);
  for (size_t client : clients) EXPECT_EQ(world_.Hear(client), kBye);
  world_.Pass(20);
  EXPECT_EQ(world_.logins_refused(), 1u);
}

TEST_F(RefusedLoginTest, KeepsNoSessionForLater) {
  world_.config().parking.pool_keep_s = 600;
  world_.config().parking.pool_per_user = 1;
  ScriptedWorld& world = world_;
  const size_t first = world.LogInAndSelect({.uids = {1, 2}});
  world.Enable(first, 0, "CONDSTORE");  // so that the one kept does not serve it
  world.ParkFirst(first, 0, {1, 2});
  const size_t second = ParkUnselected();
  EXPECT_EQ(world.sessions_open(), 2u);
  Refuse();
  SpreadByes(600);
  world.Cut(0);
  world.Pass(5);
  EXPECT_EQ(world.logins_refused(), 1u);
  EXPECT_EQ(world.sessions_open(), 0u);
  EXPECT_FALSE(world.closed(second));
}

TEST_F(RefusedLoginTest, SparesHoldersOfAnotherPassword) {
  const size_t first = ParkUnselected();
  const size_t other = world_.Connect();
  world_.Say(other, "l LOGIN ann for-this-device");
  world_.HearsBeginning(other, "l OK");
  world_.StartIdle(other);
  world_.Pass(0.1);
  RefusedAtWake(first);
  world_.HearsNothing(other, 60);
  world_.RefuseLogins("");
  Wake(other);
  world_.Answer(2, "LIST \"\" %");
}

TEST_F(RefusedLoginTest, SparesTheRestWhenTheStoreTakesTheSameAgain) {
  SpreadByes(600);
  const size_t first = ParkUnselected();
  const size_t second = ParkUnselected();
  RefusedAtWake(first);
  world_.RefuseLogins("");
  world_.LogIn();
  world_.HearsNothing(second, 700);
  Wake(second);
  world_.AwaitSession(3);
  EXPECT_EQ(world_.NextAsked(3), "w LIST \"\" %");
}

TEST_F(RefusedLoginTest, LetsACommandUnderWayComeToItsEnd) {
  const size_t parked = ParkUnselected();
  const size_t busy = world_.LogIn();
  world_.Say(busy, "c LIST \"\" *");
  EXPECT_EQ(world_.NextAsked(1), "c LIST \"\" *");
  RefusedAtWake(parked);
  world_.HearsNothing(busy, 10);
  world_.Tell(1, "c OK done");
  EXPECT_EQ(world_.Hear(busy), "c OK done");
  EXPECT_EQ(world_.Hear(busy), kBye);
}

TEST_F(RefusedLoginTest, EndsAClientThatIdlesOnItsOwnSession) {
  const size_t parked = ParkUnselected();
  const size_t pinned = world_.LogIn();
  world_.Say(pinned, "g GETQUOTAROOT INBOX");
  EXPECT_EQ(world_.NextAsked(1), "g GETQUOTAROOT INBOX");
  world_.Tell(1, "g OK done");
  EXPECT_EQ(world_.Hear(pinned), "g OK done");
  world_.Say(pinned, "x XSTRANGE");
  EXPECT_EQ(world_.NextAsked(1), "x XSTRANGE");
  world_.Tell(1, "x OK done");
  EXPECT_EQ(world_.Hear(pinned), "x OK done");
  world_.StartIdle(pinned);
  world_.Asked(1, "IDLE");
  world_.Tell(1, "+ idling");
  RefusedAtWake(parked);
  EXPECT_EQ(world_.Hear(pinned), kBye);
}

// It owes nobody a session any more, and gets no feed to wait on.
TEST_F(RefusedLoginTest, DoesNotParkWhoeverHoldsIt) {
  SpreadByes(600);
  const size_t parked = ParkUnselected();
  const size_t attached = world_.LogIn();
  RefusedAtWake(parked);
  world_.StartIdle(attached);
  world_.Asked(1, "IDLE");
  world_.Tell(1, "+ idling");
  world_.Pass(1);
  EXPECT_EQ(world_.figures().parked, 0u);
  world_.Pass(600);
  EXPECT_EQ(world_.Hear(attached), kBye);
}

// ---- A master's ----

TEST_F(RefusedLoginTest, OfAMasterEndsWhoeverNeedsItNowAndNobodyElse) {
  ByProxy();
  world_.LogInAndPark({1, 2});
  const size_t first = world_.LogInAndJoin({1, 2});
  const size_t second = world_.LogInAndJoin({1, 2});
  RefusedAtWake(first);
  world_.HearsNothing(second, 60);
  world_.RefuseLogins("");  // the operator has mended it
  Wake(second);
  world_.AnswerSelect(3, "SELECT INBOX", {.uids = {1, 2}});
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.NextAsked(3), "w LIST \"\" %");
}

TEST_F(RefusedLoginTest, OfAMasterEndsAFeedWithoutSessionAndNobodyElse) {
  ByProxy();
  const size_t subscriber = world_.LogInAndPark({1, 2});
  const size_t elsewhere = world_.LogIn();
  world_.Say(elsewhere, "s SELECT Sent");
  world_.AnswerSelect(1, "SELECT Sent", {.uids = {1, 2}});
  world_.HearUntil(elsewhere, "s");
  world_.ParkFirst(elsewhere, 1, {1, 2});
  Refuse();
  world_.Cut(0);
  EXPECT_EQ(world_.Hear(subscriber), kBye);
  world_.HearsNothing(elsewhere, 60);
  EXPECT_EQ(world_.logins_refused(), 1u);
}

}  // namespace
}  // namespace roost
