#include "proto/tls/handshake.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>

#include "proto/check.h"
#include "proto/tls/handshake_error.h"
#include "proto/tls/key_schedule.h"
#include "proto/tls/peer_name.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/ticket.h"
#include "proto/tls/tls_context_internal.h"

namespace roost {
namespace {

constexpr size_t kMaxKeyBlockBytes = 2 * (kMaxKeyBytes + kMaxIvBytes);

// By IANA number; kNone for what we never negotiate.
TlsSuite SuiteOf(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_protocol_id(cipher)) {
    case 0x1301:
      return TlsSuite::kTls13Aes128GcmSha256;
    case 0x1302:
      return TlsSuite::kTls13Aes256GcmSha384;
    case 0x1303:
      return TlsSuite::kTls13ChaCha20Poly1305Sha256;
    case 0xc02b:  // ECDHE_ECDSA, then ECDHE_RSA
    case 0xc02f:
      return TlsSuite::kTls12Aes128Gcm;
    case 0xc02c:
    case 0xc030:
      return TlsSuite::kTls12Aes256Gcm;
    case 0xcca9:
    case 0xcca8:
      return TlsSuite::kTls12ChaCha20Poly1305;
  }
  return TlsSuite::kNone;
}

bool CopySecret(bssl::Span<const uint8_t> secret, TlsSuite suite, uint8_t* out) {
  if (secret.size() != SecretBytes(suite)) return false;
  std::memcpy(out, secret.data(), secret.size());
  return true;
}

bool TakeTls13Secrets(const SSL* ssl, TlsState* state) {
  bssl::Span<const uint8_t> read, write;
  return bssl::SSL_get_traffic_secrets(ssl, &read, &write) &&
         CopySecret(read, state->suite, state->read_secret) &&
         CopySecret(write, state->suite, state->write_secret);
}

// RFC 5246 section 6.3: client key, server key, client IV, server IV.
bool TakeTls12Keys(const SSL* ssl, TlsState* state) {
  const size_t key_bytes = KeyBytes(state->suite);
  const size_t iv_bytes = IvBytes(state->suite);
  uint8_t block[kMaxKeyBlockBytes];
  const size_t block_bytes = 2 * (key_bytes + iv_bytes);
  bool ok = SSL_get_key_block_len(ssl) == block_bytes &&
            SSL_generate_key_block(ssl, block, block_bytes) == 1;
  if (ok) {
    uint8_t* const client = state->is_client != 0 ? state->write_secret : state->read_secret;
    uint8_t* const server = state->is_client != 0 ? state->read_secret : state->write_secret;
    std::memcpy(client, block, key_bytes);
    std::memcpy(server, block + key_bytes, key_bytes);
    std::memcpy(client + key_bytes, block + 2 * key_bytes, iv_bytes);
    std::memcpy(server + key_bytes, block + 2 * key_bytes + iv_bytes, iv_bytes);
  }
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

// What the first byte of a connection may be: the client opens with a handshake record, the store
// may also answer with an alert.
bool MayOpen(uint8_t first_byte, bool is_client) {
  return first_byte == static_cast<uint8_t>(ContentType::kHandshake) ||
         (is_client && first_byte == static_cast<uint8_t>(ContentType::kAlert));
}

bool IsRecordHeader(std::span<const uint8_t> header, size_t* record_bytes) {
  const size_t body = static_cast<size_t>(header[3]) << 8 | header[4];
  *record_bytes = kRecordHeaderBytes + body;
  return header[0] >= static_cast<uint8_t>(ContentType::kChangeCipherSpec) &&
         header[0] <= static_cast<uint8_t>(ContentType::kApplicationData) && header[1] == 3 &&
         body <= kMaxCiphertextBytesTls12;
}

}  // namespace

struct Handshake::Impl {
  bool is_client = false;
  std::string server_name;
  bssl::UniquePtr<SSL> ssl;
  BIO* from_peer = nullptr;  // owned by ssl, like the next
  BIO* to_peer = nullptr;
  ServerHandshakeLink link;

  Status status = Status::kNeedMore;
  bool spoke_first = false;  // client: the ClientHello has been made
  bool heard = false;        // a record of the peer's has been fed
  std::string input;         // part of a record; after kDone: the leftover
  std::string output;
  HandshakeInfo info;
  HandshakeFailure failure;
  TlsState state{};    // filled with kDone
  bool taken = false;  // TakeState was called

  ~Impl() { Wipe(state); }

  std::string peer() const { return is_client ? "store" : "client"; }
  bool SetUp(SSL_CTX* ctx);
  void Feed(size_t bytes);
  void Step();
  void Drain();
  bool Finish();
  void Fail(HandshakeFailure why);
  void RefuseNotTls();
};

bool Handshake::Impl::SetUp(SSL_CTX* ctx) {
  ssl.reset(SSL_new(ctx));
  if (!ssl) return false;
  bssl::UniquePtr<BIO> in(BIO_new(BIO_s_mem()));
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  if (!in || !out) return false;
  from_peer = in.release();
  to_peer = out.release();
  SSL_set_bio(ssl.get(), from_peer, to_peer);
  return true;
}

void Handshake::Impl::Fail(HandshakeFailure why) {
  if (to_peer != nullptr) Drain();
  ssl.reset();
  from_peer = to_peer = nullptr;
  input.clear();
  failure = std::move(why);
  status = Status::kFailed;
}

// Nothing of this connection is TLS, so the alert is in clear as well (RFC 8446 section 6.2).
void Handshake::Impl::RefuseNotTls() {
  const HandshakeFailure why =
      DescribeNotTls({reinterpret_cast<const uint8_t*>(input.data()), input.size()}, is_client);
  if (!is_client) output.append("\x15\x03\x01\x00\x02\x02\x0a", 7);
  Fail(why);
}

void Handshake::Impl::Drain() {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (BIO_mem_contents(to_peer, &bytes, &size) != 1 || size == 0) return;
  output.append(reinterpret_cast<const char*>(bytes), size);
  BIO_reset(to_peer);
}

void Handshake::Impl::Feed(size_t bytes) {
  const int written = BIO_write(from_peer, input.data(), static_cast<int>(bytes));
  if (written != static_cast<int>(bytes)) {
    return Fail({Fault::kOurs, "TLS failed here: out of memory"});
  }
  input.erase(0, bytes);
  heard = true;
  Step();
}

void Handshake::Impl::Step() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl.get());
  if (result == 1) {
    if (!Finish()) Fail({Fault::kOurs, "TLS failed here: the session's keys cannot be taken over"});
    return;
  }
  if (SSL_get_error(ssl.get(), result) == SSL_ERROR_WANT_READ) return Drain();
  Fail(DescribeFailure(ssl.get(), peer(), server_name));
}

bool Handshake::Impl::Finish() {
  // A TLS 1.3 server's tickets are queued unsealed until something is written. Only then is the
  // write sequence the one to go on with.
  const bool tls13 = SSL_version(ssl.get()) == TLS1_3_VERSION;
  if (!is_client && tls13 && SSL_write(ssl.get(), "", 0) < 0) return false;
  Drain();
  // Records are fed one by one, so nothing can be left inside.
  if (BIO_pending(from_peer) != 0 || SSL_has_pending(ssl.get()) != 0) return false;

  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl.get());
  state.suite = SuiteOf(cipher);
  state.is_client = is_client ? 1 : 0;
  if (state.suite == TlsSuite::kNone) return false;
  if (tls13 != IsTls13(state)) return false;
  if (!(tls13 ? TakeTls13Secrets(ssl.get(), &state) : TakeTls12Keys(ssl.get(), &state))) {
    return false;
  }
  state.read_sequence = SSL_get_read_sequence(ssl.get());
  state.write_sequence = SSL_get_write_sequence(ssl.get());

  info.version = tls13 ? "TLSv1.3" : "TLSv1.2";
  info.suite = SSL_CIPHER_standard_name(cipher);
  info.resumed = SSL_session_reused(ssl.get()) == 1;
  const uint8_t* alpn = nullptr;
  unsigned alpn_bytes = 0;
  SSL_get0_alpn_selected(ssl.get(), &alpn, &alpn_bytes);
  if (alpn_bytes > 0) info.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_bytes);

  ssl.reset();
  from_peer = to_peer = nullptr;
  status = Status::kDone;
  return true;
}

Handshake::Handshake(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Handshake::~Handshake() = default;

std::unique_ptr<Handshake> Handshake::Server(const TlsServerContext& context) {
  auto impl = std::make_unique<Impl>();
  impl->link = {&context.impl(), &impl->info.sni, &context.impl().entries.front()};
  if (impl->SetUp(context.impl().entries.front().ctx.get())) {
    SSL_set_app_data(impl->ssl.get(), &impl->link);
    SSL_set_accept_state(impl->ssl.get());
  } else {
    impl->Fail({Fault::kOurs, "TLS failed here: out of memory"});
  }
  return std::unique_ptr<Handshake>(new Handshake(std::move(impl)));
}

std::unique_ptr<Handshake> Handshake::Client(const TlsClientContext& context,
                                             std::string_view server_name) {
  auto impl = std::make_unique<Impl>();
  impl->is_client = true;
  impl->server_name = server_name;
  if (!impl->SetUp(context.impl().ctx.get())) {
    impl->Fail({Fault::kOurs, "TLS failed here: out of memory"});
  } else if (!SetPeerName(impl->ssl.get(), context.impl().verify, &impl->server_name,
                          &impl->info.sni)) {
    impl->Fail({Fault::kOurs, "\"" + impl->server_name +
                                  "\" is neither a host name nor an IP address, so the store's "
                                  "certificate cannot be verified"});
  } else {
    const std::shared_ptr<const TlsTicket>& ticket = context.impl().ticket;
    if (ticket != nullptr) SSL_set_session(impl->ssl.get(), ticket->impl().session.get());
    SSL_set_connect_state(impl->ssl.get());
  }
  return std::unique_ptr<Handshake>(new Handshake(std::move(impl)));
}

Handshake::Status Handshake::Advance(std::span<const uint8_t> in) {
  Impl& impl = *impl_;
  if (impl.status == Status::kFailed || impl.taken) return impl.status;
  impl.input.append(reinterpret_cast<const char*>(in.data()), in.size());
  if (impl.is_client && !impl.spoke_first) {
    impl.spoke_first = true;
    impl.Step();
  }
  while (impl.status == Status::kNeedMore && !impl.input.empty()) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(impl.input.data());
    if (!impl.heard && !MayOpen(bytes[0], impl.is_client)) {
      impl.RefuseNotTls();
      break;
    }
    if (impl.input.size() < kRecordHeaderBytes) break;
    size_t record_bytes = 0;
    if (!IsRecordHeader({bytes, kRecordHeaderBytes}, &record_bytes)) {
      // BoringSSL sees as much at the header, and knows how its alert must be protected.
      impl.Feed(kRecordHeaderBytes);
      if (impl.status != Status::kFailed) {
        impl.Fail({Fault::kPeer, "the " + impl.peer() + " sent something that is not TLS"});
      }
      break;
    }
    if (impl.input.size() < record_bytes) break;
    impl.Feed(record_bytes);
  }
  return impl.status;
}

Handshake::Status Handshake::Advance(std::string_view in) {
  return Advance(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(in.data()), in.size()));
}

Handshake::Status Handshake::status() const { return impl_->status; }

bool Handshake::IsRsa() const {
  return impl_->link.chosen != nullptr && impl_->link.chosen->is_rsa;
}

std::string Handshake::TakeOutput() { return std::exchange(impl_->output, std::string()); }

TlsState Handshake::TakeState(std::string* leftover) {
  ROOST_CHECK(impl_->status == Status::kDone && !impl_->taken);
  impl_->taken = true;
  *leftover = std::exchange(impl_->input, std::string());
  const TlsState state = impl_->state;
  Wipe(impl_->state);
  return state;
}

const HandshakeInfo& Handshake::info() const { return impl_->info; }
const std::string& Handshake::error() const { return impl_->failure.text; }
Handshake::Fault Handshake::fault() const { return impl_->failure.fault; }

}  // namespace roost
