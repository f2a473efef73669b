// Certificates, SNI, ticket keys, trust: what the contexts decide, and what they say when refused.
#include "proto/tls/tls_context.h"

#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "proto/tls/handshake_test_util.h"

namespace roost {
namespace {

std::string CreateError(const TlsCertificate& certificate) {
  TlsServerOptions options;
  options.certificates.push_back(certificate);
  std::string error;
  EXPECT_EQ(TlsServerContext::Create(options, &error), nullptr);
  return error;
}

void ExpectSays(const std::string& error, const std::string& part) {
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

class TempFile {
 public:
  explicit TempFile(const std::string& contents) {
    path_ = testing::TempDir() + "roost-tls-" + std::to_string(++count_) + "-" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::ofstream(path_) << contents;
  }
  ~TempFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::string path_;
};

TEST(TlsServerContextTest, TakesFilesAndText) {
  const TempFile chain(Pki().ecdsa.cert_pem), key(Pki().ecdsa.key_pem);
  TlsServerOptions options;
  options.certificates.push_back({{}, chain.path(), {}, key.path()});
  options.certificates.push_back({Pki().rsa.cert_pem, {}, Pki().rsa.key_pem, {}});
  std::string error;
  const auto context = TlsServerContext::Create(options, &error);
  ASSERT_NE(context, nullptr) << error;
  EXPECT_EQ(context->certificate_count(), 2u);
}

TEST(TlsServerContextTest, TakesOneFileWithKeyAndChain) {
  const TempFile both(Pki().ecdsa.key_pem + Pki().ecdsa.cert_pem);
  TlsServerOptions options;
  options.certificates.push_back({{}, both.path(), {}, both.path()});
  std::string error;
  EXPECT_NE(TlsServerContext::Create(options, &error), nullptr) << error;
}

TEST(TlsServerContextTest, SaysWhichFileIsWrongAndHow) {
  const PemPair& good = Pki().ecdsa;
  ExpectSays(CreateError({{}, "/nonexistent/chain.pem", good.key_pem, {}}),
             "/nonexistent/chain.pem: cannot be read: No such file");
  ExpectSays(CreateError({good.cert_pem, {}, {}, "/nonexistent/key.pem"}),
             "/nonexistent/key.pem: cannot be read");
  ExpectSays(CreateError({{}, {}, good.key_pem, {}}), "no certificate given");
  ExpectSays(CreateError({good.cert_pem, {}, {}, {}}), "no private key given");
  const TempFile empty("");
  ExpectSays(CreateError({{}, empty.path(), good.key_pem, {}}), "holds no certificate");
  ExpectSays(CreateError({good.key_pem, {}, good.key_pem, {}}), "holds no certificate");
  ExpectSays(CreateError({good.cert_pem, {}, good.cert_pem, {}}), "holds no private key");
  ExpectSays(CreateError({good.cert_pem, {}, Pki().rsa.key_pem, {}}), "does not belong");
  std::string damaged = good.cert_pem;
  damaged[damaged.size() / 2] = '!';
  ExpectSays(CreateError({damaged, {}, good.key_pem, {}}), "certificate 1 in it is damaged");
  std::string damaged_key = good.key_pem;
  damaged_key[damaged_key.size() / 2] = '!';
  ExpectSays(CreateError({good.cert_pem, {}, damaged_key, {}}), "damaged");
  ExpectSays(CreateError({good.cert_pem,
                          {},
                          "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n"
                          "-----END ENCRYPTED PRIVATE KEY-----\n",
                          {}}),
             "encrypted");
  std::string error;
  EXPECT_EQ(TlsServerContext::Create({}, &error), nullptr);
  ExpectSays(error, "no certificate");
}

TEST(TlsServerContextTest, SaysWhenTheChainIsInTheWrongOrder) {
  const PemPair leaf = Pki().ca.Issue({"a.example.org"});
  ExpectSays(CreateError({Pki().ca.cert_pem() + leaf.cert_pem, {}, leaf.key_pem, {}}),
             "is number 2 in it; it must be the first");
}

TEST(TlsServerContextTest, RefusesKeysClientsWouldRefuse) {
  const PemPair small = Pki().ca.Issue({"a.example.org"}, {.key = TestKey::kRsa1024});
  ExpectSays(CreateError({small.cert_pem, {}, small.key_pem, {}}), "1024 bits");
  const PemPair edwards = Pki().ca.Issue({"a.example.org"}, {.key = TestKey::kEd25519});
  ExpectSays(CreateError({edwards.cert_pem, {}, edwards.key_pem, {}}), "not supported");
}

// Which certificate a client asking for `name` is shown: its first alternative name.
std::string ShownFor(const TlsServerContext& context, const std::string& name) {
  OurEnd ours;
  ours.handshake = Handshake::Server(context);
  BoringPeerOptions options;
  options.server_name = name;
  const auto peer = BoringPeer::Client(options);
  Pump(ours, *peer, Delivery::kAtOnce);
  if (!ours.established) return "failed: " + ours.handshake->error();
  X509* const x509 = sk_X509_value(SSL_get_peer_full_cert_chain(peer->ssl()), 0);
  char cn[100] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, cn, sizeof cn);
  return cn;
}

TEST(TlsServerContextTest, PicksTheCertificateByName) {
  TlsServerOptions options;
  for (const auto& names :
       std::vector<std::vector<std::string>>{{"default.example.org"},
                                             {"*.wild.example.org", "second.example.org"},
                                             {"mail.wild.example.org"},
                                             {"default.example.org", "both.example.org"}}) {
    const PemPair pair = Pki().ca.Issue(names);
    options.certificates.push_back({pair.cert_pem, {}, pair.key_pem, {}});
  }
  std::string error;
  const auto context = TlsServerContext::Create(options, &error);
  ASSERT_NE(context, nullptr) << error;
  EXPECT_EQ(ShownFor(*context, ""), "default.example.org");
  EXPECT_EQ(ShownFor(*context, "unknown.example.net"), "default.example.org");
  EXPECT_EQ(ShownFor(*context, "a.wild.example.org"), "*.wild.example.org");
  EXPECT_EQ(ShownFor(*context, "A.WILD.Example.ORG"), "*.wild.example.org");
  EXPECT_EQ(ShownFor(*context, "a.b.wild.example.org"), "default.example.org");
  EXPECT_EQ(ShownFor(*context, "wild.example.org"), "default.example.org");
  EXPECT_EQ(ShownFor(*context, "second.example.org"), "*.wild.example.org");
  EXPECT_EQ(ShownFor(*context, "mail.wild.example.org"), "mail.wild.example.org");
  EXPECT_EQ(ShownFor(*context, "both.example.org"), "default.example.org");
  EXPECT_EQ(ShownFor(*context, "*.wild.example.org"), "default.example.org");
}

TEST(TlsServerContextTest, SendsTheWholeChain) {
  const PemPair pair = Pki().ca.Issue({"imap.example.org"}, {.through_intermediate = true});
  const auto server = ServerContext(pair);
  const auto client = ClientContext(Pki().ca.cert_pem());
  const auto store = Handshake::Server(*server);
  const auto ours = Handshake::Client(*client, "imap.example.org");
  ours->Advance("");
  store->Advance(ours->TakeOutput());
  EXPECT_EQ(ours->Advance(store->TakeOutput()), Handshake::Status::kDone) << ours->error();
}

// Tickets

struct Resumption {
  bool resumed = false;
  bssl::UniquePtr<SSL_SESSION> session;
};

Resumption Connect(const TlsServerContext& context, BoringPeerOptions options,
                   SSL_SESSION* session = nullptr) {
  options.session = session;
  OurEnd ours;
  ours.handshake = Handshake::Server(context);
  const auto peer = BoringPeer::Client(options);
  Pump(ours, *peer, Delivery::kAtOnce);
  EXPECT_TRUE(ours.established) << ours.handshake->error();
  Resumption result;
  result.resumed = ours.handshake->info().resumed;
  if (peer->session() != nullptr) result.session = bssl::UpRef(peer->session());
  return result;
}

class TicketTest : public testing::TestWithParam<uint16_t> {
 protected:
  BoringPeerOptions Options(const std::string& name = "imap.example.org") const {
    BoringPeerOptions options;
    options.min_version = options.max_version = GetParam();
    options.server_name = name;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(EveryVersion, TicketTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(TicketTest, SurviveAReloadWithTheSameKeys) {
  const auto one = ServerContext(Pki().ecdsa);
  const auto two = ServerContext(Pki().ca.Issue({"imap.example.org"}), one->ticket_keys());
  const Resumption first = Connect(*one, Options());
  EXPECT_TRUE(Connect(*two, Options(), first.session.get()).resumed);
}

TEST_P(TicketTest, ChangeTheirKeysWithoutTheCertificates) {
  auto one = ServerContext(Pki().ecdsa);
  const Resumption first = Connect(*one, Options());
  TicketKeys keys = TicketKeys::Random();
  auto two = TlsServerContext::WithTicketKeys(*one, keys);
  EXPECT_EQ(two->certificate_count(), one->certificate_count());
  EXPECT_FALSE(Connect(*two, Options(), first.session.get()).resumed);
  keys.previous = one->ticket_keys().current;
  const auto three = TlsServerContext::WithTicketKeys(*two, keys);
  one.reset();
  two.reset();
  EXPECT_TRUE(Connect(*three, Options(), first.session.get()).resumed);
}

TEST_P(TicketTest, WithOtherKeysMeanAFullHandshake) {
  const auto one = ServerContext(Pki().ecdsa);
  const auto two = ServerContext(Pki().ecdsa);
  EXPECT_NE(one->ticket_keys().current, two->ticket_keys().current) << "random by default";
  const Resumption first = Connect(*one, Options());
  EXPECT_FALSE(Connect(*two, Options(), first.session.get()).resumed);
}

TEST_P(TicketTest, AreReadUnderPreviousAndNextKey) {
  const TicketKeys keys = TicketKeys::Random();
  const auto context = ServerContext(Pki().ecdsa, keys);
  for (const TicketKey& key : {keys.previous, keys.next}) {
    const auto other = ServerContext(Pki().ecdsa, {.current = key, .previous = {}, .next = {}});
    const Resumption first = Connect(*other, Options());
    const Resumption second = Connect(*context, Options(), first.session.get());
    EXPECT_TRUE(second.resumed);
    // And renewed under the current one.
    ASSERT_NE(second.session, nullptr);
    const auto current =
        ServerContext(Pki().ecdsa, {.current = keys.current, .previous = {}, .next = {}});
    EXPECT_TRUE(Connect(*current, Options(), second.session.get()).resumed);
  }
}

TEST_P(TicketTest, AnUnsetKeyReadsNothing) {
  TicketKeys zeros;
  zeros.current[47] = 1;  // set, but with a name, HMAC and most of an AES key of zeros
  const auto forger = ServerContext(Pki().ecdsa, zeros);
  const Resumption forged = Connect(*forger, Options());
  const auto context = ServerContext(
      Pki().ecdsa, {.current = TicketKeys::Random().current, .previous = {}, .next = {}});
  EXPECT_FALSE(Connect(*context, Options(), forged.session.get()).resumed);
}

TEST_P(TicketTest, BelongToTheNameTheyWereGivenUnder) {
  const auto context = ServerContext(Pki().ecdsa);
  const Resumption first = Connect(*context, Options("one.example.org"));
  EXPECT_FALSE(Connect(*context, Options("two.example.org"), first.session.get()).resumed);
  EXPECT_FALSE(Connect(*context, Options(""), first.session.get()).resumed);
  EXPECT_TRUE(Connect(*context, Options("ONE.example.org"), first.session.get()).resumed);
}

// Refusals

TEST(HandshakeRefusalTest, AlpnWithoutImap) {
  const auto context = ServerContext(Pki().ecdsa);
  OurEnd ours;
  ours.handshake = Handshake::Server(*context);
  BoringPeerOptions options;
  options.alpn = std::string("\2h2\10http/1.1");
  const auto peer = BoringPeer::Client(options);
  Pump(ours, *peer, Delivery::kAtOnce);
  EXPECT_EQ(ours.handshake->status(), Handshake::Status::kFailed);
  EXPECT_EQ(ours.handshake->fault(), Handshake::Fault::kMismatch);
  ExpectSays(ours.handshake->error(), "ALPN");
  EXPECT_EQ(peer->error(), "TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
}

TEST(HandshakeRefusalTest, OldVersionsAndWeakSuites) {
  const auto context = ServerContext(Pki().ecdsa);
  for (const bool old : {true, false}) {
    BoringPeerOptions options;
    options.max_version = old ? TLS1_1_VERSION : TLS1_2_VERSION;
    options.min_version = old ? TLS1_VERSION : TLS1_2_VERSION;
    if (!old) options.tls12_suites = "ECDHE-ECDSA-AES128-SHA:AES128-GCM-SHA256";
    OurEnd ours;
    ours.handshake = Handshake::Server(*context);
    const auto peer = BoringPeer::Client(options);
    Pump(ours, *peer, Delivery::kSingleBytes);
    EXPECT_EQ(ours.handshake->status(), Handshake::Status::kFailed);
    EXPECT_EQ(ours.handshake->fault(), Handshake::Fault::kMismatch);
    ExpectSays(ours.handshake->error(), old ? "nothing newer than TLS 1.1" : "no cipher suite");
    EXPECT_TRUE(peer->failed()) << "it was told by an alert";
  }
}

TEST(HandshakeRefusalTest, SignaturesWithSha1) {
  const auto context = ServerContext(Pki().rsa);
  BoringPeerOptions options;
  options.max_version = TLS1_2_VERSION;
  for (const uint16_t signature : {SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_RSA_PKCS1_SHA1}) {
    options.signature = signature;
    OurEnd ours;
    ours.handshake = Handshake::Server(*context);
    const auto peer = BoringPeer::Client(options);
    Pump(ours, *peer, Delivery::kAtOnce);
    EXPECT_EQ(ours.established, signature == SSL_SIGN_RSA_PKCS1_SHA256);
  }
}

TEST(HandshakeRefusalTest, ClientsThatDoNotSpeakTls) {
  const auto context = ServerContext(Pki().ecdsa);
  for (const char* text : {"a1 LOGIN joe secret\r\n", "GET / HTTP/1.1\r\n", "\x80\x2e\x01"}) {
    const auto handshake = Handshake::Server(*context);
    EXPECT_EQ(handshake->Advance(std::string_view(text, 1)), Handshake::Status::kFailed);
    ExpectSays(handshake->error(), "does not speak TLS");
    EXPECT_EQ(handshake->fault(), Handshake::Fault::kPeer);
    EXPECT_EQ(handshake->TakeOutput(), std::string("\x15\x03\x01\x00\x02\x02\x0a", 7));
    EXPECT_EQ(handshake->Advance(text), Handshake::Status::kFailed);
    EXPECT_TRUE(handshake->TakeOutput().empty());
    EXPECT_EQ(handshake->error().find("secret"), std::string::npos);
  }
}

TEST(HandshakeRefusalTest, StoresThatDoNotSpeakTls) {
  const auto context = ClientContext(Pki().ca.cert_pem());
  const auto handshake = Handshake::Client(*context, "imap.example.org");
  EXPECT_EQ(handshake->Advance("* OK Dovecot ready.\r\n"), Handshake::Status::kFailed);
  ExpectSays(handshake->error(), "\"* OK Dovecot ready.\"; is STARTTLS meant?");
}

TEST(HandshakeRefusalTest, GarbageAfterAGoodStart) {
  const auto context = ServerContext(Pki().ecdsa);
  const std::string hello = BoringPeer::Client({})->Take();
  for (const std::string& garbage :
       {std::string("\x17\x03\x03\xff\xff", 5), std::string("\x99\x03\x03\x00\x01x", 6),
        std::string("\x16\x02\x03\x00\x01x", 6),
        std::string("\x17\x03\x03\x00\x20") + std::string(32, 'x')}) {
    const auto handshake = Handshake::Server(*context);
    EXPECT_EQ(handshake->Advance(hello), Handshake::Status::kNeedMore);
    EXPECT_FALSE(handshake->TakeOutput().empty());
    handshake->Advance(garbage);
    handshake->Advance(garbage);
    EXPECT_EQ(handshake->status(), Handshake::Status::kFailed);
    EXPECT_FALSE(handshake->error().empty());
  }
  // An oversized or damaged ClientHello.
  for (const std::string& garbage : {std::string("\x16\x03\x01\x48\x01", 5),
                                     std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9),
                                     std::string("\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9)}) {
    const auto handshake = Handshake::Server(*context);
    EXPECT_EQ(handshake->Advance(garbage), Handshake::Status::kFailed);
    EXPECT_EQ(handshake->fault(), Handshake::Fault::kPeer);
  }
}

TEST(HandshakeRefusalTest, AClientThatRejectsOurCertificateIsUnderstood) {
  const auto server = ServerContext(Pki().ca.Issue({"other.example.org"}));
  const auto client = ClientContext(Pki().ca.cert_pem());
  const auto store = Handshake::Server(*server);
  const auto ours = Handshake::Client(*client, "imap.example.org");
  ours->Advance("");
  store->Advance(ours->TakeOutput());
  EXPECT_EQ(ours->Advance(store->TakeOutput()), Handshake::Status::kFailed);
  ExpectSays(ours->error(), "the certificate of imap.example.org is not accepted");
  EXPECT_EQ(ours->fault(), Handshake::Fault::kTrust);
  EXPECT_EQ(store->Advance(ours->TakeOutput()), Handshake::Status::kFailed);
  ExpectSays(store->error(), "the client refused: ");
}

// Trust

std::string TrustError(const PemPair& pair, const TlsClientOptions& options,
                       const std::string& name) {
  std::string error;
  const auto client = TlsClientContext::Create(options, &error);
  if (!client) return error;
  const auto server = ServerContext(pair);
  const auto store = Handshake::Server(*server);
  const auto ours = Handshake::Client(*client, name);
  ours->Advance("");
  store->Advance(ours->TakeOutput());
  ours->Advance(store->TakeOutput());
  return ours->status() == Handshake::Status::kDone ? "" : ours->error();
}

TEST(TlsClientContextTest, VerifiesNameChainAndTime) {
  const TestCa& ca = Pki().ca;
  const TlsClientOptions trust = {.ca_pem = ca.cert_pem()};
  const std::string name = "imap.example.org";
  EXPECT_EQ(TrustError(Pki().ecdsa, trust, name), "");
  EXPECT_EQ(TrustError(Pki().ecdsa, trust, "imap.example.org."), "");
  EXPECT_EQ(TrustError(Pki().ecdsa, trust, "127.0.0.1"), "");
  EXPECT_EQ(TrustError(Pki().ecdsa, trust, "::1"), "");
  EXPECT_EQ(TrustError(ca.Issue({"*.example.org"}), trust, name), "");
  ExpectSays(TrustError(Pki().ecdsa, trust, "127.0.0.2"), "not accepted");
  ExpectSays(TrustError(ca.Issue({"*.example.org"}), trust, "a.b.example.org"), "not accepted");
  ExpectSays(TrustError(ca.Issue({name}, {.valid_until_seconds = -3600}), trust, name), "expired");
  ExpectSays(TrustError(ca.Issue({name}, {.valid_from_seconds = 3600}), trust, name),
             "not yet valid");
  ExpectSays(TrustError(MakeSelfSigned({name}), trust, name), "self signed");
  ExpectSays(TrustError(TestCa().Issue({name}), trust, name), "not accepted");
}

TEST(TlsClientContextTest, MayPinTheStoresOwnCertificate) {
  const PemPair self = MakeSelfSigned({"imap.example.org", "::1", "127.0.0.1"});
  EXPECT_EQ(TrustError(self, {.ca_pem = self.cert_pem}, "imap.example.org"), "");
  EXPECT_EQ(TrustError(self, {.ca_pem = self.cert_pem}, "::1"), "");
  const PemPair leaf = Pki().ca.Issue({"imap.example.org"});
  EXPECT_EQ(TrustError(leaf, {.ca_pem = leaf.cert_pem}, "imap.example.org"), "");
  ExpectSays(TrustError(Pki().ca.Issue({"imap.example.org"}), {.ca_pem = leaf.cert_pem},
                        "imap.example.org"),
             "not accepted");
}

TEST(TlsClientContextTest, MayBeToldNotToVerify) {
  EXPECT_EQ(TrustError(MakeSelfSigned({"x"}), {.verify = false}, "imap.example.org"), "");
  EXPECT_EQ(TrustError(MakeSelfSigned({"x"}), {.verify = false}, ""), "");
}

TEST(TlsClientContextTest, RefusesToGoWithoutANameToVerify) {
  for (const char* name : {"", ".", "a b"}) {
    const std::string error = TrustError(Pki().ecdsa, {.ca_pem = Pki().ca.cert_pem()}, name);
    EXPECT_FALSE(error.empty()) << name;
  }
}

TEST(TlsClientContextTest, SaysWhichCaFileIsWrong) {
  std::string error;
  EXPECT_EQ(TlsClientContext::Create({.ca_file = "/nonexistent/ca.pem"}, &error), nullptr);
  ExpectSays(error, "/nonexistent/ca.pem: cannot be read");
  EXPECT_EQ(TlsClientContext::Create({.system_ca_file = "/nonexistent/system.pem"}, &error),
            nullptr);
  ExpectSays(error, "ca-certificates");
  EXPECT_EQ(TlsClientContext::Create({.ca_pem = Pki().ecdsa.key_pem}, &error), nullptr);
  ExpectSays(error, "holds no certificate");
}

TEST(TlsClientContextTest, UsesTheSystemsCasByDefault) {
  const TempFile ca(Pki().ca.cert_pem() + Pki().ca.cert_pem());
  EXPECT_EQ(TrustError(Pki().ecdsa, {.system_ca_file = ca.path()}, "imap.example.org"), "");
}

TEST(SelfSignedTest, CarriesItsNames) {
  const PemPair pair = MakeSelfSigned({std::string(70, 'x') + ".example.org", "localhost"});
  EXPECT_EQ(TrustError(pair, {.ca_pem = pair.cert_pem}, "localhost"), "");
}

}  // namespace
}  // namespace roost
