#include "core/client/login_age.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};
constexpr std::string_view kBye =
    "* BYE [UNAVAILABLE] Logged in for too long; please connect again";

TEST(LoginAge, DiffersByATenthAndIsNeverMoreThanAllowed) {
  ConnectionIds ids(99, 0, 1);
  std::set<uint32_t> ages;
  for (int i = 0; i < 1000; ++i) ages.insert(LongestAgeS(10'000, ids.Next()));
  EXPECT_GT(ages.size(), 500u);
  EXPECT_GT(*ages.begin(), 9'000u);
  EXPECT_LE(*ages.rbegin(), 10'000u);
  EXPECT_EQ(LongestAgeS(10'000, ConnectionId{0x7fff0000}), 10'000u);
}

TEST(LoginAge, IsRightWhenItsSecondsWrap) {
  const uint64_t login_ns = SecondsToNs(LoginTime::kWrapSeconds - 5);
  const uint32_t login_s = LoginTime::Of(login_ns);
  EXPECT_EQ(LoginTime::AgeS(login_s, login_ns), 0u);
  EXPECT_EQ(LoginTime::AgeS(login_s, login_ns + SecondsToNs(4)), 4u);
  EXPECT_EQ(LoginTime::AgeS(login_s, login_ns + SecondsToNs(1000)), 1000u);
}

TEST(AgeSweep, EndsAllWhoAreTooOldInATwentiethOfTheAge) {
  constexpr uint32_t kMostS = 86'400;
  uint32_t left = 100'000;
  uint64_t sweeps = 0;
  for (AgeSweep sweep; left > 0; ++sweeps) {
    sweep.Begin(0, kMostS, left);
    uint32_t ended = 0;
    while (left > 0 && sweep.Take()) --left, ++ended;
    EXPECT_LE(ended, 100'000 / (kMostS / 20) * AgeSweep::PeriodS(kMostS) + 100);
  }
  EXPECT_NEAR(static_cast<double>(sweeps * AgeSweep::PeriodS(kMostS)), kMostS / 20, 120);
}

class LoginAgeTest : public ::testing::Test {
 protected:
  LoginAgeTest() { world_.config().limits.max_login_age_s = 1000; }

  void HearsBye(size_t client) { world_.HearsLast(client, kBye); }

  ScriptedWorld world_;
};

TEST_F(LoginAgeTest, EndsWhoIsAttachedAndWhoIsParked) {
  world_.config().timeouts.heartbeat_s = 0;
  const size_t attached = world_.LogIn();
  const size_t parked = world_.LogIn();
  world_.StartIdle(parked);
  world_.Pass(890);
  EXPECT_EQ(world_.figures().clients, 2u);
  world_.Pass(160);
  HearsBye(attached);
  HearsBye(parked);
  EXPECT_EQ(world_.figures().client_stats.aged, 2u);
  EXPECT_EQ(world_.figures().clients, 0u);
}

TEST_F(LoginAgeTest, IsCountedFromTheLoginWhateverCameBetween) {
  const size_t client = world_.LogIn();
  for (int i = 0; i < 8; ++i) {
    world_.StartIdle(client);
    world_.Pass(100);
    world_.EndIdle(client);
  }
  EXPECT_FALSE(world_.closed(client));
  world_.Pass(250);
  HearsBye(client);
}

TEST_F(LoginAgeTest, IsNoneUnlessItIsAskedForAndCanBeAskedForLater) {
  world_.config().limits.max_login_age_s = 0;
  world_.config().timeouts.heartbeat_s = 0;
  const size_t client = world_.LogIn();
  world_.StartIdle(client);
  world_.Pass(100'000);
  EXPECT_FALSE(world_.closed(client));
  world_.config().limits.max_login_age_s = 1000;
  world_.Pass(5);
  HearsBye(client);
}

TEST_F(LoginAgeTest, LetsACommandFinish) {
  const size_t client = world_.LogInAndSelect({.uids = kUids});
  world_.Pass(880);
  world_.FinishesItsCommand(client, 0, [this] { world_.Pass(300); });
  HearsBye(client);
  EXPECT_EQ(world_.sessions_open(), 0u);
}

TEST_F(LoginAgeTest, SpreadsThoseWhoCameInOneMoment) {
  world_.config().timeouts.heartbeat_s = 0;
  std::vector<size_t> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(world_.LogIn());
    world_.StartIdle(clients.back());
  }
  world_.Pass(895);
  EXPECT_EQ(world_.figures().clients, 50u);
  uint32_t before = 50;
  for (int step = 0; step < 15; ++step) {
    world_.Pass(10);
    const auto now = static_cast<uint32_t>(world_.figures().clients);
    EXPECT_LE(before - now, 12u) << step;
    before = now;
  }
  EXPECT_EQ(before, 0u);
}

// A limit that is lowered finds all of them too old at once.
TEST_F(LoginAgeTest, SpreadsThoseWhoAreAllTooOld) {
  world_.config().limits.max_login_age_s = 0;
  world_.config().timeouts.heartbeat_s = 0;
  std::vector<size_t> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(world_.LogIn());
    world_.StartIdle(clients.back());
  }
  world_.Pass(10'000);
  world_.config().limits.max_login_age_s = 2000;  // a twentieth: 100 s
  world_.Pass(30);
  EXPECT_GT(world_.figures().clients, 60u);
  EXPECT_LT(world_.figures().clients, 80u);
  world_.Pass(80);
  EXPECT_EQ(world_.figures().clients, 0u);
}

}  // namespace
}  // namespace roost
