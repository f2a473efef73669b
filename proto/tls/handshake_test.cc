// Our handshakes against BoringSSL, and our record layer against BoringSSL's afterwards.
#include "proto/tls/handshake.h"

#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "proto/tls/handshake_test_util.h"

namespace roost {
namespace {

struct Choice {
  const char* name;
  uint16_t version;
  const char* tls12_suites;  // null: whatever TLS 1.3 gives
  bool rsa;
  const char* groups;
};

constexpr Choice kChoices[] = {
    {"Tls13Ecdsa", TLS1_3_VERSION, nullptr, false, ""},
    {"Tls13EcdsaP256Share", TLS1_3_VERSION, nullptr, false, "P-256"},
    {"Tls13Rsa", TLS1_3_VERSION, nullptr, true, ""},
    {"Tls12EcdsaAes128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", false, ""},
    {"Tls12EcdsaAes256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", false, ""},
    {"Tls12EcdsaChaCha", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", false, "P-384:P-256"},
    {"Tls12RsaAes128", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true, ""},
    {"Tls12RsaAes256", TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", true, ""},
    {"Tls12RsaChaCha", TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", true, ""},
};

BoringPeerOptions PeerOptions(const Choice& choice) {
  BoringPeerOptions options;
  options.min_version = options.max_version = choice.version;
  options.tls12_suites = choice.tls12_suites == nullptr ? "" : choice.tls12_suites;
  options.groups = choice.groups;
  return options;
}

class HandshakeTest : public testing::TestWithParam<std::tuple<Choice, Delivery>> {
 protected:
  const Choice& choice() const { return std::get<0>(GetParam()); }
  Delivery delivery() const { return std::get<1>(GetParam()); }
  const PemPair& pair() const { return choice().rsa ? Pki().rsa : Pki().ecdsa; }

  static std::string Lines(int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += "* " + std::to_string(i) + " EXISTS\r\n";
    return text;
  }

  // Data both ways in several sizes, then KeyUpdates, then the end.
  void Converse(OurEnd& ours, BoringPeer& peer) {
    for (const int lines : {1, 100, 5000}) {
      ours.Write(Lines(lines));
      peer.Write(Lines(lines / 2 + 1));
      Pump(ours, peer, delivery());
      EXPECT_EQ(peer.TakeData(), Lines(lines));
      EXPECT_EQ(ours.TakeData(), Lines(lines / 2 + 1));
    }
    if (choice().version == TLS1_3_VERSION) {
      for (const bool request : {false, true}) {
        peer.KeyUpdate(request);
        peer.Write("after key update");
        Pump(ours, peer, delivery());
        EXPECT_EQ(ours.TakeData(), "after key update");
        ASSERT_TRUE(SealKeyUpdate(ours.state, request, &ours.output, ours.ctx()));
        ours.Write("ours too");
        Pump(ours, peer, delivery());
        peer.Write("and back");
        Pump(ours, peer, delivery());
        EXPECT_EQ(peer.TakeData(), "ours too");
        EXPECT_EQ(ours.TakeData(), "and back");
      }
    }
    ASSERT_TRUE(SealCloseNotify(ours.state, &ours.output));
    peer.Shutdown();
    Pump(ours, peer, delivery());
    EXPECT_TRUE(peer.closed());
    EXPECT_FALSE(peer.failed()) << peer.error();
    EXPECT_EQ(ours.last.status, OpenResult::kCloseNotify);
  }
};
INSTANTIATE_TEST_SUITE_P(Every, HandshakeTest,
                         testing::Combine(testing::ValuesIn(kChoices),
                                          testing::Values(Delivery::kAtOnce,
                                                          Delivery::kSingleBytes)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == Delivery::kAtOnce ? "AtOnce"
                                                                                : "SingleBytes");
                         });

TEST_P(HandshakeTest, AsServerThenResumed) {
  const auto context = ServerContext(pair());
  BoringPeerOptions options = PeerOptions(choice());
  options.server_name = "IMAP.Example.org";
  options.alpn = std::string("\2h2\4imap");
  bssl::UniquePtr<SSL_SESSION> session;
  for (const bool resumed : {false, true}) {
    OurEnd ours;
    ours.use_context = resumed;
    ours.handshake = Handshake::Server(*context);
    options.session = session.get();
    const auto peer = BoringPeer::Client(options);
    Pump(ours, *peer, delivery());
    ASSERT_TRUE(ours.established) << ours.handshake->error() << " / " << peer->error();
    ASSERT_TRUE(peer->done());
    const HandshakeInfo& info = ours.handshake->info();
    EXPECT_EQ(info.version, choice().version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
    EXPECT_EQ(info.suite, SSL_CIPHER_standard_name(SSL_get_current_cipher(peer->ssl())));
    EXPECT_EQ(info.sni, "imap.example.org");
    EXPECT_EQ(info.alpn, "imap");
    EXPECT_EQ(info.resumed, resumed);
    EXPECT_EQ(SSL_session_reused(peer->ssl()) == 1, resumed);
    Converse(ours, *peer);
    // TLS 1.2 keeps the session it resumed; TLS 1.3 gives a new ticket each time.
    const int tickets = choice().version == TLS1_2_VERSION && resumed ? 0 : 1;
    EXPECT_EQ(peer->sessions(), tickets);
    if (peer->session() != nullptr) session = bssl::UpRef(peer->session());
  }
}

TEST_P(HandshakeTest, AsClient) {
  const auto context = ClientContext(Pki().ca.cert_pem());
  for (const char* name : {"imap.example.org", "127.0.0.1"}) {
    BoringPeerOptions options = PeerOptions(choice());
    options.cert_pem = pair().cert_pem;
    options.key_pem = pair().key_pem;
    const auto peer = BoringPeer::Server(options);
    OurEnd ours;
    ours.handshake = Handshake::Client(*context, name);
    ours.Feed("");
    Pump(ours, *peer, delivery());
    ASSERT_TRUE(ours.established) << ours.handshake->error() << " / " << peer->error();
    ASSERT_TRUE(peer->done());
    const char* const sni = SSL_get_servername(peer->ssl(), TLSEXT_NAMETYPE_host_name);
    EXPECT_EQ(sni == nullptr ? "" : std::string(sni), name[0] == 'i' ? name : "");
    EXPECT_EQ(ours.handshake->info().sni, name[0] == 'i' ? name : "");
    EXPECT_FALSE(ours.handshake->info().resumed);
    Converse(ours, *peer);
  }
}

TEST_P(HandshakeTest, OurClientAgainstOurServer) {
  const auto server_context = ServerContext(pair());
  const auto client_context = ClientContext(Pki().ca.cert_pem());
  const auto server = Handshake::Server(*server_context);
  const auto client = Handshake::Client(*client_context, "imap.example.org");
  EXPECT_EQ(client->Advance(""), Handshake::Status::kNeedMore);
  for (int i = 0; i < 10; ++i) {
    server->Advance(client->TakeOutput());
    client->Advance(server->TakeOutput());
  }
  ASSERT_EQ(server->status(), Handshake::Status::kDone) << server->error();
  ASSERT_EQ(client->status(), Handshake::Status::kDone) << client->error();
  std::string server_rest, client_rest;
  TlsState server_state = server->TakeState(&server_rest);
  TlsState client_state = client->TakeState(&client_rest);
  EXPECT_TRUE(server_rest.empty());
  ASSERT_TRUE(Seal(server_state, "* OK\r\n", &client_rest));
  EXPECT_EQ(OpenAll(client_state, client_rest).data, "* OK\r\n");
}

TEST_P(HandshakeTest, WhatFollowsFinishedIsHandedOn) {
  // Finished, a whole record and part of another arrive in one segment.
  const auto context = ServerContext(pair());
  OurEnd ours;
  ours.handshake = Handshake::Server(*context);
  const auto peer = BoringPeer::Client(PeerOptions(choice()));
  std::string to_us = peer->Take();
  for (int i = 0; i < 4 && !peer->done(); ++i) {
    ours.Feed(to_us);
    peer->Feed(ours.TakeOutput());
    to_us = peer->Take();
  }
  ASSERT_TRUE(peer->done()) << peer->error();
  if (choice().version == TLS1_2_VERSION) {
    // The client has the server's Finished already; nothing is outstanding.
    ASSERT_TRUE(ours.established);
  }
  peer->Write("a1 CAPABILITY\r\n");
  to_us += peer->Take();
  peer->Write("a2 NOOP\r\n");
  const std::string second = peer->Take();
  ours.Feed(to_us + second.substr(0, 7));
  ASSERT_TRUE(ours.established);
  EXPECT_EQ(ours.TakeData(), "a1 CAPABILITY\r\n");
  ours.Feed(second.substr(7));
  EXPECT_EQ(ours.TakeData(), "a2 NOOP\r\n");
}

TEST(HandshakeFlowTest, NothingIsSentBeforeTheClientHasSpoken) {
  const auto context = ServerContext(Pki().ecdsa);
  const auto handshake = Handshake::Server(*context);
  EXPECT_EQ(handshake->Advance(""), Handshake::Status::kNeedMore);
  EXPECT_TRUE(handshake->TakeOutput().empty());
  EXPECT_TRUE(handshake->info().sni.empty());
}

TEST(HandshakeFlowTest, ItIsKnownWhoseSignatureIsDear) {
  TlsServerOptions options;
  options.certificates.push_back({Pki().ecdsa.cert_pem, {}, Pki().ecdsa.key_pem, {}});
  const PemPair rsa = Pki().ca.Issue({"rsa.example.org"}, {.key = TestKey::kRsa2048});
  options.certificates.push_back({rsa.cert_pem, {}, rsa.key_pem, {}});
  std::string error;
  const auto context = TlsServerContext::Create(options, &error);
  ASSERT_NE(context, nullptr) << error;
  const auto asks_for = [&](const char* name) {
    const auto handshake = Handshake::Server(*context);
    const auto peer = BoringPeer::Client({.server_name = name});
    handshake->Advance(peer->Take());
    return handshake->IsRsa();
  };
  EXPECT_TRUE(asks_for("rsa.example.org"));
  EXPECT_FALSE(asks_for("imap.example.org"));
  EXPECT_FALSE(Handshake::Client(*ClientContext(Pki().ca.cert_pem()), "rsa.example.org")->IsRsa());
}

TEST(HandshakeFlowTest, BytesThatComeAfterDoneAreInTheLeftover) {
  const auto context = ServerContext(Pki().ecdsa);
  const auto handshake = Handshake::Server(*context);
  const auto peer = BoringPeer::Client({});
  handshake->Advance(peer->Take());
  peer->Feed(handshake->TakeOutput());
  ASSERT_EQ(handshake->Advance(peer->Take()), Handshake::Status::kDone);
  peer->Write("one ");
  EXPECT_EQ(handshake->Advance(peer->Take()), Handshake::Status::kDone);
  peer->Write("two");
  EXPECT_EQ(handshake->Advance(peer->Take()), Handshake::Status::kDone);
  std::string leftover;
  TlsState state = handshake->TakeState(&leftover);
  EXPECT_EQ(OpenAll(state, leftover).data, "one two");
}

TEST(HandshakeFlowTest, TheTicketIsSentAndCountedInTheWriteSequence) {
  const auto context = ServerContext(Pki().ecdsa);
  OurEnd ours;
  ours.handshake = Handshake::Server(*context);
  const auto peer = BoringPeer::Client({});
  Pump(ours, *peer, Delivery::kAtOnce);
  ASSERT_TRUE(ours.established);
  EXPECT_EQ(ours.state.write_sequence, 1u);
  EXPECT_EQ(ours.state.read_sequence, 0u);
  EXPECT_EQ(peer->sessions(), 1);
}

TEST(HandshakeFlowTest, TicketsOfTheStoreAreDroppedHoweverSplit) {
  const auto context = ClientContext(Pki().ca.cert_pem());
  BoringPeerOptions options;
  options.cert_pem = Pki().ecdsa.cert_pem;
  options.key_pem = Pki().ecdsa.key_pem;
  options.tickets = 16;
  const auto peer = BoringPeer::Server(options);
  OurEnd ours;
  ours.handshake = Handshake::Client(*context, "imap.example.org");
  ours.Feed("");
  Pump(ours, *peer, Delivery::kAtOnce);
  ASSERT_TRUE(peer->done());
  peer->Write("* OK ready\r\n");
  Pump(ours, *peer, Delivery::kSingleBytes);
  EXPECT_EQ(ours.data, "* OK ready\r\n");
  EXPECT_GT(ours.state.read_sequence, 1u);
}

}  // namespace
}  // namespace roost
