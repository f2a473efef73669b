// What a password leaves behind in buffers that others get next.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "core/io/simulated.h"
#include "core/stream/loop.h"
#include "proto/tls/self_signed.h"

namespace roost {
namespace {

constexpr std::string_view kLogin = "a LOGIN ann open-sesame";

// One end of a connection: keeps what it hears.
class End final : public StreamOwner {
 public:
  explicit End(Loop& loop) : stream(loop.streams(), *this) {}

  Stream stream;
  std::string heard;

 private:
  void OnInput(Stream&) override {
    heard.append(stream.input());
    stream.Consume(stream.input().size());
  }
  void OnEnd(Stream&, StreamEnd) override {}
};

// A client and a server, whose Io's buffers are looked into after each use.
class StreamSecret : public ::testing::Test, private DeafIoHandler {
 protected:
  StreamSecret() {
    Address address;
    EXPECT_TRUE(Address::Parse("127.0.0.2:143", &address));
    server_loop_.io().SetHandler(this);  // in front of the loop
    server_loop_.io().Listen(network_.MakeListener(address), 0);
    runner_.Add([this] { return server_loop_.Turn(kNever); });
    runner_.Add([this] { return client_loop_.Turn(kNever); });
    client_.stream.Connect(address, {});
    EXPECT_TRUE(Runs([&] { return IsPlain(server_.stream) && IsPlain(client_.stream); }));
  }

  static bool IsPlain(const Stream& stream) { return stream.phase() == Stream::Phase::kPlain; }
  bool Runs(const std::function<bool()>& done) { return runner_.RunUntil(done, 5 * kNsPerSecond); }
  void StartTls() {
    const PemPair pem = MakeSelfSigned({"localhost"});
    TlsServerOptions options;
    options.certificates.push_back({.chain_pem = pem.cert_pem, .key_pem = pem.key_pem});
    std::string error;
    server_tls_ = TlsServerContext::Create(options, &error);
    client_tls_ = TlsClientContext::Create({.verify = false}, &error);
    server_.stream.StartTls(*server_tls_);
    client_.stream.StartTls(*client_tls_, "localhost");
    EXPECT_TRUE(Runs([&] { return server_.stream.secure() && client_.stream.secure(); }));
  }
  // The server hears the login; what is left of it where it was received.
  bool LeavesBehind() {
    left_.clear();
    server_.heard.clear();
    client_.stream.Write(kLogin);
    EXPECT_TRUE(Runs([&] { return server_.heard == kLogin; }));
    return left_.find("sesame") != left_.npos;
  }

  SimNetwork network_{1, SimOptions::Calm()};
  SimRunner runner_{&network_};
  DeafIoHandler nobody_;
  Loop server_loop_{*network_.AddIo(0), nobody_};
  Loop client_loop_{*network_.AddIo(1), nobody_};
  std::shared_ptr<const TlsServerContext> server_tls_;
  std::shared_ptr<const TlsClientContext> client_tls_;
  End server_{server_loop_};
  End client_{client_loop_};
  std::string left_;

 private:
  void OnAccept(uint64_t, SocketId socket, const Address&) override { server_.stream.Open(socket); }
  void OnReceive(Owner owner, SocketId, std::span<uint8_t> data, int error) override {
    server_loop_.streams().OnReceive(owner, data, error);
    left_.append(data.begin(), data.end());
  }
  void OnSent(Owner owner, SocketId, int error) override {
    server_loop_.streams().OnSent(owner, error);
  }
};

TEST_F(StreamSecret, IsWipedWhereItWasReceivedInClear) {
  EXPECT_FALSE(LeavesBehind());
  server_.stream.SetSecret(false);
  EXPECT_TRUE(LeavesBehind()) << "what is looked at is not where it is received";
}

TEST_F(StreamSecret, IsWipedWhereItWasOpened) {
  StartTls();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(LeavesBehind()) << i;
  server_.stream.SetSecret(false);
  EXPECT_TRUE(LeavesBehind()) << "what is looked at is not where it is opened";
}

}  // namespace
}  // namespace roost
