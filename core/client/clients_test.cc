#include "core/client/clients.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Lines = std::vector<std::string>;

TEST(Clients, TellsEveryIdlingSubscriberAndNobodyElse) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2});
  std::vector<size_t> others;
  for (size_t i = 1; i <= 3; ++i) {
    others.push_back(world.LogIn());
    world.Select(others.back(), i, {.uids = {1, 2}});
    world.Join(others.back(), i, 0, {1, 2});
  }
  const size_t quiet = others.back();
  world.EndIdle(quiet);
  world.Pass(2);
  EXPECT_EQ(world.sessions_open(), 1u);
  EXPECT_EQ(world.figures().asleep, 4u);
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(first), "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(others[0]), "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(others[1]), "* 1 EXPUNGE");
  world.HearsNothing(quiet, 0.5);
  world.StartIdle(quiet);
  EXPECT_EQ(world.Hear(quiet), "* 1 EXPUNGE");
}

TEST(Clients, TellsACrowdInManyTurnsAndForgetsWhatAllWereTold) {
  constexpr size_t kCrowd = 3 * Clients::kSendsPerTurn + 5;
  ScriptedWorld world;
  std::vector<size_t> crowd = {world.LogInAndPark({1})};
  while (crowd.size() < kCrowd) crowd.push_back(world.LogInAndJoin({1}));
  const size_t other = world.LogInAndPark({1}, "bob");
  const size_t others_session = world.sessions_seen() - 1;
  world.Pass(1);
  ASSERT_EQ(world.figures().asleep, kCrowd + 1);
  world.Tell(0, "* 1 FETCH (FLAGS (\\Seen))");
  world.Tell(others_session, "* 1 FETCH (FLAGS (\\Deleted))");
  EXPECT_EQ(world.Hear(other), "* 1 FETCH (FLAGS (\\Deleted))");
  for (const size_t client : crowd) {
    ASSERT_EQ(world.Hear(client), "* 1 FETCH (FLAGS (\\Seen))");
  }
  world.Pass(1);
  EXPECT_EQ(world.figures().client_stats.events_sent, kCrowd + 1);
  EXPECT_EQ(world.figures().log_events, 0u);
}

TEST(Clients, MeasuresHowLateTheLastOfThemIsTold) {
  ScriptedWorld world;
  const size_t first = world.LogInAndPark({1, 2});
  const size_t second = world.LogInAndJoin({1, 2});
  world.Pass(2);
  EXPECT_EQ(world.figures().client_stats.fan_out.count(), 0u);
  world.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(first), "* 1 EXPUNGE");
  EXPECT_EQ(world.Hear(second), "* 1 EXPUNGE");
  EXPECT_EQ(world.figures().client_stats.fan_out.count(), 1u) << "once for both";
  EXPECT_EQ(world.figures().client_stats.events_sent, 2u);
  EXPECT_EQ(world.figures().feeds.events[static_cast<size_t>(FeedEvent::Kind::kExpunge)], 1u);
}

TEST(Clients, BeatsForThoseInIdleOnly) {
  ScriptedWorld world;
  world.config().timeouts.heartbeat_s = 30;
  const size_t client = world.LogInAndPark({1});
  world.Pass(60);
  EXPECT_EQ(world.Hear(client), "* OK Still here");
  world.HearUntil(client, "*");  // perhaps another
  world.Say(client, "DONE");
  world.HearUntil(client, "i");
  world.HearsNothing(client, 90);
}

// Once whoever slept had no timer, and heard of it at its next IDLE.
TEST(Clients, BeatsForThoseWhoAreThereWhenHeartbeatsAreSwitchedOn) {
  ScriptedWorld world;
  const size_t parked = world.LogInAndPark({1});
  const size_t own = world.LogInAndSelect({.uids = {1, 2}}, "bob");
  world.config().parking.enabled = false;
  world.TakeSwitches();
  world.StartIdle(own);
  world.Asked(1, "IDLE");
  world.Tell(1, "+ idling");
  world.HearsNothing(parked, 100);
  world.HearsNothing(own, 100);
  for (const int period_s : {1000, 30}) {  // shortened as well
    world.config().timeouts.heartbeat_s = period_s;
    world.Pass(60);
  }
  EXPECT_EQ(world.Hear(parked), "* OK Still here");
  EXPECT_EQ(world.Hear(own), "* OK Still here");
}

TEST(Clients, BeatsForManyAtOnce) {
  ScriptedWorld world;
  world.config().timeouts.heartbeat_s = 30;
  for (const char* user : {"ann", "bob", "cleo", "dan", "eve", "finn"})
    world.LogInAndPark({1}, user);
  const auto beats = [&world] { return world.figures().client_stats.heartbeats; };
  const auto at = [&world](uint64_t of_each_ns) {  // passes time until then
    const uint64_t grain = Clients::kBeatsApartNs;
    const uint64_t now = world.network().NowNs() % grain;
    world.Pass(static_cast<double>((of_each_ns + grain - now) % grain) / 1e9);
  };
  for (uint64_t before = 0; beats() < 12;) {
    at(30 * kNsPerMs);
    before = beats();
    at(95 * kNsPerMs);
    ASSERT_EQ(beats(), before) << "only right after an instant that all share";
  }
}

TEST(Clients, EndsWhoIsQuietForTooLongAndNobodyInIdle) {
  ScriptedWorld world;
  world.config().timeouts.autologout_s = 60;
  const size_t quiet = world.LogInAndPark({1});
  const size_t idling = world.LogInAndJoin({1});
  world.EndIdle(quiet);
  world.Pass(55);
  EXPECT_FALSE(world.closed(quiet));
  world.Pass(10);
  world.HearsBeginning(quiet, "* BYE Autologout; idle for too long");
  EXPECT_TRUE(world.closed(quiet));
  EXPECT_FALSE(world.closed(idling));
}

// So many that their cells fill several pieces: the memory of one who goes may be gone at once.
TEST(Clients, EndsManyWhoAreQuietForTooLong) {
  ScriptedWorld world;
  world.config().timeouts.autologout_s = 60;
  std::vector<size_t> quiet;
  for (int i = 0; i < 700; ++i) {
    quiet.push_back(world.LogIn());
    world.StartIdle(quiet.back());
    world.EndIdle(quiet.back());
  }
  world.Pass(1);
  EXPECT_EQ(world.figures().asleep, quiet.size());
  world.Pass(70);
  EXPECT_EQ(world.figures().clients, 0u);
  for (const size_t client : quiet) ASSERT_TRUE(world.closed(client)) << client;
}

TEST(Clients, LetsLaggardsAndThenTheirFeedGoWhenTheLogIsFull) {
  ScriptedWorld world;
  world.config().parking.log_entries_max = 8;
  const size_t client = world.LogInAndPark({1, 2});
  world.EndIdle(client);
  // All different, so that nothing can be summed up.
  for (int i = 0; i < 12; ++i) world.Tell(0, "* OK [ALERT] " + std::to_string(i));
  world.HearsBeginning(client, "* BYE [UNAVAILABLE] Too far behind");
  EXPECT_EQ(world.figures().client_stats.laggards_dropped, 1u);
  world.Pass(1);
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
  EXPECT_EQ(world.figures().users, 0u);
  EXPECT_EQ(world.sessions_open(), 0u);
}

TEST(Clients, TellsLaggardsTheSumWhenTheLogIsFull) {
  ScriptedWorld world;
  world.config().parking.log_entries_max = 8;
  const size_t idling = world.LogInAndPark({1, 2, 3});
  const size_t lags = world.LogInAndJoin({1, 2, 3});
  world.EndIdle(lags);
  for (int i = 0; i < 20; ++i) {
    const std::string flags = i % 2 == 0 ? "\\Seen" : "\\Seen $x";
    world.Tell(0, "* " + std::to_string(1 + i % 3) + " FETCH (FLAGS (" + flags + "))");
    EXPECT_EQ(world.Hear(idling),
              "* " + std::to_string(1 + i % 3) + " FETCH (FLAGS (" + flags + "))");
  }
  world.Tell(0, "* OK [ALERT] Disk full");
  world.Tell(0, "* 1 EXPUNGE");
  world.Tell(0, "* 1 EXPUNGE");
  for (int i = 0; i < 8; ++i) world.Tell(0, "* OK [ALERT] Disk full");
  world.Pass(0.1);
  EXPECT_GE(world.figures().client_stats.laggards_coalesced, 2u);
  EXPECT_EQ(world.figures().client_stats.laggards_dropped, 0u);
  world.Say(lags, "n NOOP");
  Lines told = world.HearUntil(lags, "n");
  // Of 31 events what fits, and the end is right.
  EXPECT_LE(told.size(), 10u);
  EXPECT_EQ(std::count(told.begin(), told.end(), "* 1 EXPUNGE"), 1);
  EXPECT_EQ(std::count(told.begin(), told.end(), "* 2 EXPUNGE"), 1);
  EXPECT_EQ(std::count(told.begin(), told.end(), "* 3 FETCH (FLAGS (\\Seen $x))") +
                std::count(told.begin(), told.end(), "* 1 FETCH (FLAGS (\\Seen $x))"),
            1);
  EXPECT_EQ(world.figures().client_stats.laggards_dropped, 0u);
}

TEST(Clients, BoundsTheBytesOfALogToo) {
  ScriptedWorld world;
  world.config().parking.log_bytes_max = 65536;
  const size_t client = world.LogInAndPark({1, 2});
  world.EndIdle(client);
  for (int i = 0; i < 12; ++i) {
    world.Tell(0, "* OK [ALERT] " + std::to_string(i) + std::string(8000, 'x'));
  }
  world.HearsBeginning(client, "* BYE [UNAVAILABLE] Too far behind");
}

// A line of a store is short where a million lines for each subscriber are not.
TEST(Clients, LetsGoWhoIsOwedTooMuchToBeToldAtOnce) {
  ScriptedWorld world;
  std::vector<uint32_t> uids(500'000);
  std::iota(uids.begin(), uids.end(), 1);
  const size_t idling = world.LogInAndPark(uids);
  const size_t quiet = world.LogInAndJoin(uids);
  const size_t acting = world.LogInAndJoin(uids);
  world.EndIdle(quiet);
  world.EndIdle(acting);
  world.Tell(0, "* VANISHED 1:90000");
  EXPECT_EQ(world.Hear(idling), "* 90000 EXPUNGE");
  for (int i = 1; i < 90'000; ++i) world.Hear(idling);
  world.Tell(0, "* VANISHED 90001:499999");
  world.HearsBeginning(idling, "* BYE [UNAVAILABLE] Too far behind");
  world.Say(quiet, "n NOOP");
  world.HearsBeginning(quiet, "* BYE [UNAVAILABLE] Too far behind");
  world.Say(acting, "f UID FETCH 500000 (FLAGS)");
  world.HearsBeginning(acting, "* BYE [UNAVAILABLE] Too far behind");
  EXPECT_EQ(world.figures().client_stats.laggards_dropped, 3u);
}

TEST(Clients, LetsGoWhoComesToBeOwedTooMuchWhileItWakes) {
  ScriptedWorld world;
  std::vector<uint32_t> uids(400'000);
  std::iota(uids.begin(), uids.end(), 1);
  world.LogInAndPark(uids);
  const size_t acting = world.LogInAndJoin(uids);
  world.EndIdle(acting);
  world.Pass(20);  // no session is kept any more
  world.Say(acting, "f UID FETCH 400000 (FLAGS)");
  world.AnswerSelect(2, "SELECT INBOX", {.uids = {400'000}});
  world.AnswerList(2, {400'000});
  world.AnswerFlush(0, {"* VANISHED 1:399999"});
  world.HearsBeginning(acting, "* BYE [UNAVAILABLE] Too far behind");
  EXPECT_EQ(world.figures().client_stats.laggards_dropped, 2u) << "who idled as well";
}

TEST(Clients, LetsGoWhoComesToBeOwedTooMuchAsItGetsTheDriver) {
  ScriptedWorld world;
  std::vector<uint32_t> uids(400'000);
  std::iota(uids.begin(), uids.end(), 1);
  const size_t client = world.LogInAndSelect({.uids = uids});
  const std::string idle = world.ParkFirst(client, 0, uids);
  world.EndIdle(client);
  world.Say(client, "f UID FETCH 400000 (FLAGS)");
  EXPECT_EQ(world.NextAsked(0), "DONE");
  world.Tell(0, "* VANISHED 1:399999");
  world.Tell(0, idle + " OK done");
  world.HearsBeginning(client, "* BYE [UNAVAILABLE] Too far behind");
  EXPECT_EQ(world.figures().client_stats.laggards_dropped, 1u);
}

TEST(Clients, AreToldGoodbyeOneByOneWhenTheirFeedDies) {
  ScriptedWorld world;
  world.config().timeouts.bye_spread_s = 100;
  const size_t first = world.LogInAndPark({1});
  std::vector<size_t> clients = {first};
  for (size_t i = 1; i <= 8; ++i) {
    clients.push_back(world.LogIn());
    world.Select(clients.back(), i, {.uids = {1}});
    world.Join(clients.back(), i, 0, {1});
  }
  world.Pass(2);
  EXPECT_EQ(world.figures().asleep, 9u);
  world.Cut(0);
  world.AnswerEnable(9, "CONDSTORE");
  const std::string examine = world.Asked(9, "EXAMINE INBOX");
  world.Tell(9, examine + " NO [NONEXISTENT] gone");
  world.Pass(0.1);
  EXPECT_EQ(world.figures().feeds.feeds, 0u) << "the name is free for another feed";
  auto told = [&] {
    return std::count_if(clients.begin(), clients.end(), [&](size_t c) { return world.closed(c); });
  };
  EXPECT_LE(told(), 3);
  // Whoever speaks is told at once.
  const auto waits =
      std::find_if(clients.begin(), clients.end(), [&](size_t c) { return !world.closed(c); });
  ASSERT_NE(waits, clients.end());
  world.Say(*waits, "DONE");
  world.HearsBeginning(*waits, "* BYE [NONEXISTENT]");
  world.Pass(50);
  EXPECT_GT(told(), 1);
  EXPECT_LT(told(), 9);
  world.Pass(52);
  EXPECT_EQ(told(), 9);
  EXPECT_EQ(world.figures().users, 0u);
}

TEST(Clients, LeaveNothingBehindWhenTheyGo) {
  ScriptedWorld world;
  const size_t client = world.LogInAndPark({1});
  world.Say(client, "DONE\r\nl LOGOUT");
  world.HearUntil(client, "l");
  world.Pass(2);
  EXPECT_EQ(world.figures().clients, 0u);
  EXPECT_EQ(world.figures().feeds.feeds, 0u);
  EXPECT_EQ(world.figures().users, 0u);
  EXPECT_EQ(world.sessions_open(), 0u);
}

}  // namespace
}  // namespace roost
