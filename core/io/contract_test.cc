// What every Io promises, asked of each of them.
#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/io/contract_world.h"

namespace roost {
namespace {

class IoContract : public testing::TestWithParam<WorldKind> {
 protected:
  // False: the test was skipped or has failed.
  bool Make(uint32_t ios, const IoLimits& limits = Scarce()) {
    world_ = World::Create(GetParam(), ios, limits);
    return world_ != nullptr;
  }
  Party& party(size_t number) { return (*world_)[number]; }
  bool Until(const std::function<bool()>& done) { return world_->Until(done); }
  bool AllGone(size_t ios) {
    return Until([&] {
      for (size_t i = 0; i < ios; ++i) {
        if (party(i).io().stats().sockets_closing != 0) return false;
      }
      return true;
    });
  }

  std::unique_ptr<World> world_;
};

TEST_P(IoContract, AcceptTellsThePeersAddress) {
  if (!Make(2)) return;
  const Address v4 = world_->Listen(0, 1, LoopbackV4());
  const Address v6 = world_->Listen(0, 2, LoopbackV6());
  const SocketId a = party(1).Connect(v4);
  const SocketId b = party(1).Connect(v6);
  ASSERT_TRUE(Until([&] {
    return party(0).accepted.size() == 2 && party(1).log(a).connects == 1 &&
           party(1).log(b).connects == 1;
  }));
  std::map<uint64_t, std::string> hosts;
  for (const auto& accepted : party(0).accepted) {
    hosts[accepted.listener] = accepted.peer.HostString();
    EXPECT_NE(accepted.peer.port, 0);
  }
  EXPECT_EQ(hosts, (std::map<uint64_t, std::string>{{1, "127.0.0.1"}, {2, "::1"}}));
  EXPECT_EQ(party(0).io().stats().accepted, 2u);
  EXPECT_EQ(party(1).io().stats().connected, 2u);
  EXPECT_EQ(party(1).io().stats().sockets_open, 2u);
}

TEST_P(IoContract, AnyIPv6TakesIPv4AsPlainIPv4) {
  if (!Make(2)) return;
  Address any;
  ASSERT_TRUE(Address::Parse(":0", &any));
  Address to = LoopbackV4();
  to.port = world_->Listen(0, 1, any).port;
  party(1).Connect(to);
  ASSERT_TRUE(Until([&] { return party(0).accepted.size() == 1; }));
  EXPECT_EQ(party(0).accepted[0].peer.HostString(), "127.0.0.1");
}

TEST_P(IoContract, LargeDataGoesBothWaysAtOnceThroughTinyBuffers) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0, TinyBuffers());
  party(0).group = BufferGroup::kLarge;
  const std::string there = Pattern(3'000'000, 1);
  const std::string back = Pattern(1'500'000, 2);
  party(1).io().Send(pair.client, std::string(there));
  party(0).io().Send(pair.server, std::string(back));
  EXPECT_TRUE(party(1).io().SendPending(pair.client));
  ASSERT_TRUE(Until([&] {
    return party(0).log(pair.server).received.size() >= there.size() &&
           party(1).log(pair.client).received.size() >= back.size() &&
           party(1).log(pair.client).sents == 1 && party(0).log(pair.server).sents == 1;
  }));
  EXPECT_EQ(party(0).log(pair.server).received, there);
  EXPECT_EQ(party(1).log(pair.client).received, back);
  EXPECT_EQ(party(1).log(pair.client).send_error, 0);
  EXPECT_FALSE(party(1).io().SendPending(pair.client));
  EXPECT_GT(party(0).io().stats().short_sends + party(0).io().stats().blocked_sends, 0u);
}

TEST_P(IoContract, EmptySendCompletes) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0);
  party(1).io().Send(pair.client, "");
  EXPECT_TRUE(Until([&] { return party(1).log(pair.client).sents == 1; }));
}

TEST_P(IoContract, ManySocketsShareFewBuffersAndLoseNothing) {
  if (!Make(2)) return;
  constexpr size_t kPairs = 40;
  std::vector<World::Pair> pairs;
  for (size_t i = 0; i < kPairs; ++i) pairs.push_back(world_->Join(1, 0));
  for (size_t i = 0; i < kPairs; ++i) {
    party(1).io().Send(pairs[i].client, Pattern(20'000, i));
  }
  ASSERT_TRUE(Until([&] {
    return std::all_of(pairs.begin(), pairs.end(), [&](const World::Pair& pair) {
      return party(0).log(pair.server).received.size() >= 20'000;
    });
  }));
  for (size_t i = 0; i < kPairs; ++i) {
    ASSERT_EQ(party(0).log(pairs[i].server).received, Pattern(20'000, i));
  }
}

TEST_P(IoContract, CloseIsSeenAsTheEndAfterAllBytes) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0);
  party(1).io().Send(pair.client, "first ");
  party(1).io().Close(pair.client, "last");
  EXPECT_FALSE(party(1).io().IsOpen(pair.client));
  ASSERT_TRUE(Until([&] { return party(0).log(pair.server).over(); }));
  EXPECT_EQ(party(0).log(pair.server).received, "first last");
  EXPECT_TRUE(party(0).log(pair.server).fin);
  party(0).io().Close(pair.server);
  EXPECT_TRUE(AllGone(2));
  EXPECT_EQ(party(0).io().stats().sockets_open + party(1).io().stats().sockets_open, 0u);
  EXPECT_EQ(party(1).log(pair.client).sents, 0) << "nothing is told after Close";
}

TEST_P(IoContract, LastWordsArriveThoughInputIsUnread) {
  if (!Make(2)) return;
  party(0).reads_on = false;
  for (int round = 0; round < 20; ++round) {
    const World::Pair pair = world_->Join(1, 0);
    party(1).io().Send(pair.client, Pattern(50'000));
    party(0).io().Close(pair.server, "* BYE\r\n");
    ASSERT_TRUE(Until([&] { return party(1).log(pair.client).over(); }));
    EXPECT_EQ(party(1).log(pair.client).received, "* BYE\r\n");
    EXPECT_TRUE(party(1).log(pair.client).fin);
    party(1).io().Close(pair.client);
    ASSERT_TRUE(AllGone(2));
  }
}

TEST_P(IoContract, LargeLastWordsDrainThroughASlowReader) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0, TinyBuffers());
  const std::string all = Pattern(400'000);
  party(0).io().Send(pair.server, all.substr(0, 200'000));
  party(0).io().Close(pair.server, all.substr(200'000));
  ASSERT_TRUE(Until([&] { return party(1).log(pair.client).over(); }));
  EXPECT_EQ(party(1).log(pair.client).received, all);
}

TEST_P(IoContract, ACloserDoesNotWaitForeverForAPeerThatTakesNothing) {
  if (!Make(2)) return;
  party(1).reads_on = false;
  const World::Pair pair = world_->Join(1, 0, TinyBuffers());
  party(0).io().Close(pair.server, Pattern(20'000'000));
  EXPECT_EQ(party(0).io().stats().sockets_closing, 1u);
  EXPECT_TRUE(AllGone(2));
  EXPECT_EQ(party(0).io().stats().sockets_open, 0u);
}

TEST_P(IoContract, ACloserDoesNotWaitForeverForAPeerThatStaysOpen) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0);
  party(0).io().Close(pair.server);
  EXPECT_TRUE(AllGone(1));
  EXPECT_TRUE(party(1).io().IsOpen(pair.client));
  const World::Pair other = world_->Join(1, 0, {}, {.peer_ends = true});
  party(1).io().Close(other.client);
  EXPECT_TRUE(AllGone(2));
  EXPECT_TRUE(party(0).io().IsOpen(other.server));
}

// What it was: our side ended it first, and its ports were held for a minute.
TEST_P(IoContract, LetsAPeerEndTheConnectionThatIsToDoSo) {
  IoLimits limits = Scarce();
  limits.linger_ms = 600'000;
  if (!Make(2, limits)) return;
  const World::Pair pair = world_->Join(1, 0, {}, {.peer_ends = true});
  party(1).io().Close(pair.client, "x LOGOUT\r\n");
  ASSERT_TRUE(Until([&] { return party(0).log(pair.server).received == "x LOGOUT\r\n"; }));
  world_->Settle();
  EXPECT_FALSE(party(0).log(pair.server).over());
  EXPECT_EQ(party(1).io().stats().sockets_closing, 1u);
  party(0).io().Close(pair.server, "* BYE\r\n");
  EXPECT_TRUE(AllGone(2));
  EXPECT_EQ(party(1).log(pair.client).received, "") << "nothing is told after Close";
}

TEST_P(IoContract, AbortEndsTheConnectionForThePeerAndIsNeverHeardOf) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0, TinyBuffers());
  party(1).reads_on = false;
  party(1).io().Send(pair.client, Pattern(10'000'000));
  ASSERT_TRUE(Until([&] { return !party(0).log(pair.server).received.empty(); }));
  party(1).io().Abort(pair.client);
  EXPECT_FALSE(party(1).io().IsOpen(pair.client));
  ASSERT_TRUE(Until([&] { return party(0).log(pair.server).over(); }));
  EXPECT_LT(party(0).log(pair.server).received.size(), 10'000'000u);
  party(0).io().Abort(pair.server);
  EXPECT_TRUE(AllGone(2));
  EXPECT_EQ(party(1).log(pair.client).sents, 0);
}

TEST_P(IoContract, ResetOnCloseIsAnErrorForThePeer) {
  if (!Make(2)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  ConnectOptions options;
  options.reset_on_close = true;
  const SocketId client = party(1).Connect(address, options);
  ASSERT_TRUE(
      Until([&] { return party(0).accepted.size() == 1 && party(1).log(client).connects == 1; }));
  party(1).io().Abort(client);
  const SocketId server = party(0).accepted[0].socket;
  ASSERT_TRUE(Until([&] { return party(0).log(server).over(); }));
  EXPECT_EQ(party(0).log(server).receive_error, ECONNRESET);
}

TEST_P(IoContract, SendToAPeerThatIsGoneFails) {
  if (!Make(2)) return;
  party(0).reads_on = false;
  const World::Pair pair = world_->Join(1, 0, TinyBuffers());
  party(1).io().Abort(pair.client);
  ASSERT_TRUE(AllGone(2));
  const auto send = [&](SocketId socket) {
    if (party(0).log(pair.server).send_error == 0) party(0).io().Send(socket, Pattern(100'000));
  };
  party(0).on_sent = send;
  send(pair.server);
  ASSERT_TRUE(Until([&] { return party(0).log(pair.server).send_error != 0; }));
  EXPECT_TRUE(party(0).io().IsOpen(pair.server)) << "closing is the owner's";
}

TEST_P(IoContract, WaitThenReceiveLosesNothing) {
  if (!Make(2)) return;
  party(0).reads_on = false;
  party(0).on_accept = [&](SocketId socket) { party(0).io().WaitReadable(socket); };
  party(0).on_readable = [&](SocketId socket) {
    party(0).io().Receive(socket, BufferGroup::kSmall);
  };
  party(0).on_receive = [&](SocketId socket) {
    if (!party(0).log(socket).over()) party(0).io().WaitReadable(socket);
  };
  const World::Pair pair = world_->Join(1, 0);
  world_->Settle();
  EXPECT_EQ(party(0).log(pair.server).readables, 0);
  EXPECT_TRUE(party(0).io().ReceivePending(pair.server));
  const std::string bytes = Pattern(100'000);
  party(1).io().Send(pair.client, std::string(bytes));
  ASSERT_TRUE(Until([&] { return party(0).log(pair.server).received.size() >= bytes.size(); }));
  party(1).io().Close(pair.client);
  ASSERT_TRUE(Until([&] { return party(0).log(pair.server).over(); }));
  EXPECT_EQ(party(0).log(pair.server).received, bytes);
  EXPECT_EQ(party(0).log(pair.server).readables, party(0).log(pair.server).receives);
}

TEST_P(IoContract, RandomCancelsLoseNothingAndReorderNothing) {
  if (!Make(2)) return;
  party(0).reads_on = false;
  const World::Pair pair = world_->Join(1, 0, TinyBuffers());
  const std::string bytes = Pattern(300'000);
  party(1).io().Send(pair.client, std::string(bytes));
  Rng rng(5);
  Io& io = party(0).io();
  ASSERT_TRUE(Until([&] {
    if (!io.ReceivePending(pair.server)) {
      switch (rng.Below(3)) {
        case 0:
          io.WaitReadable(pair.server);
          break;
        case 1:
          io.Receive(pair.server, BufferGroup::kSmall);
          break;
        case 2:
          io.Receive(pair.server, BufferGroup::kLarge);
          break;
      }
    } else if (rng.Chance(0.3)) {
      io.CancelReceive(pair.server);
    }
    return party(0).log(pair.server).received.size() >= bytes.size();
  }));
  EXPECT_EQ(party(0).log(pair.server).received, bytes);
}

TEST_P(IoContract, AWithdrawnWaitIsNotHeardOf) {
  if (!Make(2)) return;
  party(0).reads_on = false;
  const World::Pair pair = world_->Join(1, 0);
  party(0).io().WaitReadable(pair.server);
  world_->Settle();
  party(0).io().CancelReceive(pair.server);
  EXPECT_FALSE(party(0).io().ReceivePending(pair.server));
  party(1).io().Send(pair.client, "hello");
  world_->Settle();
  EXPECT_EQ(party(0).log(pair.server).readables, 0);
  party(0).io().Receive(pair.server, BufferGroup::kSmall);
  EXPECT_TRUE(Until([&] { return !party(0).log(pair.server).received.empty(); }));
}

TEST_P(IoContract, StaleIdsDoNothing) {
  if (!Make(2)) return;
  const World::Pair pair = world_->Join(1, 0);
  Io& io = party(0).io();
  io.Abort(pair.server);
  ASSERT_TRUE(AllGone(1));
  const World::Pair fresh = world_->Join(1, 0);
  EXPECT_EQ(fresh.server.index, pair.server.index);
  for (const SocketId stale : {pair.server, SocketId{}, SocketId{99'999, 3}}) {
    EXPECT_FALSE(io.IsOpen(stale));
    EXPECT_FALSE(io.ReceivePending(stale));
    EXPECT_FALSE(io.SendPending(stale));
    io.SetOwner(stale, 123);
    io.Receive(stale, BufferGroup::kLarge);
    io.WaitReadable(stale);
    io.CancelReceive(stale);
    io.Send(stale, "never");
    io.Move(stale, 1, 5);
    io.Close(stale, "never");
    io.Abort(stale);
  }
  party(0).io().Send(fresh.server, "still here");
  ASSERT_TRUE(Until([&] { return !party(1).log(fresh.client).received.empty(); }));
  EXPECT_EQ(party(1).log(fresh.client).received.substr(0, 5), "still");
  EXPECT_TRUE(party(1).moved.empty());
}

TEST_P(IoContract, TheNextUserOfASlotHearsNothingOfTheLast) {
  if (!Make(2)) return;
  for (int round = 0; round < 30; ++round) {
    const World::Pair old = world_->Join(1, 0);
    party(1).io().Send(old.client, "for the old one");
    if (round % 2 == 0) world_->Until([&] { return !party(0).log(old.server).received.empty(); });
    party(0).io().Abort(old.server);
    const World::Pair fresh = world_->Join(1, 0);
    party(1).io().Send(fresh.client, "new");
    ASSERT_TRUE(Until([&] { return party(0).log(fresh.server).received.size() >= 3; }));
    EXPECT_EQ(party(0).log(fresh.server).received, "new");
    party(0).io().Abort(fresh.server);
    party(1).io().Abort(fresh.client);
    party(1).io().Abort(old.client);
    ASSERT_TRUE(AllGone(2));
  }
}

TEST_P(IoContract, ConnectIsRefusedWhereNobodyListens) {
  if (!Make(2)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  party(0).io().CloseListener(1);
  world_->Settle();
  const SocketId socket = party(1).Connect(address);
  EXPECT_TRUE(party(1).io().IsOpen(socket));
  ASSERT_TRUE(Until([&] { return party(1).log(socket).connects == 1; }));
  EXPECT_EQ(party(1).log(socket).connect_error, ECONNREFUSED);
  EXPECT_FALSE(party(1).io().IsOpen(socket));
  EXPECT_TRUE(AllGone(2));
  EXPECT_EQ(party(1).io().stats().sockets_open, 0u);
}

TEST_P(IoContract, ConnectFailsFromASourceOfAnotherFamily) {
  if (!Make(2)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  ConnectOptions options;
  ASSERT_TRUE(Address::Parse("[::1]:0", &options.source));
  const SocketId socket = party(1).Connect(address, options);
  ASSERT_TRUE(Until([&] { return party(1).log(socket).connects == 1; }));
  EXPECT_EQ(party(1).log(socket).connect_error, EAFNOSUPPORT);
  EXPECT_TRUE(AllGone(2));
}

TEST_P(IoContract, AnAbortedConnectIsNeverHeardOf) {
  if (!Make(2)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  std::vector<std::pair<SocketId, int>> sockets;
  for (int i = 0; i < 20; ++i) {
    const SocketId socket = party(1).Connect(address);
    if (i % 2 == 0) party(1).io().RunOnce(0);
    sockets.emplace_back(socket, party(1).log(socket).connects);
    party(1).io().Abort(socket);
  }
  world_->Settle();
  EXPECT_TRUE(AllGone(2));
  for (const auto& [socket, told] : sockets) EXPECT_EQ(party(1).log(socket).connects, told);
  EXPECT_EQ(party(1).io().stats().sockets_open, 0u);
}

TEST_P(IoContract, OutOfSlotsGivesNoSocket) {
  IoLimits limits = Scarce();
  limits.max_sockets = 4;
  if (!Make(2, limits)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(party(1).Connect(address));
  EXPECT_FALSE(party(1).Connect(address));
}

// Who comes is let in or refused, and waits for nothing.
TEST_P(IoContract, AFullTableRefusesConnectionsUntilThereIsRoom) {
  IoLimits small = Scarce();
  small.max_sockets = 20;
  if (!Make(4, small)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  constexpr size_t kClients = 50;
  std::vector<std::pair<Party*, SocketId>> clients;
  const auto dial = [&](size_t i) {
    Party& client = party(1 + i % 3);
    clients.emplace_back(&client, client.Connect(address));
    return clients.back().second;
  };
  const auto refused = [](const std::pair<Party*, SocketId>& client) {
    const Party::Log& log = client.first->log(client.second);
    return log.connect_error == ECONNREFUSED || log.receive_error == ECONNRESET ||
           log.connect_error == ECONNRESET;
  };
  const auto all_refused = [&] { return std::count_if(clients.begin(), clients.end(), refused); };
  for (size_t i = 0; i < kClients; ++i) ASSERT_TRUE(dial(i));
  ASSERT_TRUE(Until([&] {
    return all_refused() == kClients - 19 && party(0).accepted.size() == 19;  // 95 % of 20
  }));
  EXPECT_EQ(party(0).io().stats().listeners_full, 1u);
  EXPECT_EQ(party(0).io().stats().times_full, 1u);
  EXPECT_LE(party(0).io().stats().reset_when_full, kClients - 19);
  party(0).io().Abort(party(0).accepted[0].socket);
  ASSERT_TRUE(Until([&] { return party(0).io().stats().listeners_full == 0; }));
  ASSERT_TRUE(dial(0));
  EXPECT_TRUE(Until([&] { return party(0).accepted.size() == 20; }));
  EXPECT_EQ(all_refused(), kClients - 19);
}

TEST_P(IoContract, AFullTableLeavesConnectionsToOthersWhoListenThere) {
  IoLimits small = Scarce();
  small.max_sockets = 20;
  if (!Make(4, small)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(party(2).Connect(address));
  ASSERT_TRUE(Until([&] { return party(0).io().stats().listeners_full == 1; }));
  world_->Listen(1, 2, address);
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(party(3).Connect(address));
  EXPECT_TRUE(Until([&] { return party(1).accepted.size() == 15; }));
  EXPECT_EQ(party(0).accepted.size(), 19u);
  // And it takes its part again.
  for (int i = 0; i < 10; ++i) party(0).io().Abort(party(0).accepted[i].socket);
  ASSERT_TRUE(Until([&] { return party(0).io().stats().listeners_full == 0; }));
  bool took = false;
  for (int i = 0; i < 5 && !took; ++i) {
    const size_t before = party(0).accepted.size() + party(1).accepted.size();
    const SocketId client = party(3).Connect(address);
    ASSERT_TRUE(client);
    ASSERT_TRUE(
        Until([&] { return party(0).accepted.size() + party(1).accepted.size() == before + 1; }));
    took = party(0).accepted.size() > 19;
  }
  EXPECT_TRUE(took);
}

TEST_P(IoContract, APausedListenerLeavesConnectionsInTheBacklog) {
  if (!Make(2)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  world_->Settle();
  party(0).io().PauseAccept(1);
  world_->Settle();
  const SocketId client = party(1).Connect(address);
  ASSERT_TRUE(Until([&] { return party(1).log(client).connects == 1; }));
  world_->Settle();
  EXPECT_EQ(party(0).accepted.size(), 0u);
  party(0).io().ResumeAccept(1);
  EXPECT_TRUE(Until([&] { return party(0).accepted.size() == 1; }));
  // Quick changes of mind end as the last one says.
  for (int i = 0; i < 10; ++i) {
    party(0).io().PauseAccept(1);
    if (i % 3 == 0) party(0).io().RunOnce(0);
    party(0).io().ResumeAccept(1);
  }
  party(1).Connect(address);
  EXPECT_TRUE(Until([&] { return party(0).accepted.size() == 2; }));
}

// However many wait, most can still be held back when the first of them is heard of.
TEST_P(IoContract, ALongBacklogComesInParts) {
  if (!Make(2)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  party(0).io().PauseAccept(1);
  world_->Settle();
  constexpr size_t kClients = 3 * kAcceptsAtOnce;
  std::vector<SocketId> clients;
  for (size_t i = 0; i < kClients; ++i) clients.push_back(party(1).Connect(address));
  ASSERT_TRUE(Until([&] {
    return std::ranges::all_of(clients, [&](SocketId c) { return party(1).log(c).connects == 1; });
  }));
  party(0).on_accept = [&](SocketId) { party(0).io().PauseAccept(1); };
  party(0).io().ResumeAccept(1);
  ASSERT_TRUE(Until([&] { return !party(0).accepted.empty(); }));
  world_->Settle();
  EXPECT_LE(party(0).accepted.size(), size_t{2 * kAcceptsAtOnce});
  party(0).on_accept = {};
  party(0).io().ResumeAccept(1);
  EXPECT_TRUE(Until([&] { return party(0).accepted.size() == kClients; }));
}

TEST_P(IoContract, TwoIosMayListenOnOneAddress) {
  if (!Make(3)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  world_->Listen(1, 2, address);
  for (int i = 0; i < 40; ++i) party(2).Connect(address);
  ASSERT_TRUE(Until([&] { return party(0).accepted.size() + party(1).accepted.size() == 40; }));
  EXPECT_GT(party(0).accepted.size(), 0u);
  EXPECT_GT(party(1).accepted.size(), 0u);
}

TEST_P(IoContract, ASocketMovesWithBytesOnTheWay) {
  if (!Make(3)) return;
  const std::string bytes = Pattern(200'000);
  // Each party reads some and hands the socket on to the other.
  std::string received;
  SocketId at;
  int moves = 0;
  for (size_t i = 0; i < 2; ++i) {
    Party& self = party(i);
    self.reads_on = false;
    self.on_accept = [&self](SocketId socket) { self.io().Receive(socket, BufferGroup::kSmall); };
    self.on_receive = [&, i](SocketId socket) {
      received += self.log(socket).received;
      self.log(socket).received.clear();
      if (received.size() >= bytes.size()) {
        at = socket;
        return;
      }
      ++moves;
      self.io().Move(socket, static_cast<uint32_t>(1 - i), 1000 + i);
      EXPECT_FALSE(self.io().IsOpen(socket));
    };
    self.on_moved = [&self](uint64_t token, SocketId socket) {
      EXPECT_TRUE(token == 1000 || token == 1001);
      // Every other time through a poll.
      if (self.moved.size() % 2 == 0) {
        self.io().Receive(socket, BufferGroup::kSmall);
      } else {
        self.io().WaitReadable(socket);
      }
    };
    self.on_readable = [&self](SocketId socket) { self.io().Receive(socket, BufferGroup::kSmall); };
  }
  const World::Pair pair = world_->Join(2, 0);
  party(2).io().Send(pair.client, std::string(bytes));
  ASSERT_TRUE(Until([&] { return received.size() >= bytes.size(); }));
  EXPECT_EQ(received, bytes);
  EXPECT_GT(moves, 100);
  Party& last = party(0).io().IsOpen(at) ? party(0) : party(1);
  last.io().Close(at, "goodbye");
  ASSERT_TRUE(Until([&] { return party(2).log(pair.client).over(); }));
  EXPECT_EQ(party(2).log(pair.client).received, "goodbye");
  party(2).io().Close(pair.client);
  EXPECT_TRUE(AllGone(3));
  EXPECT_EQ(party(0).io().stats().sockets_open + party(1).io().stats().sockets_open, 0u);
}

TEST_P(IoContract, AMoveWithdrawsAWait) {
  if (!Make(3)) return;
  party(0).reads_on = false;
  party(1).reads_on = false;
  const World::Pair pair = world_->Join(2, 0);
  party(0).io().WaitReadable(pair.server);
  world_->Settle();
  party(0).io().Move(pair.server, 1, 7);
  party(2).io().Send(pair.client, "moved");
  ASSERT_TRUE(Until([&] { return party(1).moved.size() == 1; }));
  EXPECT_EQ(party(1).moved[0].token, 7u);
  const SocketId there = party(1).moved[0].socket;
  party(1).io().WaitReadable(there);
  ASSERT_TRUE(Until([&] { return party(1).log(there).readables == 1; }));
  EXPECT_EQ(party(0).log(pair.server).readables, 0);
  // And to oneself.
  party(1).io().Move(there, 1, 8);
  ASSERT_TRUE(Until([&] { return party(1).moved.size() == 2; }));
  const SocketId again = party(1).moved[1].socket;
  EXPECT_FALSE(party(1).io().IsOpen(there));
  party(1).reads_on = true;
  party(1).io().Receive(again, BufferGroup::kSmall);
  EXPECT_TRUE(Until([&] { return party(1).log(again).received == "moved"; }));
}

TEST_P(IoContract, BytesAreCountedByWhoOpenedTheConnectionWhereverItMoves) {
  if (!Make(3)) return;
  for (size_t i = 0; i < 3; ++i) party(i).reads_on = false;
  const World::Pair pair = world_->Join(1, 0);
  party(1).io().Move(pair.client, 2, 1);
  ASSERT_TRUE(Until([&] { return party(2).moved.size() == 1; }));
  const SocketId opener = party(2).moved[0].socket;
  for (size_t i = 0; i < 3; ++i) party(i).reads_on = true;
  party(0).io().Receive(pair.server, BufferGroup::kSmall);
  party(2).io().Receive(opener, BufferGroup::kSmall);
  party(0).io().Send(pair.server, Pattern(200));
  party(2).io().Send(opener, Pattern(3000));
  ASSERT_TRUE(Until([&] {
    return party(0).log(pair.server).received.size() == 3000 &&
           party(2).log(opener).received.size() == 200 && party(0).log(pair.server).sents == 1 &&
           party(2).log(opener).sents == 1;
  }));
  const IoStats& taken = party(0).io().stats();
  EXPECT_EQ(taken.received_bytes, 3000u);
  EXPECT_EQ(taken.sent_bytes, 200u);
  EXPECT_EQ(taken.connected_received_bytes + taken.connected_sent_bytes, 0u);
  const IoStats& opened = party(2).io().stats();
  EXPECT_EQ(opened.received_bytes, 200u);
  EXPECT_EQ(opened.sent_bytes, 3000u);
  EXPECT_EQ(opened.connected_received_bytes, 200u);
  EXPECT_EQ(opened.connected_sent_bytes, 3000u);
}

TEST_P(IoContract, AMoveToAFullIoClosesAndTells) {
  IoLimits limits = Scarce();
  limits.max_sockets = 4;
  if (!Make(3, limits)) return;
  party(0).reads_on = false;
  const World::Pair pair = world_->Join(2, 0);
  // Two take no more than two each.
  const Address one = world_->Listen(0, 1, LoopbackV4());
  const Address other = world_->Listen(2, 1, LoopbackV4());
  int connected = 0;
  party(1).on_connect = [&](SocketId) { ++connected; };
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(party(1).Connect(i < 2 ? one : other));
  ASSERT_TRUE(Until([&] { return connected == 4; }));
  party(0).io().Move(pair.server, 1, 9);
  ASSERT_TRUE(Until([&] { return party(1).moved.size() == 1; }));
  EXPECT_EQ(party(1).moved[0].token, 9u);
  EXPECT_EQ(party(1).moved[0].error, ENFILE);
  EXPECT_FALSE(party(1).moved[0].socket);
  EXPECT_TRUE(Until([&] { return party(2).log(pair.client).over(); }));
}

TEST_P(IoContract, ABellIsHeardOnceHoweverOftenItRang) {
  if (!Make(2)) return;
  for (int i = 0; i < 100; ++i) party(0).io().RingBell(1);
  ASSERT_TRUE(Until([&] { return party(1).bells > 0; }));
  world_->Settle();
  const int heard = party(1).bells;
  EXPECT_LE(heard, 100);
  EXPECT_EQ(party(0).bells, 0);
  party(0).io().RingBell(1);
  EXPECT_TRUE(Until([&] { return party(1).bells > heard; }));
  party(1).io().RingBell(1);
  EXPECT_TRUE(Until([&] { return party(1).bells > heard + 1; }));
}

TEST_P(IoContract, WorkPerTurnIsBounded) {
  IoLimits limits = Scarce();
  limits.events_per_turn = 3;
  if (!Make(2, limits)) return;
  const Address address = world_->Listen(0, 1, LoopbackV4());
  for (int i = 0; i < 60; ++i) party(1).Connect(address);
  size_t before = 0;
  ASSERT_TRUE(Until([&] {
    const size_t now = party(0).accepted.size();
    EXPECT_LE(now - before, 6u) << "one turn, and perhaps one that waited";
    before = now;
    return now == 60;
  }));
}

TEST_P(IoContract, ListenersAreKnownByTheirNumber) {
  if (!Make(1)) return;
  world_->Listen(0, 1, LoopbackV4());
  const ListenerDescriptor second = world_->MakeListener(LoopbackV4(), {});
  EXPECT_EQ(party(0).io().Listen(second, 1), EEXIST);
  EXPECT_EQ(party(0).io().Listen(second, 2), 0);
  EXPECT_EQ(party(0).io().Listen(ListenerDescriptor{}, 3), EBADF);
  party(0).io().PauseAccept(99);
  party(0).io().ResumeAccept(99);
  party(0).io().CloseListener(99);
}

TEST_P(IoContract, TimeGoesOnAndRandomBytesDiffer) {
  if (!Make(1)) return;
  const uint64_t before = party(0).io().NowNs();
  world_->Settle();
  EXPECT_GE(party(0).io().NowNs(), before + 50 * kNsPerMs);
  EXPECT_GT(party(0).io().WallSeconds(), 1'600'000'000);
  uint8_t a[32] = {}, b[32] = {};
  party(0).io().Random(a);
  party(0).io().Random(b);
  EXPECT_NE(std::string(a, a + 32), std::string(b, b + 32));
}

// Many connections, everything at random, moves between two Ios: what arrives is always a beginning
// of what was sent, everything of it when the sender closed in order and nobody reset, and in the
// end nothing is left.
TEST_P(IoContract, ChaosKeepsEveryStreamInOrder) {
  if (!Make(3)) return;
  struct Stream {
    std::string sent;      // by the client
    std::string received;  // by whoever has the server's end
    size_t owner = 0;
    SocketId socket;
    bool closed = false;
  };
  std::map<uint16_t, Stream> streams;  // by the client's number
  std::map<std::pair<size_t, uint64_t>, uint16_t> who;
  const auto key = [](SocketId s) { return uint64_t{s.index} << 32 | s.generation; };
  Rng rng(77);
  std::map<uint64_t, uint16_t> moving;
  uint64_t next_token = 1;
  const auto find = [&](size_t at, SocketId socket) -> Stream* {
    const auto it = who.find({at, key(socket)});
    return it == who.end() ? nullptr : &streams[it->second];
  };
  const auto read_on = [&](size_t at, SocketId socket) {
    Io& io = party(at).io();
    if (!io.IsOpen(socket) || io.ReceivePending(socket)) return;
    if (rng.Chance(0.3)) {
      io.WaitReadable(socket);
    } else {
      io.Receive(socket, rng.Chance(0.5) ? BufferGroup::kSmall : BufferGroup::kLarge);
    }
  };
  for (size_t at = 0; at < 2; ++at) {
    Party& self = party(at);
    self.reads_on = false;
    self.on_receive = [&, at](SocketId socket) {
      Stream* stream = find(at, socket);
      ASSERT_NE(stream, nullptr);
      stream->received += self.log(socket).received;
      self.log(socket).received.clear();
      ASSERT_LE(stream->received.size(), stream->sent.size());
      if (self.log(socket).over()) {
        self.io().Close(socket);
        stream->closed = true;
      } else if (!self.io().ReceivePending(socket) && rng.Chance(0.2)) {
        const uint64_t token = next_token++;
        moving[token] = who[{at, key(socket)}];
        who.erase({at, key(socket)});
        self.io().Move(socket, static_cast<uint32_t>(1 - at), token);
      } else {
        read_on(at, socket);
      }
    };
    self.on_readable = [&, at](SocketId socket) { read_on(at, socket); };
    self.on_moved = [&, at](uint64_t token, SocketId socket) {
      who[{at, key(socket)}] = moving.at(token);
      read_on(at, socket);
    };
  }
  std::vector<World::Pair> pairs;
  for (uint16_t i = 0; i < 24; ++i) {
    pairs.push_back(world_->Join(2, 0, i % 2 == 0 ? TinyBuffers() : ListenOptions{}));
    who[{0, key(pairs.back().server)}] = i;
    streams[i].sent = Pattern(1000 + rng.Below(60'000), i);
    read_on(0, pairs.back().server);
  }
  for (uint16_t i = 0; i < 24; ++i) {
    const std::string& sent = streams[i].sent;
    const size_t half = rng.Below(sent.size());
    party(2).io().Send(pairs[i].client, sent.substr(0, half));
    // A third is aborted on the way, the others say everything.
    if (i % 3 != 0) party(2).io().Close(pairs[i].client, sent.substr(half));
  }
  size_t steps = 0;
  ASSERT_TRUE(Until([&] {
    if (++steps == 40) {
      for (uint16_t i = 0; i < 24; i += 3) party(2).io().Abort(pairs[i].client);
    }
    return steps > 40 && std::all_of(streams.begin(), streams.end(),
                                     [](const auto& one) { return one.second.closed; });
  }));
  for (uint16_t i = 0; i < 24; ++i) {
    const Stream& stream = streams[i];
    ASSERT_EQ(stream.received, stream.sent.substr(0, stream.received.size())) << i;
    if (i % 3 != 0) {
      EXPECT_EQ(stream.received.size(), stream.sent.size()) << i;
    }
  }
  EXPECT_TRUE(AllGone(3));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(party(i).io().stats().sockets_open, 0u);
}

INSTANTIATE_TEST_SUITE_P(Each, IoContract,
                         testing::Values(WorldKind::kSimulated, WorldKind::kUringOrdinary,
                                         WorldKind::kUringDirect),
                         [](const auto& info) { return testing::PrintToString(info.param); });

}  // namespace
}  // namespace roost
