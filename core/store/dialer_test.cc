#include "core/store/dialer.h"

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/simulated.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

TEST(Dialer, LetsALoginWaitWhileTheUserHasAllItsSessions) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions_per_user = 2;
  world.LogIn();
  world.LogIn();
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN ann secret");
  world.HearsNothing(third, 1);
  EXPECT_EQ(world.figures().sessions.waiting, 1u);
  const size_t other = world.LogIn("bob");  // holds up nobody else
  EXPECT_FALSE(world.closed(other));
  world.Cut(0);
  world.HearsBeginning(third, "l OK");
  EXPECT_EQ(world.figures().sessions.open, 3u);
}

TEST(Dialer, RefusesWhoWaitedTooLong) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions_per_user = 2;
  world.config().stores[0].queue_s = 3;
  world.LogIn();
  world.LogIn();
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN ann secret");
  world.HearsNothing(third, 2);
  world.HearsBeginning(third, "l NO [LIMIT]");
  EXPECT_EQ(world.figures().sessions.refused, 1u);
  EXPECT_EQ(world.figures().sessions.waiting, 0u);
}

// `user` waits until there may be two sessions.
void StartsWhenRaised(int StoreConfig::*bound, const std::string& user) {
  ScriptedWorld world;
  StoreConfig& store = world.config().stores[0];
  store.*bound = 1;
  world.TakeStores();
  world.LogIn("ann");
  const size_t second = world.Connect();
  world.Say(second, "l LOGIN " + user + " secret");
  world.HearsNothing(second, 0.5);
  store.*bound = 2;
  world.TakeStores();
  world.HearsBeginning(second, "l OK");
}

TEST(Dialer, StartsThoseWhoWaitWhenABoundIsRaised) {
  StartsWhenRaised(&StoreConfig::max_sessions, "bob");
}

// What it was: a user who had all its sessions waited for one of them to end.
TEST(Dialer, StartsThoseWhoWaitWhenTheBoundOfAUserIsRaised) {
  StartsWhenRaised(&StoreConfig::max_sessions_per_user, "ann");
}

TEST(Dialer, LeavesSessionsThatAreOpenWhenABoundIsLowered) {
  ScriptedWorld world;
  world.TakeStores();
  world.LogIn("ann");
  world.LogIn("bob");
  world.config().stores[0].max_sessions = 1;
  world.config().stores[0].queue_s = 1;
  world.TakeStores();
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN eve secret");
  world.HearsBeginning(third, "l NO [LIMIT]");
  EXPECT_EQ(world.figures().sessions.open, 2u);
}

TEST(Dialer, RefusesTheNewestWhenTheQueueIsFull) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.config().stores[0].queue_max = 1;
  world.LogIn("ann");
  const size_t second = world.Connect();
  world.Say(second, "l LOGIN bob secret");
  world.HearsNothing(second, 0.5);
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN eve secret");
  world.HearsBeginning(third, "l NO [LIMIT]");
  world.Cut(0);
  world.HearsBeginning(second, "l OK");
}

TEST(Dialer, PushesOutTheNewestOfTheLongestLineWhenTheQueueIsFull) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.config().stores[0].queue_max = 3;
  world.LogIn("ann");
  std::vector<size_t> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(world.Connect());
    world.Say(greedy.back(), "l LOGIN bob secret");
    world.Pass(0.1);
  }
  const size_t modest = world.Connect();
  world.Say(modest, "l LOGIN eve secret");
  world.HearsBeginning(greedy[2], "l NO [LIMIT]");
  world.HearsNothing(greedy[1], 0.2);
  world.HearsNothing(modest, 0.2);
  EXPECT_EQ(world.figures().sessions.waiting, 3u);
}

TEST(Dialer, ServesUserByUserWhateverEachAsksFor) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  std::vector<size_t> greedy;
  for (int i = 0; i < 3; ++i) {
    greedy.push_back(world.Connect());
    world.Say(greedy.back(), "l LOGIN bob secret");
  }
  const size_t modest = world.Connect();
  world.Say(modest, "l LOGIN eve secret");
  world.HearsNothing(modest, 0.5);
  world.Cut(0);
  world.HearsBeginning(greedy[0], "l OK");
  world.Cut(1);
  world.HearsBeginning(modest, "l OK");  // before bob's second
  world.HearsNothing(greedy[1], 0.5);
}

TEST(Dialer, ClosesAnUnusedSessionForOneThatIsNeeded) {
  ScriptedWorld world;
  world.config().parking.pool_keep_s = 600;
  world.config().parking.quiet_park_s = 1;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  world.Pass(3);  // parked with nothing selected: its session is kept for the next wake
  EXPECT_EQ(world.figures().parked, 1u);
  EXPECT_EQ(world.sessions_open(), 1u);
  world.LogIn("bob");
  EXPECT_EQ(world.figures().sessions.open, 1u);
}

// What it was: nobody was told of it, and those who waited were refused in the end.
class UnusedMeanwhile : public ::testing::Test {
 protected:
  // Two clients of ann have all sessions there may be, and `user` waits for one. Then the second
  // joins the feed of the first, and its session is kept.
  size_t WaitFor(std::string_view user) {
    world_.config().parking.pool_keep_s = 600;
    world_.LogInAndPark({1});
    const size_t joins = world_.LogInAndSelect({.uids = {1}});
    const size_t waits = world_.Connect();
    world_.Say(waits, "l LOGIN " + std::string(user) + " secret");
    world_.HearsNothing(waits, 1);
    EXPECT_EQ(world_.figures().sessions.waiting, 1u);
    world_.Join(joins, 1, 0, {1});
    world_.Pass(0.5);
    EXPECT_EQ(world_.figures().sessions.waiting, 0u);
    return waits;
  }
  ScriptedWorld world_;
};

TEST_F(UnusedMeanwhile, ASessionGivesWayToOneOfItsUser) {
  world_.config().stores[0].max_sessions_per_user = 2;
  world_.HearsBeginning(WaitFor("ann"), "l OK");
  EXPECT_EQ(world_.figures().sessions.open, 2u);
}

TEST_F(UnusedMeanwhile, ASessionGivesWayToOneOfAnybody) {
  world_.config().stores[0].max_sessions = 2;
  world_.HearsBeginning(WaitFor("bob"), "l OK");
  EXPECT_EQ(world_.figures().sessions.open, 2u);
}

// What holds up who waits are other sessions.
TEST_F(UnusedMeanwhile, ASessionStaysWhereItsPlaceHelpsNobody) {
  world_.config().stores[0].max_sessions_per_user = 2;
  const size_t others = world_.LogInAndPark({1}, "bob");
  world_.LogIn("bob");
  const size_t waits = world_.Connect();
  world_.Say(waits, "l LOGIN bob secret");
  world_.HearsNothing(waits, 1);
  world_.config().parking.pool_keep_s = 600;
  world_.LogInAndPark({1});
  const size_t joins = world_.LogInAndSelect({.uids = {1}});
  world_.Join(joins, 3, 2, {1});
  world_.HearsNothing(waits, 1);
  EXPECT_EQ(world_.sessions_open(), 4u);
  EXPECT_FALSE(world_.closed(others));
}

TEST(Dialer, GivesThePlaceOfWhoLeftToTheNext) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  const size_t second = world.Connect();
  world.Say(second, "l LOGIN bob secret");
  world.Pass(0.5);
  const size_t third = world.Connect();
  world.Say(third, "l LOGIN eve secret");
  world.Pass(0.5);
  world.Hang(second);
  world.Pass(0.5);
  world.Cut(0);
  world.HearsBeginning(third, "l OK");
}

// ---- Between shards ----

struct NoSink final : SessionSink {
  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session&, SessionLoss, const std::string&) override {}
};

// The dialers that so many shards have for one store, which never answers. Each user asks for as
// many sessions as are wanted of it.
class DialersOfShards {
 public:
  static constexpr uint32_t kShards = 4;

  explicit DialersOfShards(const StoreConfig& config) {
    StoreTarget target;
    target.config = Borrowed(config);
    target.addresses.resize(1);
    Address::Parse("127.0.0.2:143", &target.addresses[0].address);
    network_.SetUnreachable(target.addresses[0].address, true);  // nobody answers, for a while
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      shards_.push_back(std::make_unique<OfShard>(*network_.AddIo(), target, shard));
    }
    credits_ = target.credits;
  }
  ~DialersOfShards() {
    for (auto& shard : shards_) Close(*shard);
  }
  Dialer& of(uint32_t shard) { return *shards_[shard]->dialer; }
  const LoginCredits& credits() const { return *credits_; }
  void Ask(uint32_t shard, Dialer::Urgency urgency, int sessions = 20) {
    OfShard& asked = *shards_[shard];
    Credentials credentials;
    credentials.user = std::to_string(shard) + (urgency == Dialer::Urgency::kClient ? "c" : "r");
    for (int i = 0; i < sessions; ++i) {
      asked.sessions.push_back(asked.dialer->Open(credentials, {}, 0, urgency, sink_));
    }
  }
  // The oldest of its sessions ends.
  void EndOne(uint32_t shard) {
    std::vector<std::unique_ptr<Session>>& sessions = shards_[shard]->sessions;
    EndSession(std::move(sessions.front()));
    sessions.erase(sessions.begin());
  }
  void GoAway(uint32_t shard) {
    Close(*shards_[shard]);
    shards_[shard]->loop.Turn(0);
    shards_[shard]->dialer.reset();
  }
  std::vector<uint64_t> LoggingIn() {
    for (int turn = 0; turn < 10; ++turn) {  // and bells between them
      for (auto& shard : shards_) shard->loop.Turn(0);
      network_.AdvanceTo(network_.NowNs() + kNsPerMs);
    }
    std::vector<uint64_t> logging_in;
    for (const auto& shard : shards_) {
      if (shard->dialer != nullptr) logging_in.push_back(shard->dialer->stats().logging_in);
    }
    return logging_in;
  }

 private:
  struct OfShard final : DeafIoHandler {
    OfShard(Io& io, const StoreTarget& target, uint32_t shard)
        : loop(io, *this), dialer(std::make_unique<Dialer>(loop, target, kShards, shard)) {}
    void OnBell() override {
      if (dialer != nullptr) dialer->OnBell();
    }
    Loop loop;
    std::unique_ptr<Dialer> dialer;
    std::vector<std::unique_ptr<Session>> sessions;
  };
  static void Close(OfShard& shard) {
    for (auto& session : shard.sessions) EndSession(std::move(session));
    shard.sessions.clear();
  }

  SimNetwork network_{1, SimOptions::Calm()};
  NoSink sink_;
  std::shared_ptr<const LoginCredits> credits_;
  std::vector<std::unique_ptr<OfShard>> shards_;
};

using Each = std::vector<uint64_t>;
using Urgency = Dialer::Urgency;

TEST(DialersOfShards, LetOneHaveTheLoginsInProgressThatOthersDoNotUse) {
  StoreConfig config;
  config.max_logins_in_progress = 16;
  DialersOfShards dialers(config);
  dialers.Ask(1, Urgency::kClient);
  EXPECT_EQ(dialers.LoggingIn(), Each({0, 16, 0, 0}));
  EXPECT_EQ(dialers.credits().waiting, 1u);  // four of one user
}

TEST(DialersOfShards, ServeThoseWhoWaitShardByShard) {
  StoreConfig config;
  config.max_logins_in_progress = 8;
  DialersOfShards dialers(config);
  for (const uint32_t shard : {1, 0, 2, 3}) {
    dialers.Ask(shard, Urgency::kClient);
    dialers.LoggingIn();
  }
  EXPECT_EQ(dialers.LoggingIn(), Each({0, 8, 0, 0}));
  for (int i = 0; i < 8; ++i) {
    dialers.EndOne(1);
    dialers.LoggingIn();
  }
  EXPECT_EQ(dialers.LoggingIn(), Each({2, 2, 2, 2}));
  EXPECT_EQ(dialers.credits().logins.taken(), 8u);
}

TEST(DialersOfShards, KeepHalfOfTheLoginsInProgressForClients) {
  StoreConfig config;
  config.max_logins_in_progress = 16;
  DialersOfShards dialers(config);
  dialers.Ask(0, Urgency::kRecovery);
  dialers.Ask(1, Urgency::kRecovery);
  EXPECT_EQ(dialers.LoggingIn(), Each({8, 0, 0, 0}));
  dialers.Ask(2, Urgency::kClient, 8);
  EXPECT_EQ(dialers.LoggingIn(), Each({8, 0, 8, 0}));
  for (int i = 0; i < 2; ++i) {
    dialers.EndOne(0);
    dialers.LoggingIn();
  }
  const Each now = dialers.LoggingIn();
  EXPECT_EQ(now[0] + now[1], 8u);
  EXPECT_GE(now[1], 1u);
}

TEST(DialersOfShards, LetRecoveriesHaveATurnWhileClientsKeepComing) {
  StoreConfig config;
  config.max_logins_in_progress = 4;
  DialersOfShards dialers(config);
  dialers.Ask(0, Urgency::kClient, 40);
  dialers.LoggingIn();
  dialers.Ask(0, Urgency::kRecovery);
  for (const uint64_t recovering : {1, 1, 1, 1, 2, 2, 2}) {
    dialers.EndOne(0);
    EXPECT_EQ(dialers.LoggingIn(), Each({4, 0, 0, 0}));
    EXPECT_EQ(dialers.credits().recoveries.taken(), recovering);
  }
}

TEST(DialersOfShards, GiveOthersAllWhenTheyGo) {
  StoreConfig config;
  config.max_logins_in_progress = 5;
  DialersOfShards dialers(config);
  dialers.Ask(0, Urgency::kClient);
  dialers.LoggingIn();
  dialers.Ask(3, Urgency::kClient);
  EXPECT_EQ(dialers.LoggingIn(), Each({5, 0, 0, 0}));
  dialers.GoAway(0);
  EXPECT_EQ(dialers.LoggingIn(), Each({0, 0, 5}));
  EXPECT_EQ(dialers.credits().waiting, 1u);  // fifteen of one user
  dialers.GoAway(3);
  EXPECT_EQ(dialers.LoggingIn(), Each({0, 0}));
  EXPECT_EQ(dialers.credits().logins.taken(), 0u);
  EXPECT_EQ(dialers.credits().waiting, 0u);
}

// Where each wants more than it may have.
Each SessionsOfEach(int max_sessions) {
  StoreConfig config;
  config.max_logins_in_progress = 1000;
  config.max_sessions = max_sessions;
  DialersOfShards dialers(config);
  for (uint32_t shard = 0; shard < 4; ++shard) dialers.Ask(shard, Urgency::kClient);
  const Each sessions = dialers.LoggingIn();
  const uint64_t all = std::accumulate(sessions.begin(), sessions.end(), uint64_t{0});
  EXPECT_EQ(dialers.credits().logins.taken(), all);
  return sessions;
}

TEST(DialersOfShards, ShareTheSessionsAmongThem) {
  EXPECT_EQ(SessionsOfEach(12), Each({3, 3, 3, 3}));
}

// What it was: each rounded up, and there were more than the bound.
TEST(DialersOfShards, HaveNoMoreSessionsTogetherThanTheBound) {
  EXPECT_EQ(SessionsOfEach(10), Each({3, 3, 2, 2}));
}

// As after a reload by whose `shards` it would be enough, but they need a restart.
TEST(DialersOfShards, MayEachHaveASessionWhereThereAreFewer) {
  EXPECT_EQ(SessionsOfEach(2), Each({1, 1, 1, 1}));
}

// All of a user's sessions are opened by one of them.
TEST(DialersOfShards, DoNotShareWhatOneUserMayHave) {
  StoreConfig config;
  config.max_logins_in_progress = 1000;
  config.max_sessions = 0;
  config.max_sessions_per_user = 5;
  DialersOfShards dialers(config);
  for (uint32_t shard = 0; shard < 4; ++shard) dialers.Ask(shard, Urgency::kClient);
  EXPECT_EQ(dialers.LoggingIn(), Each({5, 5, 5, 5}));
}

// ---- However a login ends, another may begin ----

class EndOfALogin : public ::testing::Test {
 protected:
  EndOfALogin() {
    world_.config().stores[0].max_logins_in_progress = 1;
    world_.config().stores[0].command_timeout_s = 5;
    world_.config().stores[0].connect_timeout_s = 5;
    world_.TakeStores();
  }
  // A login that the store has and does not answer; another waits for its turn.
  size_t Begin() {
    world_.HoldLogins(true);
    const size_t client = world_.Connect();
    world_.Say(client, "l LOGIN ann secret");
    world_.Pass(0.5);
    EXPECT_EQ(world_.logins_held(), 1u);
    next_ = world_.Connect();
    world_.Say(next_, "l LOGIN bob secret");
    world_.HearsNothing(next_, 0.5);
    EXPECT_EQ(world_.figures().sessions.waiting, 1u);
    return client;
  }
  // The other has had its turn, and in the end nothing is taken.
  void TearDown() override {
    world_.HoldLogins(false);
    world_.HearsBeginning(next_, "l OK");
    world_.Pass(0.5);  // the store may just have been asked what it can do
    EXPECT_EQ(credits().logins.taken(), 0u);
    EXPECT_EQ(credits().recoveries.taken(), 0u);
    EXPECT_EQ(credits().waiting, 0u);
    world_.LogIn("eve");
  }
  const LoginCredits& credits() { return *world_.common().targets[0].credits; }

  ScriptedWorld world_;
  size_t next_ = 0;
};

TEST_F(EndOfALogin, ByTheStoresOk) {
  const size_t client = Begin();
  EXPECT_EQ(credits().logins.taken(), 1u);
  world_.AnswerLogin();
  world_.HearsBeginning(client, "l OK");
}

TEST_F(EndOfALogin, ByTheStoresNo) {
  const size_t client = Begin();
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] x");
  world_.AnswerLogin();
  world_.RefuseLogins("");
  world_.HearsBeginning(client, "l NO");
}

TEST_F(EndOfALogin, ByTheEndOfTheClient) {
  world_.Hang(Begin());
  world_.Pass(0.5);
}

TEST_F(EndOfALogin, ByTheEndOfTheConnectionToTheStore) {
  const size_t client = Begin();
  world_.CutLogin();
  world_.HearsBeginning(client, "l NO [UNAVAILABLE]");
}

TEST_F(EndOfALogin, ByTime) {
  const size_t client = Begin();
  world_.Pass(6);
  world_.HearsBeginning(client, "l NO [UNAVAILABLE]");
}

TEST_F(EndOfALogin, WithoutAConnectionToTheStore) {
  world_.HoldLogins(true);
  world_.NobodyAtTheStore(true);
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  world_.Pass(0.5);
  EXPECT_EQ(credits().logins.taken(), 1u);
  next_ = world_.Connect();
  world_.Say(next_, "l LOGIN bob secret");
  world_.HearsNothing(next_, 0.5);
  world_.NobodyAtTheStore(false);
  world_.Pass(6);
  world_.HearsBeginning(client, "l NO [UNAVAILABLE]");
}

TEST_F(EndOfALogin, OfWhoLeftBeforeItsTurnCame) {
  const size_t client = Begin();
  world_.Hang(next_);
  world_.Pass(0.5);
  next_ = world_.Connect();
  world_.Say(next_, "l LOGIN eve secret");
  world_.Pass(0.5);
  world_.AnswerLogin();
  world_.HearsBeginning(client, "l OK");
}

}  // namespace
}  // namespace roost
