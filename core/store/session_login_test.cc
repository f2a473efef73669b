#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/connection_id.h"
#include "core/io/simulated.h"
#include "core/store/session.h"
#include "core/testing/scripted_world.h"
#include "proto/tls/self_signed.h"

namespace roost {
namespace {

constexpr std::string_view kWithId =
    "IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE ID LITERAL+ SASL-IR AUTH=PLAIN";
// What a client might say to pass for another, or for one that stands in front of others.
constexpr std::string_view kBold =
    "ID (\"name\" \"Mail\" \"X-Originating-IP\" \"192.0.2.1\" \"x-session-id\" \"1\" "
    "\"Forwarded-For\" \"192.0.2.2\" \"version\" \"3\")";

// Who a client is and where it comes from, as stores are told.
class SessionId : public ::testing::Test {
 protected:
  SessionId() { world_.config().stores[0].send_id_originating_ip = true; }

  // What the client said, less what only a proxy says, and then what is true of the client.
  void IsOfTheClient(const std::string& id) {
    const std::string said = "ID (\"name\" \"Mail\" \"version\" \"3\" \"x-originating-ip\" ";
    EXPECT_EQ(id.substr(0, said.size()), said) << id;
    EXPECT_EQ(id.find("192.0.2."), id.npos) << id;
    EXPECT_EQ(id.find("orward"), id.npos) << id;
    const size_t at = id.find("\"x-session-id\" \"");
    ASSERT_NE(at, id.npos) << id;
    EXPECT_EQ(at, id.rfind("\"x-session-id\"")) << "the client's own: " << id;
    EXPECT_EQ(id.substr(at + 16).size(), ConnectionId::kTextBytes + 2) << id;
  }
  // Parks on INBOX; its session drives.
  void Park(size_t client) {
    world_.Select(client, 0, {.uids = {1}});
    world_.ParkFirst(client, 0, {1});
  }

  ScriptedWorld world_{kWithId};
};

TEST_F(SessionId, CarriesNothingOfAClientThatOnlyAProxySays) {
  const size_t client = world_.Connect();
  world_.Say(client, std::string("i ") + std::string(kBold));
  world_.HearUntil(client, "i");
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l OK");
  IsOfTheClient(world_.IdOf(0));
}

TEST_F(SessionId, IsNeverTheClientsOwnCommand) {
  const size_t client = world_.LogIn();
  world_.Say(client, std::string("i ") + std::string(kBold));
  EXPECT_EQ(world_.Hear(client), "* ID (\"name\" \"Roost\" \"support-url\" NIL)");
  world_.HearsBeginning(client, "i OK");
  world_.AsksNothing(0, 0.5);
}

TEST_F(SessionId, IsSaidAgainByLaterSessionsOfTheClient) {
  const size_t other = world_.LogIn();
  Park(other);
  const size_t client = world_.LogIn();
  EXPECT_EQ(world_.IdOf(1).substr(0, 18), "ID (\"name\" \"Roost\"");
  world_.Select(client, 1, {.uids = {1}});
  world_.Join(client, 1, 0, {1});
  world_.EndIdle(client);
  world_.Say(client, std::string("n ") + std::string(kBold));  // parked, and without a session
  world_.HearUntil(client, "n");
  world_.Say(client, "f FETCH 1 (FLAGS)");
  world_.AwaitSession(2);
  IsOfTheClient(world_.IdOf(2));
}

TEST_F(SessionId, OfAFeedIsNobodysInParticular) {
  const size_t client = world_.Connect();
  world_.Say(client, std::string("i ") + std::string(kBold));
  world_.HearUntil(client, "i");
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l OK");
  Park(client);
  world_.Cut(0);
  world_.AwaitSession(1);
  EXPECT_EQ(world_.IdOf(1), "ID (\"name\" \"Roost\")");
}

// One session, by itself, and a store that speaks to it, over TLS if both want that.
class SessionLogin : public ::testing::Test,
                     private SessionSink,
                     private StreamOwner,
                     private DeafIoHandler {
 protected:
  SessionLogin() {
    const PemPair pem = MakeSelfSigned({"localhost"});
    TlsServerOptions tls;
    tls.certificates.push_back({.chain_pem = pem.cert_pem, .key_pem = pem.key_pem});
    std::string error;
    tls_ = TlsServerContext::Create(tls, &error);
    target_.tls = TlsClientContext::Create({.verify = false}, &error);
    EXPECT_EQ(error, "");
    target_.config = Borrowed(config_);
    config_.tls = StoreConfig::Tls::kNone;
    credentials_.kind = Credentials::Kind::kPassword;
    credentials_.user = "ann";
    credentials_.secret = "secret";
    target_.addresses.resize(1);
    target_.addresses[0].name = "localhost";
    EXPECT_TRUE(Address::Parse("127.0.0.2:143", &target_.addresses[0].address));
    store_.io().Listen(network_.MakeListener(target_.addresses[0].address), 0);
    runner_.Add([this] { return loop_.Turn(kNever); });
    runner_.Add([this] { return store_.Turn(kNever); });
  }
  ~SessionLogin() override { End(); }

  // Until it is ready or lost.
  void Open() {
    End();
    session_ = std::make_unique<Session>(loop_, target_, static_cast<SessionSink&>(*this));
    session_->Start(credentials_, {}, 0);
    EXPECT_TRUE(runner_.RunUntil([&] { return session_->ready() || loss_; }, 5 * kNsPerSecond));
  }
  void End() {
    if (session_ == nullptr) return;
    EndSession(std::move(session_));
    runner_.RunFor(kNsPerSecond / 10);
  }

  // The last that the store says; it goes at once.
  void SayLast(std::string_view lines) {
    stream_->Write(lines);
    stream_->Close();
    runner_.RunFor(kNsPerSecond / 10);
  }

  StoreConfig config_;
  Credentials credentials_;
  std::string greeting_ = "* OK hello";
  std::string before_tls_;         // lines that come with the answer to STARTTLS
  std::string capabilities_;       // lines that come with the answer to CAPABILITY
  Address from_;                   // where the session came from
  std::string login_;              // as the store was sent it, without its tag
  std::vector<std::string> told_;  // to whoever has the session
  std::optional<SessionLoss> loss_;
  bool pauses_ = false;  // whoever has the session wants no more after each piece
  std::unique_ptr<Session> session_;

 private:
  void OnStoreData(Session& session, const Piece& piece, const Response*) override {
    told_.emplace_back(piece.bytes);
    if (pauses_) session.PauseReading();
  }
  void OnSessionLost(Session&, SessionLoss loss, const std::string&) override { loss_ = loss; }
  void OnAccept(uint64_t, SocketId socket, const Address& peer) override {
    from_ = peer;
    stream_ = std::make_unique<Stream>(store_.streams(), static_cast<StreamOwner&>(*this));
    stream_->Open(socket);
    stream_->Write(greeting_ + "\r\n");
  }
  void OnInput(Stream& stream) override {
    const std::string line(stream.input().substr(0, stream.input().find("\r\n")));
    stream.Consume(stream.input().size());
    const size_t blank = line.find(' ');
    const std::string tag = line.substr(0, blank);
    const std::string command = line.substr(blank + 1);
    if (command == "STARTTLS") {
      stream.Write(before_tls_ + tag + " OK begin\r\n");
      return stream.StartTls(*tls_);
    }
    const bool asks = command == "CAPABILITY";
    if (!asks) login_ = command;
    stream.Write((asks ? capabilities_ : std::string()) + tag + " OK done\r\n");
  }
  void OnEnd(Stream&, StreamEnd) override {}

  SimNetwork network_{1, SimOptions::Calm()};
  SimRunner runner_{&network_};
  DeafIoHandler nobody_;
  Loop loop_{*network_.AddIo(0), nobody_};
  Loop store_{*network_.AddIo(1), *this};
  std::shared_ptr<const TlsServerContext> tls_;
  StoreTarget target_;
  std::unique_ptr<Stream> stream_;
};

// Whoever is on the way could have said it: it is nobody's to see, and decides nothing.
TEST_F(SessionLogin, ForgetsWhatWasSaidInClear) {
  config_.tls = StoreConfig::Tls::kStartTls;
  greeting_ = "* OK [ALERT] Call 555 1234";
  before_tls_ = "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n* OK [ALERT] Now\r\n";
  Open();
  EXPECT_FALSE(loss_);
  EXPECT_EQ(login_, "LOGIN ann secret");
  EXPECT_EQ(told_, std::vector<std::string>());
  capabilities_ = "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n* OK [ALERT] Full\r\n";
  Open();
  EXPECT_EQ(login_.substr(0, 18), "AUTHENTICATE PLAIN");
  EXPECT_EQ(told_, std::vector<std::string>({"* OK [ALERT] Full\r\n"}));
}

TEST_F(SessionLogin, KeepsSoMuchOfAlertsAndNoMore) {
  for (int i = 1000; i < 2000; ++i) {
    capabilities_ += "* OK [ALERT] " + std::to_string(i) + std::string(60, 'x') + "\r\n";
  }
  Open();
  EXPECT_EQ(told_.size(), 4096u / 64);
}

// What it was: thrown away, where it had come with the end of the TLS connection.
TEST_F(SessionLogin, TellsWhatCameBeforeTheEndThoughReadingWasPaused) {
  config_.tls = StoreConfig::Tls::kStartTls;
  pauses_ = true;
  Open();
  SayLast("* 1 EXISTS\r\n* 2 EXISTS\r\n* 3 EXISTS\r\n* 4 EX");
  EXPECT_EQ(told_,
            std::vector<std::string>({"* 1 EXISTS\r\n", "* 2 EXISTS\r\n", "* 3 EXISTS\r\n"}));
  EXPECT_EQ(std::exchange(loss_, {}), SessionLoss::kClosed);
  told_.clear();
  Open();
  session_->PauseReading();
  SayLast("* 1 EXISTS\r\n* BYE Down\r\n* 2 EXISTS\r\n");
  EXPECT_EQ(told_, std::vector<std::string>({"* 1 EXISTS\r\n", "* BYE Down\r\n"}));
  EXPECT_EQ(loss_, SessionLoss::kBye);
}

// No other address of the store would be sent it.
TEST_F(SessionLogin, IsRefusedWhereItCannotBeCarried) {
  for (const std::string_view offers : {"AUTH=PLAIN", "LITERAL+"}) {
    capabilities_ = "* CAPABILITY IMAP4rev1 " + std::string(offers) + "\r\n";
    credentials_.secret = std::string("a\0b", 3);
    Open();
    EXPECT_EQ(std::exchange(loss_, {}), SessionLoss::kRefused) << offers;
  }
  capabilities_ = "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n";
  for (const size_t size : {size_t{0}, kMaxSaslToken}) {
    credentials_.secret = std::string(size, 'x');
    Open();
    EXPECT_EQ(std::exchange(loss_, {}), SessionLoss::kRefused) << size;
  }
  EXPECT_EQ(login_, "");
}

// What it was: drawn from all, and each second session failed where half were of another family.
TEST_F(SessionLogin, ComesFromASourceOfTheFamilyOfTheStoresAddress) {
  Address four, six;
  ASSERT_TRUE(Address::Parse("127.0.0.5:0", &four));
  ASSERT_TRUE(Address::Parse("[::1]:0", &six));
  config_.source_addresses = {six, four};
  for (int i = 0; i < 10; ++i) {
    Open();
    ASSERT_FALSE(loss_);
    EXPECT_EQ(from_.HostString(), "127.0.0.5");
  }
  config_.source_addresses = {six};  // none: the kernel chooses
  Open();
  EXPECT_FALSE(loss_);
  EXPECT_EQ(from_.HostString(), "127.0.0.1");
}

}  // namespace
}  // namespace roost
