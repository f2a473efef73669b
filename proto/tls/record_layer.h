// The TLS record layer of an established connection: bytes in, bytes out.
//
// What it is: seal, open, KeyUpdate in both directions, alerts, close_notify and the limits that go
// with them, on a TlsState. What it is not: no handshake (handshake.h), no socket, no clock. It
// stands between the transport's receive buffer and the IMAP framer, and between the writer and the
// transport's send.
//
// Rules for callers:
//  1. One writer, once. Seal uses up sequence numbers at once: what it appended must leave in that
//     order, or the connection be closed. An unsent tail is kept as ciphertext, never sealed again.
//  2. Bytes appended to reply_out belong into the same ordered output as those of Seal.
//  3. After kError nothing more is read: send SealAlert(alert) unless received_alert, then close.
//  4. TCP's end without kCloseNotify is a broken connection; nothing half received is executed.
//
// Memory: without a RecordContext nothing is allocated but the growth of `out`. Thread rule: one
// thread at a time for a TlsState and its RecordContext; no state is shared between connections.
//
// RFC 8446 sections 4.6, 5, 6, 7.3; RFC 5246 sections 6, 7.2, 7.4.1.1; RFC 5288; RFC 7905.
#ifndef ROOST_PROTO_TLS_RECORD_LAYER_H_
#define ROOST_PROTO_TLS_RECORD_LAYER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proto/tls/tls_state.h"

namespace roost {

enum class ContentType : uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23,
};

// Alert descriptions this layer sends or treats specially (RFC 8446 section 6).
enum TlsAlert : uint8_t {
  kAlertCloseNotify = 0,
  kAlertUnexpectedMessage = 10,
  kAlertBadRecordMac = 20,
  kAlertRecordOverflow = 22,
  kAlertIllegalParameter = 47,
  kAlertDecodeError = 50,
  kAlertProtocolVersion = 70,
  kAlertInternalError = 80,
  kAlertUserCanceled = 90,
  kAlertNoRenegotiation = 100,
};

inline constexpr size_t kRecordHeaderBytes = 5;
inline constexpr size_t kMaxPlaintextBytes = size_t{1} << 14;
inline constexpr size_t kMaxCiphertextBytesTls13 = kMaxPlaintextBytes + 256;
inline constexpr size_t kMaxCiphertextBytesTls12 = kMaxPlaintextBytes + 2048;
// A receive buffer of this size always holds one whole record.
inline constexpr size_t kMaxRecordBytes = kRecordHeaderBytes + kMaxCiphertextBytesTls12;

// Without application data between them; past these the peer is only making work.
inline constexpr int kMaxKeyUpdatesInARow = 32;
inline constexpr int kMaxEmptyRecordsInARow = 32;

// Records under one key before we change ours (RFC 8446 section 5.5 allows 2^24.5 full ones with
// AES-GCM), and before we ask the peer to change its own. TLS 1.2 has no KeyUpdate.
inline constexpr uint64_t kRecordsPerKey = uint64_t{1} << 22;
// A connection stops rather than let a sequence number come near its end.
inline constexpr uint64_t kMaxSequence = uint64_t{1} << 62;

// Ready AEAD contexts for a connection that streams, one for each direction, built when first used.
// About 700 bytes each. Holds nothing that TlsState does not hold: may be dropped at any moment.
// Knows which secret it was made from, so it cannot be stale after a KeyUpdate, whoever made it.
class RecordContext {
 public:
  RecordContext();
  ~RecordContext();
  RecordContext(RecordContext&&) noexcept;
  RecordContext& operator=(RecordContext&&) noexcept;

  // Frees both contexts; they come back by themselves when next needed.
  void Drop();

  struct Direction;  // in record_layer.cc

 private:
  friend struct RecordContextAccess;
  std::unique_ptr<Direction> read_;
  std::unique_ptr<Direction> write_;
};

// Seals plaintext as application data into as many records as needed (2^14 bytes each) and appends
// them to out; a KeyUpdate that is due goes before them. Empty plaintext appends nothing.
// plaintext must not lie inside *out. False, and nothing appended: the write side is closed, the
// state was wiped, or the sequence numbers are used up; then the connection can only be closed.
bool Seal(TlsState& state, std::span<const uint8_t> plaintext, std::string* out,
          RecordContext* context = nullptr);
bool Seal(TlsState& state, std::string_view plaintext, std::string* out,
          RecordContext* context = nullptr);

// What Seal will append for that many bytes, exactly.
size_t SealedSize(const TlsState& state, size_t plaintext_bytes);

// Both close the write side. A second call appends nothing.
bool SealCloseNotify(TlsState& state, std::string* out, RecordContext* context = nullptr);
bool SealAlert(TlsState& state, uint8_t description, std::string* out,
               RecordContext* context = nullptr);

// Changes our write key now, asking the peer for the same if so wished. TLS 1.3 only.
bool SealKeyUpdate(TlsState& state, bool request_peers, std::string* out,
                   RecordContext* context = nullptr);

struct OpenResult {
  enum Status : uint8_t {
    kNeedMore,     // not a whole record yet; nothing consumed, nothing changed
    kData,         // plaintext holds at least one byte of application data
    kNothing,      // a record was consumed that carries no application data
    kCloseNotify,  // the peer will send nothing more; anything behind it is to be thrown away
    kError,        // sticky: every later Open says so again
  };
  Status status = kNeedMore;
  size_t consumed = 0;             // bytes of `in` that are done with
  std::span<uint8_t> plaintext{};  // inside `in`, valid as long as that is
  uint8_t alert = 0;               // kError: the alert to send, or the one received
  bool received_alert = false;     // kError: the peer ended it; no alert is sent back
  bool reply = false;              // bytes were appended to *reply_out
};

// Opens the first record of `in`, in place: after kData the record's bytes are no longer
// ciphertext. Call again with the rest until kNeedMore. `in` is not changed on kNeedMore.
// reply_out may be null: an answer to a requested KeyUpdate then goes before the next Seal.
OpenResult Open(TlsState& state, std::span<uint8_t> in, std::string* reply_out,
                RecordContext* context = nullptr);

// How long the record is that starts with these bytes, header included; kRecordHeaderBytes while
// that is not known yet; 0 if Open will refuse it. Never above kMaxRecordBytes.
size_t NeededForRecord(const TlsState& state, std::span<const uint8_t> first_bytes);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_RECORD_LAYER_H_
