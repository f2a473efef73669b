#include "proto/tls/record_layer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/mem.h>

#include "proto/check.h"
#include "proto/tls/key_schedule.h"

namespace roost {
namespace {

constexpr size_t kTagBytes = 16;
constexpr size_t kNonceBytes = 12;
constexpr size_t kExplicitNonceBytes = 8;  // TLS 1.2 with GCM sends half of its nonce
constexpr size_t kKeyUpdateRecordBytes = kRecordHeaderBytes + 5 + 1 + kTagBytes;

// Handshake message types (RFC 8446 section 4; hello_request: RFC 5246 section 7.4).
constexpr uint8_t kHelloRequest = 0;
constexpr uint8_t kClientHello = 1;
constexpr uint8_t kNewSessionTicket = 4;
constexpr uint8_t kKeyUpdate = 24;
constexpr int kMessageHeaderBytes = 4;
// What the vectors of RFC 8446 section 4.6.1 can hold at most.
constexpr uint32_t kMaxTicketMessageBytes = 4 + 4 + (1 + 255) + (2 + 65535) + (2 + 65535);

constexpr uint8_t kAlertLevelWarning = 1;
constexpr uint8_t kAlertLevelFatal = 2;

bool HasExplicitNonce(TlsSuite suite) {
  return suite == TlsSuite::kTls12Aes128Gcm || suite == TlsSuite::kTls12Aes256Gcm;
}

// Bytes a record has beyond its plaintext, header included.
size_t RecordOverhead(const TlsState& state) {
  if (IsTls13(state)) return kRecordHeaderBytes + 1 + kTagBytes;
  return kRecordHeaderBytes + (HasExplicitNonce(state.suite) ? kExplicitNonceBytes : 0) + kTagBytes;
}

const EVP_AEAD* AeadFor(TlsSuite suite) {
  switch (suite) {
    case TlsSuite::kTls13Aes128GcmSha256:
    case TlsSuite::kTls12Aes128Gcm:
      return EVP_aead_aes_128_gcm();
    case TlsSuite::kTls13Aes256GcmSha384:
    case TlsSuite::kTls12Aes256Gcm:
      return EVP_aead_aes_256_gcm();
    case TlsSuite::kTls13ChaCha20Poly1305Sha256:
    case TlsSuite::kTls12ChaCha20Poly1305:
      return EVP_aead_chacha20_poly1305();
    case TlsSuite::kNone:
      break;
  }
  ROOST_CHECK(suite != TlsSuite::kNone);
  return nullptr;
}

void PutBigEndian(uint8_t* out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i, value >>= 8) out[i] = static_cast<uint8_t>(value);
}

}  // namespace

// One direction's AEAD, ready to use. Members are left unset until Build.
struct RecordContext::Direction {
  TlsSuite suite = TlsSuite::kNone;
  uint8_t secret[sizeof TlsState::read_secret];  // what this was built from
  uint8_t iv[kNonceBytes];
  EVP_AEAD_CTX aead;

  Direction() {}  // NOLINT: the members stay unset on purpose, 700 bytes for each small record
  ~Direction() { Clear(); }
  Direction(const Direction&) = delete;
  Direction& operator=(const Direction&) = delete;

  bool IsFor(TlsSuite wanted, const uint8_t* wanted_secret) const {
    return suite == wanted && std::memcmp(secret, wanted_secret, sizeof secret) == 0;
  }

  void Build(TlsSuite new_suite, const uint8_t* new_secret) {
    Clear();
    TrafficKey key;
    DeriveTrafficKey(new_suite, new_secret, &key);
    std::memcpy(iv, key.iv, sizeof iv);
    std::memcpy(secret, new_secret, sizeof secret);
    EVP_AEAD_CTX_zero(&aead);
    const bool ok = EVP_AEAD_CTX_init(&aead, AeadFor(new_suite), key.key, KeyBytes(new_suite),
                                      kTagBytes, nullptr) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    ROOST_CHECK(ok);
    suite = new_suite;
  }

  void Clear() {
    if (suite == TlsSuite::kNone) return;
    EVP_AEAD_CTX_cleanup(&aead);
    OPENSSL_cleanse(&aead, sizeof aead);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(iv, sizeof iv);
    suite = TlsSuite::kNone;
  }
};

struct RecordContextAccess {
  static std::unique_ptr<RecordContext::Direction>& Read(RecordContext& c) { return c.read_; }
  static std::unique_ptr<RecordContext::Direction>& Write(RecordContext& c) { return c.write_; }
};

RecordContext::RecordContext() = default;
RecordContext::~RecordContext() = default;
RecordContext::RecordContext(RecordContext&&) noexcept = default;
RecordContext& RecordContext::operator=(RecordContext&&) noexcept = default;

void RecordContext::Drop() {
  read_.reset();
  write_.reset();
}

namespace {

using Direction = RecordContext::Direction;

// The AEAD of one direction for the length of one call: the RecordContext's if there is one, else
// made on the stack and cleansed.
class DirectionKey {
 public:
  DirectionKey(TlsSuite suite, const uint8_t* secret, std::unique_ptr<Direction>* kept)
      : suite_(suite), secret_(secret), direction_(&own_) {
    if (kept != nullptr) {
      if (*kept == nullptr) *kept = std::make_unique<Direction>();
      direction_ = kept->get();
    }
    if (!direction_->IsFor(suite_, secret_)) direction_->Build(suite_, secret_);
  }

  // After the secret has changed under us.
  void Rebuild() { direction_->Build(suite_, secret_); }
  const Direction& get() const { return *direction_; }

 private:
  const TlsSuite suite_;
  const uint8_t* const secret_;
  Direction own_;
  Direction* direction_;
};

DirectionKey WriteKey(TlsState& state, RecordContext* context) {
  return DirectionKey(state.suite, state.write_secret,
                      context == nullptr ? nullptr : &RecordContextAccess::Write(*context));
}

DirectionKey ReadKey(TlsState& state, RecordContext* context) {
  return DirectionKey(state.suite, state.read_secret,
                      context == nullptr ? nullptr : &RecordContextAccess::Read(*context));
}

// RFC 8446 section 5.3 and RFC 7905 section 2; RFC 5288 section 3 for GCM in TLS 1.2, where the
// peer may choose the explicit half.
void MakeNonce(const Direction& key, uint64_t sequence, const uint8_t* explicit_nonce,
               uint8_t nonce[kNonceBytes]) {
  std::memcpy(nonce, key.iv, kNonceBytes);
  if (HasExplicitNonce(key.suite)) {
    std::memcpy(nonce + 4, explicit_nonce, kExplicitNonceBytes);
    return;
  }
  uint8_t counter[8];
  PutBigEndian(counter, sequence, 8);
  for (int i = 0; i < 8; ++i) nonce[4 + i] ^= counter[i];
}

// The additional data of a TLS 1.2 record (RFC 5246 section 6.2.3.3).
void MakeTls12AdditionalData(uint64_t sequence, const uint8_t* header, size_t plaintext_bytes,
                             uint8_t ad[13]) {
  PutBigEndian(ad, sequence, 8);
  std::memcpy(ad + 8, header, 3);
  PutBigEndian(ad + 11, plaintext_bytes, 2);
}

// Writes one record at `out` and returns its end. There is room for it.
uint8_t* WriteRecord(TlsState& state, const Direction& key, ContentType type,
                     std::span<const uint8_t> plaintext, uint8_t* out) {
  const bool tls13 = IsTls13(state);
  const size_t record_bytes = RecordOverhead(state) + plaintext.size();
  const uint64_t sequence = state.write_sequence++;
  uint8_t* const header = out;
  header[0] = static_cast<uint8_t>(tls13 ? ContentType::kApplicationData : type);
  header[1] = 3;
  header[2] = 3;
  PutBigEndian(header + 3, record_bytes - kRecordHeaderBytes, 2);

  uint8_t* body = out + kRecordHeaderBytes;
  const uint8_t* explicit_nonce = body;
  if (HasExplicitNonce(state.suite)) {
    PutBigEndian(body, sequence, 8);
    body += kExplicitNonceBytes;
  }
  uint8_t nonce[kNonceBytes];
  MakeNonce(key, sequence, explicit_nonce, nonce);

  uint8_t ad12[13];
  if (!tls13) MakeTls12AdditionalData(sequence, header, plaintext.size(), ad12);
  const uint8_t inner_type = static_cast<uint8_t>(type);
  size_t tail_bytes = 0;
  const int ok = EVP_AEAD_CTX_seal_scatter(
      &key.aead, body, body + plaintext.size(), &tail_bytes, kTagBytes + 1, nonce, kNonceBytes,
      plaintext.data(), plaintext.size(), &inner_type, tls13 ? 1 : 0, tls13 ? header : ad12,
      tls13 ? kRecordHeaderBytes : sizeof ad12);
  ROOST_CHECK(ok == 1);
  ROOST_DCHECK(body + plaintext.size() + tail_bytes == out + record_bytes);
  return out + record_bytes;
}

uint8_t* WriteKeyUpdate(TlsState& state, DirectionKey& key, bool request_peers, uint8_t* out) {
  const uint8_t message[5] = {kKeyUpdate, 0, 0, 1, static_cast<uint8_t>(request_peers ? 1 : 0)};
  out = WriteRecord(state, key.get(), ContentType::kHandshake, message, out);
  AdvanceSecret(state.suite, state.write_secret);
  state.write_sequence = 0;
  state.owes_key_update = 0;
  key.Rebuild();
  return out;
}

bool MayWrite(const TlsState& state, uint64_t records) {
  return state.suite != TlsSuite::kNone && state.write_closed == 0 &&
         state.write_sequence < kMaxSequence && records < kMaxSequence - state.write_sequence;
}

bool NeedsKeyUpdate(bool tls13, bool owed, uint64_t write_sequence) {
  return tls13 && (owed || write_sequence >= kRecordsPerKey);
}

// Seals a single record that is not application data.
bool SealOne(TlsState& state, ContentType type, std::span<const uint8_t> plaintext,
             std::string* out, RecordContext* context) {
  if (!MayWrite(state, 1)) return false;
  const size_t old_size = out->size();
  out->resize(old_size + RecordOverhead(state) + plaintext.size());
  const DirectionKey key = WriteKey(state, context);
  WriteRecord(state, key.get(), type, plaintext,
              reinterpret_cast<uint8_t*>(out->data()) + old_size);
  return true;
}

}  // namespace

void Wipe(TlsState& state) { OPENSSL_cleanse(&state, sizeof state); }

size_t SealedSize(const TlsState& state, size_t plaintext_bytes) {
  const uint64_t records = (plaintext_bytes + kMaxPlaintextBytes - 1) / kMaxPlaintextBytes;
  if (records == 0 || !MayWrite(state, records + 1)) return 0;
  size_t bytes = plaintext_bytes + records * RecordOverhead(state);
  uint64_t sequence = state.write_sequence;
  bool owed = state.owes_key_update != 0;
  // Each turn is one key: as many records as it may still protect.
  for (uint64_t left = records; left > 0;) {
    if (NeedsKeyUpdate(IsTls13(state), owed, sequence)) {
      bytes += kKeyUpdateRecordBytes;
      sequence = 0;
      owed = false;
    }
    const uint64_t now = IsTls13(state) ? std::min(left, kRecordsPerKey - sequence) : left;
    sequence += now;
    left -= now;
  }
  return bytes;
}

bool Seal(TlsState& state, std::span<const uint8_t> plaintext, std::string* out,
          RecordContext* context) {
  const uint64_t records = (plaintext.size() + kMaxPlaintextBytes - 1) / kMaxPlaintextBytes;
  if (!MayWrite(state, records + 1)) return false;
  if (plaintext.empty()) return true;
  const size_t old_size = out->size();
  out->resize(old_size + SealedSize(state, plaintext.size()));
  uint8_t* at = reinterpret_cast<uint8_t*>(out->data()) + old_size;

  DirectionKey key = WriteKey(state, context);
  while (!plaintext.empty()) {
    if (NeedsKeyUpdate(IsTls13(state), state.owes_key_update != 0, state.write_sequence)) {
      at = WriteKeyUpdate(state, key, /*request_peers=*/false, at);
    }
    const size_t bytes = std::min(plaintext.size(), kMaxPlaintextBytes);
    at = WriteRecord(state, key.get(), ContentType::kApplicationData, plaintext.first(bytes), at);
    plaintext = plaintext.subspan(bytes);
  }
  ROOST_DCHECK(at == reinterpret_cast<uint8_t*>(out->data()) + out->size());
  return true;
}

bool Seal(TlsState& state, std::string_view plaintext, std::string* out, RecordContext* context) {
  return Seal(state,
              std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(plaintext.data()),
                                       plaintext.size()),
              out, context);
}

bool SealAlert(TlsState& state, uint8_t description, std::string* out, RecordContext* context) {
  const uint8_t level = description == kAlertCloseNotify ? kAlertLevelWarning : kAlertLevelFatal;
  const uint8_t alert[2] = {level, description};
  if (!SealOne(state, ContentType::kAlert, alert, out, context)) return false;
  state.write_closed = 1;
  return true;
}

bool SealCloseNotify(TlsState& state, std::string* out, RecordContext* context) {
  return SealAlert(state, kAlertCloseNotify, out, context);
}

bool SealKeyUpdate(TlsState& state, bool request_peers, std::string* out, RecordContext* context) {
  if (!IsTls13(state) || !MayWrite(state, 1)) return false;
  const size_t old_size = out->size();
  out->resize(old_size + kKeyUpdateRecordBytes);
  DirectionKey key = WriteKey(state, context);
  WriteKeyUpdate(state, key, request_peers, reinterpret_cast<uint8_t*>(out->data()) + old_size);
  return true;
}

namespace {

// What opening one record works on; its methods are the steps, in order of use.
class Opener {
 public:
  Opener(TlsState& state, std::string* reply_out, RecordContext* context)
      : state_(state), reply_out_(reply_out), context_(context) {}

  OpenResult Run(std::span<uint8_t> in);

 private:
  OpenResult Fail(uint8_t alert, bool received = false) {
    state_.read_phase = static_cast<uint8_t>(TlsReadPhase::kFailed);
    result_.status = OpenResult::kError;
    result_.alert = alert;
    result_.received_alert = received;
    result_.plaintext = {};
    return result_;
  }
  OpenResult Nothing() {
    result_.status = OpenResult::kNothing;
    return result_;
  }

  // Decrypts in place; false if the record is not authentic.
  bool Decrypt(std::span<uint8_t> record, std::span<uint8_t>* plaintext);
  OpenResult OnApplicationData(std::span<uint8_t> plaintext);
  OpenResult OnAlert(std::span<const uint8_t> plaintext);
  OpenResult OnHandshake(std::span<const uint8_t> plaintext);
  OpenResult OnUseless();

  // The four header bytes are there: may this message come now? If not, *alert says why.
  bool AllowsMessage(uint8_t type, uint32_t bytes, uint8_t* alert) const;
  OpenResult OnKeyUpdate(uint8_t request);
  bool OnHelloRequest();

  bool tls13() const { return IsTls13(state_); }

  TlsState& state_;
  std::string* const reply_out_;
  RecordContext* const context_;
  OpenResult result_;
};

// 0: not acceptable.
uint8_t AlertForHeader(const TlsState& state, std::span<const uint8_t> header, size_t* body_bytes) {
  const uint8_t type = header[0];
  *body_bytes = static_cast<size_t>(header[3]) << 8 | header[4];
  if (IsTls13(state)) {
    if (type != static_cast<uint8_t>(ContentType::kApplicationData)) return kAlertUnexpectedMessage;
    return *body_bytes > kMaxCiphertextBytesTls13 ? kAlertRecordOverflow : 0;
  }
  if (type < static_cast<uint8_t>(ContentType::kAlert) ||
      type > static_cast<uint8_t>(ContentType::kApplicationData)) {
    return kAlertUnexpectedMessage;
  }
  if (header[1] != 3 || header[2] != 3) return kAlertProtocolVersion;
  return *body_bytes > kMaxCiphertextBytesTls12 ? kAlertRecordOverflow : 0;
}

OpenResult Opener::Run(std::span<uint8_t> in) {
  if (state_.suite == TlsSuite::kNone) return Fail(kAlertInternalError, /*received=*/true);
  if (state_.read_phase == static_cast<uint8_t>(TlsReadPhase::kFailed)) {
    return Fail(kAlertCloseNotify, /*received=*/true);
  }
  if (state_.read_phase == static_cast<uint8_t>(TlsReadPhase::kClosed)) {
    result_.status = OpenResult::kCloseNotify;
    result_.consumed = in.size();
    return result_;
  }
  if (in.size() < kRecordHeaderBytes) return result_;
  size_t body_bytes = 0;
  if (const uint8_t alert = AlertForHeader(state_, in, &body_bytes)) return Fail(alert);
  if (in.size() - kRecordHeaderBytes < body_bytes) return result_;
  if (state_.read_sequence >= kMaxSequence) return Fail(kAlertInternalError);

  result_.consumed = kRecordHeaderBytes + body_bytes;
  std::span<uint8_t> plaintext;
  if (!Decrypt(in.first(result_.consumed), &plaintext)) {
    ERR_clear_error();
    return Fail(kAlertBadRecordMac);
  }
  ++state_.read_sequence;

  auto type = static_cast<ContentType>(in[0]);
  if (tls13()) {
    if (plaintext.size() > kMaxPlaintextBytes + 1) return Fail(kAlertRecordOverflow);
    size_t n = plaintext.size();
    while (n > 0 && plaintext[n - 1] == 0) --n;
    if (n == 0) return Fail(kAlertUnexpectedMessage);
    type = static_cast<ContentType>(plaintext[n - 1]);
    plaintext = plaintext.first(n - 1);
  } else if (plaintext.size() > kMaxPlaintextBytes) {
    return Fail(kAlertRecordOverflow);
  }
  switch (type) {
    case ContentType::kApplicationData:
      return OnApplicationData(plaintext);
    case ContentType::kAlert:
      return OnAlert(plaintext);
    case ContentType::kHandshake:
      return OnHandshake(plaintext);
    case ContentType::kChangeCipherSpec:
      break;
  }
  return Fail(kAlertUnexpectedMessage);
}

bool Opener::Decrypt(std::span<uint8_t> record, std::span<uint8_t>* plaintext) {
  const uint8_t* const header = record.data();
  std::span<uint8_t> body = record.subspan(kRecordHeaderBytes);
  const uint8_t* explicit_nonce = body.data();
  if (HasExplicitNonce(state_.suite)) {
    if (body.size() < kExplicitNonceBytes) return false;
    body = body.subspan(kExplicitNonceBytes);
  }
  if (body.size() < kTagBytes) return false;

  const DirectionKey key = ReadKey(state_, context_);
  uint8_t nonce[kNonceBytes];
  MakeNonce(key.get(), state_.read_sequence, explicit_nonce, nonce);
  uint8_t ad12[13];
  if (!tls13()) {
    MakeTls12AdditionalData(state_.read_sequence, header, body.size() - kTagBytes, ad12);
  }
  size_t out_bytes = 0;
  if (EVP_AEAD_CTX_open(&key.get().aead, body.data(), &out_bytes, body.size(), nonce, kNonceBytes,
                        body.data(), body.size(), tls13() ? header : ad12,
                        tls13() ? kRecordHeaderBytes : sizeof ad12) != 1) {
    return false;
  }
  *plaintext = body.first(out_bytes);
  return true;
}

// A record that is legal and carries nothing: bounded, or the peer could keep us busy for ever.
OpenResult Opener::OnUseless() {
  if (state_.empty_records_in_a_row >= kMaxEmptyRecordsInARow) {
    return Fail(kAlertUnexpectedMessage);
  }
  ++state_.empty_records_in_a_row;
  return Nothing();
}

OpenResult Opener::OnApplicationData(std::span<uint8_t> plaintext) {
  if (state_.message_bytes != 0) return Fail(kAlertUnexpectedMessage);
  if (plaintext.empty()) return OnUseless();
  state_.empty_records_in_a_row = 0;
  state_.key_updates_in_a_row = 0;
  if (tls13() && state_.read_sequence % kRecordsPerKey == 0 && reply_out_ != nullptr) {
    result_.reply = SealKeyUpdate(state_, /*request_peers=*/true, reply_out_, context_);
  }
  result_.status = OpenResult::kData;
  result_.plaintext = plaintext;
  return result_;
}

OpenResult Opener::OnAlert(std::span<const uint8_t> plaintext) {
  if (plaintext.size() != 2) return Fail(kAlertDecodeError);
  const uint8_t level = plaintext[0];
  const uint8_t description = plaintext[1];
  if (description == kAlertCloseNotify) {
    state_.read_phase = static_cast<uint8_t>(TlsReadPhase::kClosed);
    result_.status = OpenResult::kCloseNotify;
    return result_;
  }
  // In TLS 1.3 the level means nothing, and only this one does not end the connection by itself.
  const bool harmless = tls13() ? description == kAlertUserCanceled : level == kAlertLevelWarning;
  if (harmless) return OnUseless();
  return Fail(description, /*received=*/true);
}

bool Opener::AllowsMessage(uint8_t type, uint32_t bytes, uint8_t* alert) const {
  const bool client = state_.is_client != 0;
  *alert = kAlertDecodeError;
  if (tls13() && type == kKeyUpdate) return bytes == 1;
  if (tls13() && type == kNewSessionTicket && client) {
    return bytes > 0 && bytes <= kMaxTicketMessageBytes;
  }
  if (!tls13() && type == kHelloRequest && client) return bytes == 0;
  const bool renegotiates = !tls13() && type == kClientHello && !client;
  *alert = renegotiates ? kAlertNoRenegotiation : kAlertUnexpectedMessage;
  return false;
}

OpenResult Opener::OnHandshake(std::span<const uint8_t> plaintext) {
  if (plaintext.empty()) return Fail(kAlertUnexpectedMessage);
  while (!plaintext.empty()) {
    if (state_.message_bytes < kMessageHeaderBytes) {
      state_.message = state_.message << 8 | plaintext[0];
      ++state_.message_bytes;
      plaintext = plaintext.subspan(1);
      if (state_.message_bytes < kMessageHeaderBytes) continue;
      uint8_t alert = 0;
      if (!AllowsMessage(state_.message >> 24, state_.message & 0xffffff, &alert)) {
        return Fail(alert);
      }
    } else if (state_.message >> 24 == kKeyUpdate) {
      // The key changes with the record; what stands behind would be under neither key.
      if (plaintext.size() != 1) return Fail(kAlertUnexpectedMessage);
      state_.message = 0;
      state_.message_bytes = 0;
      return OnKeyUpdate(plaintext[0]);
    } else {
      const size_t skip = std::min<size_t>(plaintext.size(), state_.message & 0xffffff);
      state_.message -= static_cast<uint32_t>(skip);
      plaintext = plaintext.subspan(skip);
    }
    if ((state_.message & 0xffffff) == 0) {
      const bool hello_request = !tls13();
      state_.message = 0;
      state_.message_bytes = 0;
      if (hello_request && !OnHelloRequest()) return Fail(kAlertUnexpectedMessage);
    }
  }
  return Nothing();
}

OpenResult Opener::OnKeyUpdate(uint8_t request) {
  if (request > 1) return Fail(kAlertIllegalParameter);
  if (state_.key_updates_in_a_row >= kMaxKeyUpdatesInARow) return Fail(kAlertUnexpectedMessage);
  ++state_.key_updates_in_a_row;
  AdvanceSecret(state_.suite, state_.read_secret);
  state_.read_sequence = 0;
  if (request == 1 && state_.write_closed == 0) {
    // One answer does for all requests made while we are silent; a later one is owed until we
    // next have something to say.
    const bool silent_since_last = state_.write_sequence == 0 && state_.key_updates_in_a_row > 1;
    if (reply_out_ == nullptr || silent_since_last) {
      state_.owes_key_update = 1;
    } else {
      result_.reply = SealKeyUpdate(state_, /*request_peers=*/false, reply_out_, context_);
    }
  }
  return Nothing();
}

// TLS 1.2, as client: declined, and the connection goes on. False: asked too often.
bool Opener::OnHelloRequest() {
  if (state_.empty_records_in_a_row >= kMaxEmptyRecordsInARow) return false;
  ++state_.empty_records_in_a_row;
  const uint8_t alert[2] = {kAlertLevelWarning, kAlertNoRenegotiation};
  if (reply_out_ != nullptr && state_.write_closed == 0) {
    result_.reply |= SealOne(state_, ContentType::kAlert, alert, reply_out_, context_);
  }
  return true;
}

}  // namespace

OpenResult Open(TlsState& state, std::span<uint8_t> in, std::string* reply_out,
                RecordContext* context) {
  return Opener(state, reply_out, context).Run(in);
}

size_t NeededForRecord(const TlsState& state, std::span<const uint8_t> first_bytes) {
  if (state.suite == TlsSuite::kNone) return 0;
  if (first_bytes.size() < kRecordHeaderBytes) return kRecordHeaderBytes;
  size_t body_bytes = 0;
  if (AlertForHeader(state, first_bytes, &body_bytes) != 0) return 0;
  return kRecordHeaderBytes + body_bytes;
}

}  // namespace roost
