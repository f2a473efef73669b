#include "core/io/simulated.h"

#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/contract_world.h"

namespace roost {
namespace {

// Two processes on one network; the first listens.
struct Net {
  explicit Net(uint64_t seed, const SimOptions& options = {}) : network(seed, options) {
    for (int i = 0; i < 2; ++i) {
      Io* io = network.AddIo(static_cast<uint32_t>(i));
      parties.push_back(std::make_unique<Party>(io));
      runner.Add([this, io, i] { return crashed == i ? 0 : io->RunOnce(kNever); });
    }
  }
  void Listen(const ListenOptions& options = {}) {
    const ListenerDescriptor descriptor = network.MakeListener(LoopbackV4(), options);
    address = descriptor.bound;
    ASSERT_EQ(server().io().Listen(descriptor, 1), 0);
  }
  SocketId Join(const ConnectOptions& options = {}) {
    const SocketId socket = client().Connect(address, options);
    EXPECT_TRUE(runner.RunUntil([&] {
      return client().log(socket).connects == 1 && server().accepted.size() == ++joined;
    }) || joined > 0);
    joined = server().accepted.size();
    return socket;
  }
  Party& server() { return *parties[0]; }
  Party& client() { return *parties[1]; }
  SocketId accepted() { return server().accepted.back().socket; }

  SimNetwork network;
  SimRunner runner{&network};
  std::vector<std::unique_ptr<Party>> parties;
  Address address;
  size_t joined = 0;
  int crashed = -1;
};

// Everything that happened, with the time.
std::string Transcript(uint64_t seed) {
  SimOptions options;
  options.connect_failure = 0.1;
  Net net(seed, options);
  net.Listen();
  std::string text;
  const auto note = [&](const char* what, SocketId socket) {
    text += std::to_string(net.network.NowNs()) + what + std::to_string(socket.index) + "\n";
  };
  for (Party* party : {&net.server(), &net.client()}) {
    party->on_accept = [&](SocketId socket) { note(" accept ", socket); };
    party->on_receive = [&](SocketId socket) { note(" receive ", socket); };
    party->on_sent = [&](SocketId socket) { note(" sent ", socket); };
  }
  net.client().on_connect = [&](SocketId socket) {
    note(" connect ", socket);
    if (net.client().io().IsOpen(socket)) net.client().io().Send(socket, Pattern(5000, 3));
  };
  for (int i = 0; i < 20; ++i) net.client().Connect(net.address);
  net.runner.RunFor(SecondsToNs(1));
  return text;
}

TEST(SimulatedTest, TheSameSeedGivesTheSameRun) {
  const std::string first = Transcript(1);
  EXPECT_GT(first.size(), 1000u);
  EXPECT_EQ(first, Transcript(1));
  EXPECT_NE(first, Transcript(2));
}

TEST(SimulatedTest, TimePassesOnlyWhenNobodyHasAnythingToDo) {
  Net net(1, SimOptions::Calm());
  const uint64_t start = net.network.NowNs();
  EXPECT_FALSE(net.runner.Step()) << "nothing will ever happen";
  EXPECT_EQ(net.network.NowNs(), start);
  net.Listen();
  const SocketId socket = net.client().Connect(net.address);
  EXPECT_TRUE(net.runner.RunUntil([&] { return net.client().log(socket).connects == 1; }));
  EXPECT_EQ(net.network.NowNs(), start + 100 * kNsPerUs) << "there and back";
}

TEST(SimulatedTest, ARunnerKeepsDeadlinesAndItsLimits) {
  SimNetwork network(1);
  Party party(network.AddIo());
  SimRunner runner(&network);
  const uint64_t deadline = network.NowNs() + SecondsToNs(5);
  runner.Add([&] { return party.io().RunOnce(deadline); });
  EXPECT_TRUE(runner.Step());
  EXPECT_EQ(network.NowNs(), deadline);
  EXPECT_FALSE(runner.RunUntil([] { return false; }, kNever, 1000));
  const uint64_t before = network.NowNs();
  runner.RunFor(SecondsToNs(1));
  EXPECT_EQ(network.NowNs(), before + SecondsToNs(1));
}

TEST(SimulatedTest, WhoDoesNotWantToWaitDoesNotStopTime) {
  SimNetwork network(1);
  Party party(network.AddIo());
  SimRunner runner(&network);
  runner.Add([&] { return party.io().RunOnce(0); });
  const uint64_t start = network.NowNs();
  EXPECT_TRUE(runner.RunUntil([&] { return network.NowNs() > start + 10 * kNsPerUs; }));
}

TEST(SimulatedTest, ACutConnectionIsResetAtBothEnds) {
  Net net(1);
  net.Listen();
  const SocketId socket = net.Join();
  net.network.CutConnection(&net.client().io(), socket);
  ASSERT_TRUE(net.runner.RunUntil(
      [&] { return net.client().log(socket).over() && net.server().log(net.accepted()).over(); }));
  EXPECT_EQ(net.client().log(socket).receive_error, ECONNRESET);
  EXPECT_EQ(net.server().log(net.accepted()).receive_error, ECONNRESET);
}

TEST(SimulatedTest, WhatASilentConnectionHeldBackArrivesInOrderLater) {
  for (uint64_t seed = 1; seed < 30; ++seed) {
    Net net(seed);
    net.Listen();
    const SocketId socket = net.Join();
    const std::string bytes = Pattern(50'000, seed);
    net.client().io().Send(socket, bytes.substr(0, 20'000));
    net.runner.RunFor(net.network.rng().Below(kNsPerMs) + 1);
    net.network.Silence(&net.server().io(), net.accepted());
    net.runner.RunFor(SecondsToNs(10));
    EXPECT_LT(net.server().log(net.accepted()).received.size(), bytes.size());
    EXPECT_FALSE(net.server().log(net.accepted()).over());
    if (!net.client().io().SendPending(socket)) {
      net.client().io().Send(socket, bytes.substr(20'000));
    }
    net.network.Silence(&net.server().io(), net.accepted(), false);
    ASSERT_TRUE(net.runner.RunUntil(
        [&] { return net.server().log(net.accepted()).received.size() == bytes.size(); }));
    EXPECT_EQ(net.server().log(net.accepted()).received, bytes);
  }
}

TEST(SimulatedTest, TimeoutsEndASilentConnection) {
  Net net(1);
  ListenOptions options;
  options.user_timeout_ms = 30'000;
  net.Listen(options);
  const SocketId socket = net.Join();
  net.network.Silence(&net.client().io(), socket);
  net.runner.RunFor(SecondsToNs(100));
  EXPECT_FALSE(net.server().log(net.accepted()).over()) << "nothing was sent into the silence";
  net.server().io().Send(net.accepted(), "* OK Still here\r\n");
  net.runner.RunFor(SecondsToNs(29));
  EXPECT_FALSE(net.server().log(net.accepted()).over());
  net.runner.RunFor(SecondsToNs(2));
  EXPECT_EQ(net.server().log(net.accepted()).receive_error, ETIMEDOUT);
  EXPECT_FALSE(net.client().log(socket).over());

  Net quiet(1);
  ListenOptions keepalive;
  keepalive.keepalive_s = 60;
  quiet.Listen(keepalive);
  const SocketId other = quiet.Join();
  quiet.network.Silence(&quiet.client().io(), other);
  quiet.runner.RunFor(SecondsToNs(83));
  EXPECT_FALSE(quiet.server().log(quiet.accepted()).over());
  quiet.runner.RunFor(SecondsToNs(2));
  EXPECT_EQ(quiet.server().log(quiet.accepted()).receive_error, ETIMEDOUT);
}

// Linux counts no keepalive probes then.
TEST(SimulatedTest, AUserTimeoutShorterThanTheSilenceEndsItAtTheFirstProbeThatIsLost) {
  Net net(1);
  ListenOptions options;
  options.keepalive_s = 60;
  options.user_timeout_ms = 60'000;
  net.Listen(options);
  const SocketId socket = net.Join();
  net.network.Silence(&net.client().io(), socket);
  net.runner.RunFor(SecondsToNs(65));
  EXPECT_FALSE(net.server().log(net.accepted()).over());
  net.runner.RunFor(SecondsToNs(2));
  EXPECT_EQ(net.server().log(net.accepted()).receive_error, ETIMEDOUT);
}

TEST(SimulatedTest, AnUnreachableAddressTimesOut) {
  Net net(1);
  net.Listen();
  net.network.SetUnreachable(net.address, true);
  const SocketId socket = net.client().Connect(net.address);
  ASSERT_TRUE(net.runner.RunUntil([&] { return net.client().log(socket).connects == 1; }));
  EXPECT_EQ(net.client().log(socket).connect_error, ETIMEDOUT);
  net.network.SetUnreachable(net.address, false);
  net.Join();
}

TEST(SimulatedTest, ConnectsFailAsOftenAsAsked) {
  SimOptions options;
  options.connect_failure = 0.5;
  Net net(3, options);
  net.Listen();
  std::vector<SocketId> sockets;
  sockets.reserve(100);
  for (int i = 0; i < 100; ++i) sockets.push_back(net.client().Connect(net.address));
  std::map<int, int> errors;
  net.runner.RunFor(SecondsToNs(200));
  for (const SocketId socket : sockets) ++errors[net.client().log(socket).connect_error];
  EXPECT_GT(errors[0], 20);
  EXPECT_GT(errors[ECONNREFUSED], 5);
  EXPECT_GT(errors[EHOSTUNREACH], 5);
  EXPECT_GT(errors[ETIMEDOUT], 5);
}

TEST(SimulatedTest, ACrashClosesEverythingAndLaterConnectsAreRefused) {
  Net net(1);
  net.Listen();
  const SocketId socket = net.Join();
  net.network.Crash(&net.server().io());
  net.crashed = 0;
  ASSERT_TRUE(net.runner.RunUntil([&] { return net.client().log(socket).over(); }));
  const SocketId late = net.client().Connect(net.address);
  ASSERT_TRUE(net.runner.RunUntil([&] { return net.client().log(late).connects == 1; }));
  EXPECT_EQ(net.client().log(late).connect_error, ECONNREFUSED);
}

TEST(SimulatedTest, AResetMayDestroyWhatWasUnread) {
  int destroyed = 0, kept = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Net net(seed);
    net.Listen();
    net.server().reads_on = false;
    net.client().reads_on = false;
    const SocketId socket = net.Join();
    net.server().io().Send(net.accepted(), "* BYE\r\n");
    net.client().io().Send(socket, "unread by the server");
    net.runner.RunFor(SecondsToNs(1));
    net.server().io().Abort(net.accepted());  // what Close exists to avoid
    net.runner.RunFor(SecondsToNs(1));
    net.client().reads_on = true;
    net.client().io().Receive(socket, BufferGroup::kSmall);
    net.runner.RunFor(SecondsToNs(1));
    EXPECT_EQ(net.client().log(socket).receive_error, ECONNRESET);
    net.client().log(socket).received.empty() ? ++destroyed : ++kept;
  }
  EXPECT_GT(destroyed, 5);
  EXPECT_GT(kept, 5);
}

// A stream through everything at once, for many seeds.
TEST(SimulatedTest, HundredsOfSeedsKeepTheStreamWhole) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SimOptions options;
    options.fragment = 0.3;
    options.dry = 0.3;
    options.reorder = 0.5;
    options.socket_buffer = 3000;
    Net net(seed, options);
    net.Listen();
    const SocketId socket = net.Join();
    const std::string bytes = Pattern(20'000, seed);
    net.client().io().Send(socket, std::string(bytes));
    net.client().io().Close(socket, "the end");
    ASSERT_TRUE(net.runner.RunUntil([&] { return net.server().log(net.accepted()).over(); }))
        << seed;
    ASSERT_EQ(net.server().log(net.accepted()).received, bytes + "the end") << seed;
    EXPECT_TRUE(net.server().log(net.accepted()).fin);
  }
}

}  // namespace
}  // namespace roost
