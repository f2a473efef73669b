#include "core/stream/stream.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/simulated.h"
#include "core/stream/loop.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/test_certs.h"

namespace roost {
namespace {

struct Peer final : StreamOwner {
  explicit Peer(StreamSet& set) : stream(set, *this) {}
  void OnInput(Stream&) override {
    if (!answer.empty()) stream.Write(std::exchange(answer, {}));
  }
  void OnEnd(Stream&, StreamEnd) override {}
  Stream stream;
  std::string answer;  // to what comes next
};

// A client that holds back what its handshake says until it is told to say it.
struct Hesitant {
  explicit Hesitant(Peer& peer, const TlsClientContext& context)
      : stream(peer.stream), handshake(Handshake::Client(context, "")) {
    Listen();
  }
  // Takes what the server has said.
  void Listen() {
    handshake->Advance(stream.input());
    stream.Consume(stream.input().size());
    unsaid += handshake->TakeOutput();
  }
  void Say(size_t bytes) {
    stream.Write(unsaid.substr(0, bytes));
    unsaid.erase(0, bytes);
  }
  void SayAll() { Say(unsaid.size()); }

  Stream& stream;
  std::unique_ptr<Handshake> handshake;
  std::string unsaid;
};

// Both ends of some connections, the client's turns and the server's apart.
class Handshakes : public DeafIoHandler {
 public:
  explicit Handshakes(const PemPair& pem) {
    std::string error;
    TlsServerOptions options;
    options.certificates.push_back({pem.cert_pem, {}, pem.key_pem, {}});
    context_ = TlsServerContext::Create(options, &error);
    trusting_ = TlsClientContext::Create({.verify = false, .ca_pem = pem.cert_pem}, &error);
    EXPECT_TRUE(context_ != nullptr && trusting_ != nullptr) << error;
    // No handshake goes on here: what comes is only read.
    runner_.Add([this] { return server_.io().RunOnce(kNever); });
    runner_.Add([this] { return client_.Turn(kNever); });
  }

  void Begin(size_t clients) {
    Connect(clients);
    for (const auto& client : clients_) client->stream.StartTls(*trusting_, "");
    Pass();
  }
  void Connect(size_t clients) {
    Address address;
    ASSERT_TRUE(Address::Parse("127.0.0.1:993", &address));
    ASSERT_EQ(server_.io().Listen(network_.MakeListener(address), 1), 0);
    for (size_t i = 0; i < clients; ++i) {
      clients_.push_back(std::make_unique<Peer>(client_.streams()));
      clients_.back()->stream.Connect(address, {});
    }
    Pass();
    ASSERT_EQ(accepted_.size(), clients);
  }
  Hesitant Hesitate(size_t client) { return Hesitant(*clients_[client], *trusting_); }
  void Leave(size_t client) { clients_[client]->stream.Close(); }
  void Vanish(size_t client) { clients_[client]->stream.Abort(); }
  void Pass() { runner_.RunFor(kNsPerSecond); }
  void TurnServer() { server_.Turn(network_.NowNs()); }
  // Both sides' turns, until nothing is on the wire.
  void Talk() {
    for (int turn = 0; turn < 4; ++turn) TurnServer(), Pass();
  }
  Loop& client() { return client_; }
  Peer& client_end(size_t i) { return *clients_[i]; }
  Peer& server_end(size_t i) { return *accepted_[i]; }
  uint64_t answered() const { return client_.streams().stats().handshakes_done; }
  uint64_t done() const { return server_.streams().stats().handshakes_done; }
  uint64_t waiting() const { return server_.streams().stats().handshakes_in_progress; }
  uint64_t Ended(HandshakeEnd end) const {
    const auto& all = server_.streams().stats().handshakes;
    return all[static_cast<size_t>(TlsSide::kServer)][static_cast<size_t>(end)];
  }
  const Stream& accepted(size_t client) const { return accepted_[client]->stream; }

 private:
  void OnAccept(uint64_t, SocketId socket, const Address&) override {
    accepted_.push_back(std::make_unique<Peer>(server_.streams()));
    accepted_.back()->stream.Open(socket);
    accepted_.back()->stream.StartTls(*context_);
  }

  SimNetwork network_{1, SimOptions::Calm()};
  SimRunner runner_{&network_};
  Loop server_{*network_.AddIo(0), *this};
  Loop client_{*network_.AddIo(1), *this};
  std::unique_ptr<TlsServerContext> context_;
  std::unique_ptr<TlsClientContext> trusting_;
  std::vector<std::unique_ptr<Peer>> accepted_, clients_;
};

TEST(StreamSet, ATurnTakesSomeHandshakesFurther) {
  Handshakes all(TestCa().Issue({"imap.example.org"}));
  constexpr uint64_t kAtOnce = StreamSet::kHandshakeStepsPerTurn;
  all.Begin(kAtOnce + 2);
  all.TurnServer();
  all.Pass();
  EXPECT_EQ(all.answered(), kAtOnce);
  all.TurnServer();
  all.Pass();
  EXPECT_EQ(all.answered(), kAtOnce + 2);
}

TEST(StreamSet, ATurnMakesOneSignatureWithAnRsaKey) {
  Handshakes all(TestCa().Issue({"imap.example.org"}, {.key = TestKey::kRsa2048}));
  all.Begin(3);
  for (uint64_t turn = 1; turn <= 3; ++turn) {
    all.TurnServer();
    all.Pass();
    EXPECT_EQ(all.answered(), turn);
  }
  for (int turn = 0; turn < 3; ++turn) all.TurnServer();
  EXPECT_EQ(all.done(), 3u);
}

TEST(Stream, AnswersKeyUpdatesNoFurtherThanTheirPeerReads) {
  Handshakes all(TestCa().Issue({"imap.example.org"}));
  all.Begin(1);
  all.Talk();
  ASSERT_EQ(all.done(), 1u);
  Stream::Detached peer = all.client_end(0).stream.Detach();
  for (int burst = 0; burst < 200; ++burst) {
    std::string bytes;
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(Seal(peer.tls, "x", &bytes));
      ASSERT_TRUE(SealKeyUpdate(peer.tls, true, &bytes));
    }
    all.client().io().Send(peer.socket, std::move(bytes));
    all.Talk();
  }
  EXPECT_EQ(all.server_end(0).stream.input().size(), 200u * 200);
  EXPECT_LT(all.server_end(0).stream.unsent(), 16u * 1024);
}

// A wait with a poll would cost a turn more for each answer.
TEST(Stream, RestingWaitsForAnswersWithAReceive) {
  Handshakes all(TestCa().Issue({"imap.example.org"}));
  all.Begin(1);
  all.Talk();
  Stream& resting = all.server_end(0).stream;
  resting.SetResting(true);
  all.client_end(0).stream.Write("* 1 EXISTS\r\n");
  all.Talk();
  resting.Consume(resting.input().size());
  EXPECT_FALSE(resting.waiting_for_receive());
  all.server_end(0).answer = "DONE\r\n";
  all.client_end(0).stream.Write("* 2 EXISTS\r\n");
  all.Talk();
  EXPECT_TRUE(resting.waiting_for_receive());
  all.client_end(0).stream.Write("a OK Done.\r\n");
  all.Talk();
  EXPECT_FALSE(resting.waiting_for_receive());
}

// What it was: its end was seen only after its turn, which had cost a signature.
TEST(StreamSet, SpendsNoTurnOnAHandshakeWhoseClientHasLeftBefore) {
  Handshakes all(TestCa().Issue({"imap.example.org"}, {.key = TestKey::kRsa2048}));
  all.Begin(4);
  all.TurnServer();
  all.Leave(1);
  all.Vanish(2);
  all.Pass();
  EXPECT_EQ(all.answered(), 1u);
  EXPECT_EQ(all.Ended(HandshakeEnd::kGone), 2u);
  EXPECT_EQ(all.waiting(), 2u);
  EXPECT_EQ(all.accepted(1).phase(), Stream::Phase::kEnded);
  all.TurnServer();
  all.Pass();
  EXPECT_EQ(all.answered(), 2u);
}

TEST(StreamSet, TakesWhatComesOfAHandshakeWhileItWaitsForItsTurn) {
  Handshakes all(TestCa().Issue({"imap.example.org"}));
  all.Connect(1);
  Hesitant client = all.Hesitate(0);
  while (!client.unsaid.empty()) {
    client.Say(std::min<size_t>(100, client.unsaid.size()));
    all.Pass();
  }
  all.TurnServer();
  all.Pass();
  client.Listen();
  EXPECT_EQ(client.handshake->status(), Handshake::Status::kDone);
  client.SayAll();
  all.Pass();
  all.TurnServer();
  EXPECT_EQ(all.done(), 1u);
}

TEST(StreamSet, ReceivesNoMoreOfAWaitingHandshakeThanItsFirstMessageTakes) {
  Handshakes all(TestCa().Issue({"imap.example.org"}));
  all.Connect(1);
  const size_t before = all.accepted(0).memory_bytes();
  Hesitant client = all.Hesitate(0);
  client.unsaid.append(100'000, 'x');
  client.SayAll();
  all.Pass();
  EXPECT_LT(all.accepted(0).memory_bytes(), before + 16'384);
}

// It has said all that a handshake needs: whatever it said behind that is still to be read.
TEST(StreamSet, FinishesTheHandshakeOfAClientThatHasNoMoreToSay) {
  Handshakes all(TestCa().Issue({"imap.example.org"}));
  all.Connect(1);
  Hesitant client = all.Hesitate(0);
  client.SayAll();
  all.Pass();
  all.TurnServer();
  all.Pass();
  client.Listen();
  client.SayAll();
  all.Leave(0);
  all.Pass();
  all.TurnServer();
  EXPECT_EQ(all.done(), 1u);
}

}  // namespace
}  // namespace roost
