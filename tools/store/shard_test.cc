// Shards on a simulated network: segments cut to bytes, receives that wait for buffers, connections
// that break, and users spread over three shards.
#include "tools/store/shard.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/simulated.h"
#include "proto/tls/self_signed.h"
#include "tools/store/test_client.h"

namespace roost::embedded {
namespace {

// One connection of a client: writes what it is told, keeps what it hears.
class Peer : private StreamOwner {
 public:
  Peer(Loop& loop, const Address& to) : stream_(loop.streams(), *this) { stream_.Connect(to, {}); }

  void Say(std::string_view text) { connected_ ? stream_.Write(text) : void(unsaid_.append(text)); }
  void StartTls(const TlsClientContext& context) { stream_.StartTls(context, "localhost"); }
  const std::string& heard() const { return heard_; }
  bool Heard(std::string_view text) const { return Has(heard_, text); }
  std::string Take() { return std::exchange(heard_, {}); }
  bool ended() const { return ended_; }
  bool secure() const { return stream_.secure(); }
  SocketId socket() const { return stream_.socket(); }

 private:
  void OnConnected(Stream& stream) override {
    connected_ = true;
    stream.Write(unsaid_);
  }
  void OnInput(Stream& stream) override {
    heard_.append(stream.input());
    stream.Consume(stream.input().size());
  }
  void OnEnd(Stream&, StreamEnd) override { ended_ = true; }

  Stream stream_;
  std::string heard_;
  std::string unsaid_;
  bool connected_ = false;
  bool ended_ = false;
};

class ShardTest : public testing::TestWithParam<int> {
 protected:
  static constexpr uint32_t kShards = 3;

  ShardTest() : network_(static_cast<uint64_t>(GetParam())), runner_(&network_) {
    options_.listeners = {Listener(Protocol::kImap, TlsUse::kStartTls),
                          Listener(Protocol::kLmtp, TlsUse::kNone),
                          Listener(Protocol::kControl, TlsUse::kNone)};
    const PemPair pem = MakeSelfSigned({"localhost"});
    TlsServerOptions tls;
    tls.certificates.push_back({.chain_pem = pem.cert_pem, .key_pem = pem.key_pem});
    std::string error;
    options_.tls = TlsServerContext::Create(tls, &error);
    client_tls_ = TlsClientContext::Create({.verify = false}, &error);
    std::vector<ListenerDescriptor> listening;
    for (ListenerSpec& spec : options_.listeners) {
      listening.push_back(network_.MakeListener(spec.address));
      spec.address = listening.back().bound;
    }
    for (uint32_t i = 0; i < kShards; ++i) {
      shards_.push_back(std::make_unique<Shard>(*network_.AddIo(0), i, &group_, &options_, 100));
      group_.push_back(shards_.back().get());
      for (size_t l = 0; l < listening.size(); ++l) shards_[i]->Listen(listening[l], l);
      runner_.Add([shard = group_.back()] { return shard->loop().Turn(kNever); });
    }
    client_io_ = network_.AddIo(1);
    client_loop_ = std::make_unique<Loop>(*client_io_, no_handler_);
    runner_.Add([this] { return client_loop_->Turn(kNever); });
  }

  static ListenerSpec Listener(Protocol protocol, TlsUse tls) {
    ListenerSpec spec{.address = {}, .protocol = protocol, .tls = tls};
    Address::Parse("127.0.0.1:0", &spec.address);
    return spec;
  }

  std::unique_ptr<Peer> Connect(size_t listener) {
    return std::make_unique<Peer>(*client_loop_, options_.listeners[listener].address);
  }
  // Connected, logged in, in IDLE.
  std::unique_ptr<Peer> Idler(const std::string& user) {
    auto peer = Connect(0);
    peer->Say("a LOGIN " + user + " x\r\nb SELECT INBOX\r\nc IDLE\r\n");
    EXPECT_TRUE(Until([&] { return peer->Heard("+ idling\r\n"); })) << peer->heard();
    peer->Take();
    return peer;
  }
  void Deliver(const std::vector<std::string>& users) {
    auto lmtp = Connect(1);
    std::string text = "LHLO x\r\nMAIL FROM:<>\r\n";
    for (const std::string& user : users) text += "RCPT TO:<" + user + "@x.example>\r\n";
    lmtp->Say(text + "DATA\r\nSubject: hi\r\n\r\nHi\r\n.\r\nQUIT\r\n");
    EXPECT_TRUE(Until([&] { return lmtp->ended(); })) << lmtp->heard();
    EXPECT_HAS(lmtp->heard(), "250 2.0.0 Delivered\r\n221");
  }
  bool Until(const std::function<bool()>& done) { return runner_.RunUntil(done); }

  SimNetwork network_;
  SimRunner runner_;
  ServerOptions options_;
  std::unique_ptr<TlsClientContext> client_tls_;
  ShardGroup group_;
  std::vector<std::unique_ptr<Shard>> shards_;
  DeafIoHandler no_handler_;
  Io* client_io_ = nullptr;
  std::unique_ptr<Loop> client_loop_;
};

TEST_P(ShardTest, UsersLiveOnOneShardWhereverTheyConnect) {
  std::vector<std::unique_ptr<Peer>> idlers;
  for (int user = 0; user < 5; ++user) {
    for (int i = 0; i < 3; ++i) idlers.push_back(Idler("user" + std::to_string(user)));
  }
  for (int user = 0; user < 5; ++user) {
    const std::string name = "user" + std::to_string(user);
    EXPECT_EQ(group_[0]->OwnerOf(name).registry().Get(name)->counts().idling, 3u);
  }
  Deliver({"user0", "user1", "user2", "user3", "user4"});
  for (const auto& idler : idlers) {
    EXPECT_TRUE(Until([&] { return idler->Heard("* 1 EXISTS\r\n"); })) << idler->heard();
  }
}

TEST_P(ShardTest, TheControlConnectionCountsAllShards) {
  auto one = Idler("one");
  auto two = Idler("two");
  auto control = Connect(2);
  control->Say("counts\n");
  ASSERT_TRUE(Until([&] { return control->Heard("\n\n"); }));
  EXPECT_HAS(control->heard(), "sessions 2\nselected 2\nidling 2\nlogins 2\n");
  EXPECT_HAS(control->heard(), "user two sessions 1 selected 1 idling 1 logins 1\n");
  control->Say("quit\n");
  EXPECT_TRUE(Until([&] { return control->ended(); }));
}

TEST_P(ShardTest, AConnectionMovesWithItsTls) {
  for (int user = 0; user < 4; ++user) {
    auto peer = Connect(0);
    ASSERT_TRUE(Until([&] { return peer->Heard("STARTTLS"); }));
    peer->Say("a STARTTLS\r\n");
    ASSERT_TRUE(Until([&] { return peer->Heard("a OK Begin\r\n"); })) << peer->heard();
    peer->StartTls(*client_tls_);
    ASSERT_TRUE(Until([&] { return peer->secure(); }));
    peer->Say("b LOGIN tls" + std::to_string(user) + " x\r\n");
    peer->Say("c APPEND INBOX {100000+}\r\n" + std::string(100000, 'x') + "\r\n");
    peer->Say("d SELECT INBOX\r\ni IDLE\r\n");
    ASSERT_TRUE(Until([&] { return peer->Heard("+ idling\r\n"); }));
    runner_.RunFor(10 * kNsPerMs);  // it falls asleep
    Deliver({"tls" + std::to_string(user)});
    ASSERT_TRUE(Until([&] { return peer->Heard("* 2 EXISTS\r\n"); }));
    runner_.RunFor(10 * kNsPerMs);
    peer->Say("DONE\r\ne FETCH 1 BODY[]\r\nf LOGOUT\r\n");
    ASSERT_TRUE(Until([&] { return peer->ended(); })) << peer->heard().substr(0, 1000);
    EXPECT_HAS(peer->heard(), "f OK");
    EXPECT_GT(peer->heard().size(), 100000u);
  }
}

TEST_P(ShardTest, WhoListensByNotifyHearsAsleepAndAwake) {
  auto peer = Connect(0);
  peer->Say(
      "a LOGIN one x\r\nb SELECT INBOX\r\n"
      "c NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge))\r\n");
  ASSERT_TRUE(Until([&] { return peer->Heard("c OK"); })) << peer->heard();
  runner_.RunFor(10 * kNsPerMs);  // it falls asleep
  Deliver({"one"});
  ASSERT_TRUE(Until([&] { return peer->Heard("* 1 EXISTS\r\n* 1 FETCH (UID 1)\r\n"); }));
  runner_.RunFor(10 * kNsPerMs);
  peer->Say("d UID FETCH 1 FLAGS\r\ne CREATE {3}\r\n");
  ASSERT_TRUE(Until([&] { return peer->Heard("+ Go on\r\n"); })) << peer->heard();
  EXPECT_TRUE(peer->Heard("d OK"));
  Deliver({"one"});
  runner_.RunFor(10 * kNsPerMs);
  EXPECT_FALSE(peer->Heard("* 2 EXISTS")) << "half a command is no time for news";
  peer->Say("Box\r\nf IDLE\r\n");
  ASSERT_TRUE(Until([&] { return peer->Heard("+ idling\r\n"); })) << peer->heard();
  EXPECT_TRUE(peer->Heard("* 2 EXISTS\r\n* 2 FETCH (UID 2)\r\n"));
}

// A connection that was told news fell asleep with a receive in flight, and what that brought was
// lost.
TEST_P(ShardTest, WhatAClientSaysWhileItIsToldNewsIsHeard) {
  std::vector<std::unique_ptr<Peer>> idlers;
  for (int i = 0; i < 12; ++i) idlers.push_back(Idler("one"));
  auto writer = Idler("one");
  Rng rng(static_cast<uint64_t>(GetParam()));
  for (int round = 0; round < 10; ++round) {
    writer->Say("DONE\r\nw APPEND INBOX {3+}\r\nHi.\r\nw IDLE\r\n");
    for (const auto& idler : idlers) {
      runner_.RunFor(rng.Below(100) * kNsPerUs);
      idler->Say("DONE\r\nx NOOP\r\nc IDLE\r\n");
    }
    for (const auto& idler : idlers) {
      ASSERT_TRUE(Until([&] { return idler->Heard("x OK Done\r\n+ idling\r\n"); }))
          << "round " << round << ": " << idler->heard();
      idler->Take();
    }
    ASSERT_TRUE(Until([&] { return writer->Heard("+ idling\r\n"); }));
    writer->Take();
  }
}

TEST_P(ShardTest, BrokenConnectionsLeaveNothingBehind) {
  Rng rng(static_cast<uint64_t>(GetParam()));
  for (int i = 0; i < 20; ++i) {
    auto peer = Connect(0);
    peer->Say("a LOGIN broken" + std::to_string(i % 4) + " x\r\nb SELECT INBOX\r\n");
    const uint64_t patience = rng.Below(2000) * kNsPerUs;
    runner_.RunFor(patience);
    if (rng.Below(2) == 0) {
      network_.CutConnection(client_io_, peer->socket());
    } else {
      peer.reset();
    }
    runner_.RunFor(10 * kNsPerMs);
  }
  Report report;
  runner_.RunFor(10 * kNsPerSecond);
  for (Shard* shard : group_) shard->registry().Collect(&report);
  EXPECT_EQ(report.counts.open, 0u);
  EXPECT_EQ(report.counts.selected, 0u);
}

TEST_P(ShardTest, StoppingSaysGoodbye) {
  auto idler = Idler("one");
  for (Shard* shard : group_) shard->Stop();
  EXPECT_TRUE(Until([&] { return idler->ended(); }));
  EXPECT_HAS(idler->heard(), "* BYE");
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShardTest, testing::Range(1, 13));

}  // namespace
}  // namespace roost::embedded
