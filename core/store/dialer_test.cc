#include "core/store/dialer.h"

#include <memory>
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

TEST(Dialer, StartsThoseWhoWaitWhenABoundIsRaised) {
  ScriptedWorld world;
  world.config().stores[0].max_sessions = 1;
  world.TakeStores();
  world.LogIn("ann");
  const size_t second = world.Connect();
  world.Say(second, "l LOGIN bob secret");
  world.HearsNothing(second, 0.5);
  world.config().stores[0].max_sessions = 2;
  world.TakeStores();
  world.HearsBeginning(second, "l OK");
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
  world.config().parking.quiet_park_s = 5;
  world.config().stores[0].max_sessions = 1;
  world.LogIn("ann");
  world.Pass(7);  // parked with nothing selected: its session is kept for the next wake
  EXPECT_EQ(world.figures().parked, 1u);
  EXPECT_EQ(world.sessions_open(), 1u);
  world.LogIn("bob");
  EXPECT_EQ(world.figures().sessions.open, 1u);
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

// ---- Between shards
// ------------------------------------------------------------------------------

struct NoSink final : SessionSink {
  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session&, SessionLoss, const std::string&) override {}
};

// The dialers that so many shards have for one store, which never answers. Each of them is asked
// for more sessions than there are places, by users of its own.
class DialersOfShards {
 public:
  static constexpr uint32_t kShards = 4;

  explicit DialersOfShards(const StoreConfig& config) : loop_(*network_.AddIo(), handler_) {
    target_.config = Borrowed(config);
    target_.addresses.resize(1);
    Address::Parse("127.0.0.2:143", &target_.addresses[0].address);
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      dialers_.push_back(std::make_unique<Dialer>(loop_, target_, kShards));
      Ask(*dialers_.back(), Dialer::Urgency::kRecovery, "r" + std::to_string(shard));
    }
  }
  ~DialersOfShards() {
    for (auto& session : sessions_) session->Close();
  }
  std::vector<uint64_t> LoggingIn() {
    loop_.Turn(0);
    std::vector<uint64_t> logging_in;
    for (const auto& dialer : dialers_) logging_in.push_back(dialer->stats().logging_in);
    return logging_in;
  }
  void AskForClients() {
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      Ask(*dialers_[shard], Dialer::Urgency::kClient, "c" + std::to_string(shard));
    }
  }

 private:
  void Ask(Dialer& dialer, Dialer::Urgency urgency, const std::string& user) {
    Credentials credentials;
    credentials.user = user;
    for (int i = 0; i < 20; ++i) {
      sessions_.push_back(dialer.Open(credentials, {}, 0, urgency, sink_));
    }
  }

  SimNetwork network_{1, SimOptions::Calm()};
  DeafIoHandler handler_;
  NoSink sink_;
  StoreTarget target_;
  Loop loop_;
  std::vector<std::unique_ptr<Dialer>> dialers_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

using Each = std::vector<uint64_t>;

TEST(DialersOfShards, ShareTheLoginsInProgressAmongThem) {
  StoreConfig config;
  config.max_logins_in_progress = 16;
  DialersOfShards dialers(config);
  EXPECT_EQ(dialers.LoggingIn(), Each({2, 2, 2, 2}));  // half is kept for clients
  dialers.AskForClients();
  EXPECT_EQ(dialers.LoggingIn(), Each({4, 4, 4, 4}));
}

TEST(DialersOfShards, ShareTheSessionsAmongThem) {
  StoreConfig config;
  config.max_logins_in_progress = 0;
  config.max_sessions = 12;
  DialersOfShards dialers(config);
  dialers.AskForClients();
  EXPECT_EQ(dialers.LoggingIn(), Each({3, 3, 3, 3}));
}

// Rounded up, so that no shard is without.
TEST(DialersOfShards, MayEachHaveOneWhereThereAreFewer) {
  StoreConfig config;
  config.max_logins_in_progress = 2;
  DialersOfShards dialers(config);
  EXPECT_EQ(dialers.LoggingIn(), Each({1, 1, 1, 1}));
}

// All of a user's sessions are opened by one of them.
TEST(DialersOfShards, DoNotShareWhatOneUserMayHave) {
  StoreConfig config;
  config.max_logins_in_progress = 0;
  config.max_sessions = 0;
  config.max_sessions_per_user = 5;
  DialersOfShards dialers(config);
  EXPECT_EQ(dialers.LoggingIn(), Each({5, 5, 5, 5}));
}

}  // namespace
}  // namespace roost
