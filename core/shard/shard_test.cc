#include "core/shard/shard.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};

uint64_t HitsOf(ScriptedWorld& world, ClientLimit limit) {
  return world.figures().client_stats.limits[static_cast<size_t>(limit)];
}

TEST(Shard, SaysGoodbyeToWhoComesWhenItIsFull) {
  ScriptedWorld world;
  world.config().limits.max_clients = 2;
  const size_t first = world.Connect();
  const size_t second = world.Connect();
  const size_t third = world.Dial();
  EXPECT_EQ(world.Hear(third), "* BYE [UNAVAILABLE] Too many connections");
  world.Pass(0.1);
  EXPECT_TRUE(world.closed(third));
  EXPECT_FALSE(world.closed(first));
  EXPECT_FALSE(world.closed(second));
  EXPECT_EQ(world.figures().client_stats.refused, 1u);
  EXPECT_EQ(world.figures().clients, 2u);
  world.Hang(first);
  world.Pass(0.1);
  world.Connect();  // and is greeted
}

// A pause comes too late for those that the kernel was asked for.
TEST(Shard, BeginsWithSoManyOfThoseWhoComeAtOnceAndLeavesNobodyOut) {
  ScriptedWorld world;
  Network trusted;
  ASSERT_TRUE(Network::Parse("0.0.0.0/0", &trusted));
  world.config().listeners[0].proxy_from = {trusted};  // whose header counts as a handshake
  world.config().limits.max_handshakes_in_progress = 3;
  std::vector<size_t> clients;
  clients.reserve(40);
  for (int i = 0; i < 40; ++i) clients.push_back(world.Dial());
  bool some_waited = false;
  for (uint64_t begun = 3; const size_t client : clients) {
    world.Pass(1);
    const ShardFigures figures = world.figures();
    EXPECT_EQ(figures.clients, std::min<uint64_t>(begun++, 40));
    some_waited |= figures.client_stats.accepted > figures.clients;
    world.SayRaw(client, "PROXY TCP4 203.0.113.8 192.0.2.1 40000 143\r\n");
    world.HearsBeginning(client, "* OK ");
  }
  EXPECT_TRUE(some_waited);  // for their turn, and not in the backlog
}

TEST(Shard, EndsThoseWhoseTurnHasNotComeWhenItStops) {
  ScriptedWorld world;
  Network trusted;
  ASSERT_TRUE(Network::Parse("0.0.0.0/0", &trusted));
  world.config().listeners[0].proxy_from = {trusted};
  world.config().limits.max_handshakes_in_progress = 1;
  std::vector<size_t> clients;
  clients.reserve(40);
  for (int i = 0; i < 40; ++i) clients.push_back(world.Dial());
  world.Pass(1);
  world.Stop("[UNAVAILABLE] Enough");
  world.Pass(3);
  for (const size_t client : clients) EXPECT_TRUE(world.closed(client));
  EXPECT_EQ(world.figures().clients, 0u);
}

TEST(Shard, LetsClientsOfOneUserWatchOnceAndNobodyElseWithThem) {
  ScriptedWorld world;
  const size_t ann = world.LogIn("ann");
  world.Select(ann, 0, {.uids = kUids});
  world.ParkFirst(ann, 0, kUids);
  std::vector<size_t> others;
  for (const char* name : {"Ann", "anna", "bob"}) {
    const size_t session = world.sessions_seen();
    others.push_back(world.LogIn(name));
    world.Select(others.back(), session, {.uids = kUids});
    world.ParkFirst(others.back(), session, kUids);
  }
  const size_t again = world.LogIn("ann");
  world.Select(again, 4, {.uids = kUids});
  world.Join(again, 4, 0, kUids);
  EXPECT_EQ(world.figures().users, 4u);
  EXPECT_EQ(world.figures().feeds.feeds, 4u);
  EXPECT_EQ(world.figures().parked, 5u);
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(ann), "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(again), "* 1 EXPUNGE");
  for (const size_t other : others) world.HearsNothing(other, 0.1);
}

TEST(Shard, FindsAStoreWhereItsNameLeadsNowAndKeepsTheSessionsItHas) {
  ScriptedWorld world;
  const size_t asleep = world.LogInAndPark(kUids);
  world.MoveStore();
  world.LogIn("bob");
  EXPECT_EQ(world.sessions_open(), 2u);
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(asleep), "* 1 EXPUNGE");
  world.LogIn("ann");  // who had been at the other address
  EXPECT_EQ(world.sessions_open(), 3u);
}

TEST(Shard, SaysGoodbyeToEverybodyWhenItStops) {
  ScriptedWorld world;
  const size_t asleep = world.LogIn();
  world.Select(asleep, 0, {.uids = kUids});
  world.ParkFirst(asleep, 0, kUids);
  const size_t attached = world.LogIn();
  world.Select(attached, 1, {.uids = kUids});
  const size_t waking = world.LogIn();
  world.Select(waking, 2, {.uids = kUids});
  world.Join(waking, 2, 0, kUids);
  world.Say(waking, "DONE");
  world.HearsBeginning(waking, "i OK");
  world.Say(waking, "f FETCH 1 (FLAGS)");
  world.AwaitSession(3);
  const size_t entering = world.Connect();
  EXPECT_EQ(world.figures().asleep, 1u);
  world.Stop("[UNAVAILABLE] Enough");
  for (const size_t client : {asleep, attached, waking, entering}) {
    EXPECT_EQ(world.Hear(client), "* BYE [UNAVAILABLE] Enough");
  }
  world.Pass(2);
  for (const size_t client : {asleep, attached, waking, entering}) {
    EXPECT_TRUE(world.closed(client));
  }
  EXPECT_EQ(world.figures().clients, 0u);
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
  EXPECT_EQ(world.figures().users, 0u);
  EXPECT_EQ(world.sessions_open(), 0u);
}

TEST(Shard, AcceptsNobodyOnceItHasStopped) {
  ScriptedWorld world;
  world.Stop("[UNAVAILABLE] Enough");
  world.Pass(0.1);
  const size_t late = world.Dial();
  world.HearsNothing(late, 1);
  EXPECT_TRUE(world.closed(late));
  EXPECT_EQ(world.figures().client_stats.accepted, 0u);
}

// What a client reads as the contents of a message must be its contents.
TEST(Shard, StopsWithoutAWordInTheMiddleOfALiteral) {
  ScriptedWorld world;
  const size_t client = world.LogIn();
  world.Select(client, 0, {.uids = kUids});
  world.Say(client, "f FETCH 1 (BODY.PEEK[])");
  EXPECT_EQ(world.NextAsked(0), "f FETCH 1 (BODY.PEEK[])");
  world.Tell(0, "* 1 FETCH (BODY[] {10}");
  world.Pass(0.1);
  world.Stop("[UNAVAILABLE] Enough");
  world.HearsNothing(client, 1);  // a goodbye would be the literal
  EXPECT_TRUE(world.closed(client));
}

// ---- Several shards ----

class ShardsTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kShards = 3;

  std::vector<uint64_t> ClientsOfEach() {
    std::vector<uint64_t> clients;
    for (uint32_t i = 0; i < kShards; ++i) clients.push_back(world_.figures(i).clients);
    return clients;
  }

  ScriptedWorld world_{ScriptedWorld::kCapabilities, kShards};
};

// Whichever they come to, and whichever they belong to.
TEST_F(ShardsTest, TakeSoManyClientsTogether) {
  world_.config().limits.max_clients = 7;
  std::vector<size_t> clients;
  for (int i = 0; i < 7; ++i) clients.push_back(world_.LogIn(world_.UserOf(1, i)));
  EXPECT_EQ(ClientsOfEach(), std::vector<uint64_t>({0, 7, 0}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(world_.Hear(world_.Dial()), "* BYE [UNAVAILABLE] Too many connections");
  }
  EXPECT_EQ(world_.common().clients.taken(), 7u);
  world_.Hang(clients[3]);
  world_.Pass(0.1);
  clients[3] = world_.LogIn(world_.UserOf(2, 1));
  EXPECT_EQ(world_.Hear(world_.Dial()), "* BYE [UNAVAILABLE] Too many connections");
  EXPECT_EQ(ClientsOfEach(), std::vector<uint64_t>({0, 6, 1}));
  EXPECT_EQ(world_.figures().client_stats.refused, 4u);
  EXPECT_EQ(HitsOf(world_, ClientLimit::kClients), 4u);
  for (const size_t client : clients) world_.Hang(client);
  world_.Pass(0.1);
  EXPECT_EQ(world_.common().clients.taken(), 0u);
}

TEST_F(ShardsTest, LogInUsersOfOneByWhatTheOthersDoNotUse) {
  world_.config().stores[0].max_logins_in_progress = 6;
  world_.HoldLogins(true);
  std::vector<size_t> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(world_.Connect());
    world_.Say(clients.back(), "l LOGIN " + world_.UserOf(2, i) + " secret");
  }
  world_.Pass(0.5);
  EXPECT_EQ(world_.figures(2).sessions.logging_in, 6u);
  EXPECT_EQ(world_.figures(2).sessions.waiting, 3u);
  const size_t other = world_.Connect();
  world_.Say(other, "l LOGIN " + world_.UserOf(0, 1) + " secret");
  world_.Pass(0.5);
  EXPECT_EQ(world_.figures(0).sessions.waiting, 1u);
  world_.AnswerLogin();
  world_.AnswerLogin();  // by then its turn has come
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures(0).sessions.logging_in, 1u);
  EXPECT_EQ(world_.figures(2).sessions.logging_in, 5u);
  world_.HoldLogins(false);
  for (const size_t client : clients) world_.HearsBeginning(client, "l OK");
  world_.HearsBeginning(other, "l OK");
}

// Those that have none in progress have nothing of their own to wake up for.
TEST_F(ShardsTest, BeginSoManyHandshakesTogetherAndLeaveNobodyOut) {
  Network trusted;
  ASSERT_TRUE(Network::Parse("0.0.0.0/0", &trusted));
  world_.config().listeners[0].proxy_from = {trusted};  // whose header counts as a handshake
  world_.config().limits.max_handshakes_in_progress = 2;
  std::vector<size_t> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(world_.Dial());
  world_.Pass(1);
  uint64_t most = 0;
  for (const size_t client : clients) {
    world_.SayRaw(client, "PROXY TCP4 203.0.113.8 192.0.2.1 40000 143\r\n");
    most = std::max(most, world_.common().handshakes.taken());
  }
  for (const size_t client : clients) {
    world_.HearsBeginning(client, "* OK ");
    most = std::max(most, world_.common().handshakes.taken());
  }
  EXPECT_EQ(most, 2u);
  world_.Pass(0.1);
  EXPECT_EQ(world_.common().handshakes.taken(), 0u);
  for (const uint64_t one : ClientsOfEach()) EXPECT_GT(one, 0u);
}

// ---- A full shard ----

class FullShardTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kShards = 2;
  static IoLimits Few() {
    IoLimits limits;
    limits.max_sockets = 100;
    return limits;
  }
  // Until shard 0 takes no more.
  void Fill() {
    for (int i = 0; i < 100; ++i) {
      const size_t client = world_.Connect();
      world_.Say(client, "l LOGIN " + world_.UserOf(0, i) + " secret");
      const std::string answer = world_.Hear(client);
      if (answer.starts_with("l OK")) {
        inside_.push_back(client);
        continue;
      }
      EXPECT_EQ(answer, "l NO [LIMIT] Too many connections; please try again later");
      refused_ = client;
      return;
    }
    ADD_FAILURE() << "it is never full";
  }

  ScriptedWorld world_{ScriptedWorld::kCapabilities, kShards, Few()};
  std::vector<size_t> inside_;
  size_t refused_ = 0;
};

TEST_F(FullShardTest, LeavesNewClientsToTheOthers) {
  Fill();
  EXPECT_EQ(world_.figures(0).io.listeners_full, 1u);
  EXPECT_EQ(inside_.size(), 49u);  // each with a session, below 98 places
  const uint64_t before = world_.figures(0).client_stats.accepted;
  for (int i = 0; i < 20; ++i) world_.LogIn(world_.UserOf(1, i));
  EXPECT_EQ(world_.figures(0).client_stats.accepted, before);
  EXPECT_EQ(world_.figures(1).clients, 21u);
  EXPECT_GE(HitsOf(world_, ClientLimit::kDescriptors), 2u);
  EXPECT_EQ(world_.figures().client_stats.Logins(LoginResult::kAbandoned), 0u);
}

TEST_F(FullShardTest, TakesItsUsersAgainWhenThereIsRoom) {
  Fill();
  for (int i = 0; i < 5; ++i) world_.Hang(inside_[static_cast<size_t>(i)]);
  world_.Pass(2);
  EXPECT_EQ(world_.figures(0).io.listeners_full, 0u);
  world_.Say(refused_, "m LOGIN " + world_.UserOf(0, 99) + " secret");
  world_.HearsBeginning(refused_, "m OK");
}

// None of those who come is left without an answer.
TEST_F(FullShardTest, ServesOrRefusesEverybodyWhenAllAreFull) {
  std::vector<size_t> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(world_.Dial());
  world_.Pass(1);
  size_t refused = 0;
  for (const size_t client : clients) {
    if (world_.closed(client)) {
      ++refused;
    } else {
      world_.HearsBeginning(client, "* OK ");
    }
  }
  EXPECT_EQ(refused, 300 - 2 * 95u);
  EXPECT_EQ(world_.figures().io.listeners_full, 2u);
  EXPECT_LE(world_.figures().io.reset_when_full, refused);
  EXPECT_EQ(HitsOf(world_, ClientLimit::kDescriptors), 2u);
  for (const size_t client : clients) world_.Hang(client);
  world_.Pass(2);
  world_.LogIn("ann");
  EXPECT_EQ(world_.figures().io.listeners_full, 0u);
}

// ---- More logins than the store answers ----

class PiledUpLogins : public ::testing::Test {
 protected:
  PiledUpLogins() {
    world_.config().stores[0].max_logins_in_progress = 1;
    world_.config().stores[0].queue_s = 12;
    world_.TakeStores();
    world_.HoldLogins(true);
  }
  void AskForMany(int count) {
    for (int i = 0; i < count; ++i) {
      clients_.push_back(world_.Connect());
      world_.Say(clients_.back(), "l LOGIN user" + std::to_string(i) + " secret");
    }
    world_.Pass(0.1);
  }
  // For so long, two a second.
  void Answer(int seconds) {
    for (int i = 0; i < 2 * seconds; ++i) {
      world_.Pass(0.5);
      if (world_.logins_held() != 0) world_.AnswerLogin();
    }
  }

  ScriptedWorld world_;
  std::vector<size_t> clients_;
};

TEST_F(PiledUpLogins, HoldUpThoseWhoComeUntilTheyWouldBeServedInTime) {
  AskForMany(20);
  Answer(2);
  const size_t late = world_.Dial();
  Answer(1);
  world_.HearsNothing(late, 0.1);  // 13 wait, for 6.5 s
  Answer(4);
  world_.HearsBeginning(late, "* OK ");
  EXPECT_GE(HitsOf(world_, ClientLimit::kLogins), 1u);
  EXPECT_EQ(HitsOf(world_, ClientLimit::kHandshakes), 0u);
  world_.Say(late, "l LOGIN late secret");
  Answer(6);
  for (const size_t client : clients_) world_.HearsBeginning(client, "l OK");
  world_.HearsBeginning(late, "l OK");
  EXPECT_EQ(world_.figures().sessions.refused, 0u);
}

// They wait in one line, and others are served between them.
TEST_F(PiledUpLogins, OfOneUserHoldUpNobody) {
  for (int i = 0; i < 20; ++i) {
    clients_.push_back(world_.Connect());
    world_.Say(clients_.back(), "l LOGIN ann secret");
  }
  world_.Pass(0.1);
  Answer(2);
  const size_t late = world_.Dial();
  world_.HearsBeginning(late, "* OK ");
  world_.Say(late, "l LOGIN late secret");
  Answer(2);
  world_.HearsBeginning(late, "l OK");
}

TEST_F(PiledUpLogins, HoldUpNobodyWhereTheStoreAnswersNone) {
  AskForMany(15);
  world_.Pass(3);
  world_.Connect();  // and is greeted
}

TEST_F(PiledUpLogins, AreForgottenWhenTheyAreOver) {
  AskForMany(15);
  Answer(2);
  world_.Pass(14);  // all who wait are refused
  world_.Connect();
  EXPECT_EQ(world_.common().targets[0].credits->waiting, 0u);
}

TEST(ShardShortOfMemory, TakesNobodyNewUntilThereIsRoomAgain) {
  ScriptedWorld world;
  const size_t there = world.LogInAndPark(kUids);
  world.shard().SetMemoryLevel(MemoryLevel::kFull);
  const size_t refused = world.Dial();
  EXPECT_EQ(world.Hear(refused), "* BYE [UNAVAILABLE] Short of memory; please connect again later");
  world.Pass(0.1);
  EXPECT_TRUE(world.closed(refused));
  EXPECT_EQ(world.figures().client_stats.refused, 1u);
  EXPECT_EQ(HitsOf(world, ClientLimit::kMemory), 1u);
  EXPECT_EQ(HitsOf(world, ClientLimit::kClients), 0u);
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(there), "* 1 EXPUNGE");
  world.shard().SetMemoryLevel(MemoryLevel::kSparing);
  world.Connect();
}

TEST(ShardShortOfMemory, KeepsNoSessionForLater) {
  ScriptedWorld world;
  world.config().parking.pool_keep_s = 600;
  world.LogInAndPark(kUids);
  world.LogInAndJoin(kUids);
  world.Pass(1);
  EXPECT_EQ(world.sessions_open(), 2u);
  world.config().parking.pool_keep_s = 0;  // as Server does
  world.shard().SetMemoryLevel(MemoryLevel::kSparing);
  world.Pass(1);
  EXPECT_EQ(world.sessions_open(), 1u);
  EXPECT_EQ(world.figures().parked, 2u);
}

// Two in a hundred each time, so that those who come back do not come in one moment.
TEST(ShardShortOfMemory, SendsThemAwayByAndBy) {
  ScriptedWorld world;
  for (int i = 0; i < 300; ++i) world.Connect();
  world.shard().Shed();
  world.Pass(1);
  EXPECT_EQ(world.figures().clients, 294u);
  world.shard().Shed();
  world.shard().Shed();  // before the first has been done
  world.Pass(1);
  EXPECT_EQ(world.figures().clients, 290u);
}

}  // namespace
}  // namespace roost
