// The whole state of one established TLS connection, in 120 bytes.
//
// What it is: everything that must be remembered between two records, and nothing that can be
// derived again. It comes out of a finished Handshake (handshake.h) and is used by Seal and Open
// (record_layer.h). What it is not: an object with resources. It is trivially copyable, so that it
// can lie inside a client's cell, move to another thread or another process, and be stored in bulk.
//
// Exactly one copy may be in use: a copy that seals after another has sealed repeats a nonce, which
// breaks the encryption of both records. Moving it means: copy, then Wipe the source.
//
// Lifetime: from TakeState to Wipe. No thread owns it; one thread uses it at a time.
//
// Both roles are covered: server towards mail clients, client towards stores. RFC 8446 (TLS 1.3),
// RFC 5246 with RFC 5288 and RFC 7905 (TLS 1.2 with AEAD suites). Nothing older exists here.
#ifndef ROOST_PROTO_TLS_TLS_STATE_H_
#define ROOST_PROTO_TLS_TLS_STATE_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace roost {

// Protocol version and record protection in one value; the three TLS 1.2 ones stand for both their
// ECDSA and their RSA form, which differ in the handshake only.
enum class TlsSuite : uint8_t {
  kNone = 0,  // wiped, or never filled
  kTls13Aes128GcmSha256 = 1,
  kTls13Aes256GcmSha384 = 2,
  kTls13ChaCha20Poly1305Sha256 = 3,
  kTls12Aes128Gcm = 4,
  kTls12Aes256Gcm = 5,
  kTls12ChaCha20Poly1305 = 6,
};

// Whether more may be read. Both end states are final.
enum class TlsReadPhase : uint8_t {
  kOpen = 0,
  kClosed = 1,  // the peer's close_notify has been read
  kFailed = 2,  // a record was refused, or the peer sent a fatal alert
};

struct TlsState {
  // Number of the next record in each direction, under the present key.
  uint64_t read_sequence;
  uint64_t write_sequence;

  // TLS 1.3: the application traffic secret (32 or 48 bytes). TLS 1.2: key, then fixed IV.
  uint8_t read_secret[48];
  uint8_t write_secret[48];

  TlsSuite suite;

  uint8_t is_client : 1;        // we are the TLS client (towards a store)
  uint8_t read_phase : 2;       // TlsReadPhase
  uint8_t write_closed : 1;     // we have sealed close_notify or a fatal alert
  uint8_t owes_key_update : 1;  // a requested KeyUpdate goes out before the next application data
  uint8_t message_bytes : 3;    // header bytes of a handshake message held; 4: in its body

  uint8_t key_updates_in_a_row;    // received without application data between
  uint8_t empty_records_in_a_row;  // likewise, and warning alerts

  // A handshake message after the handshake that is split over records. message_bytes < 4: that
  // many header bytes, the last one lowest. Else: type << 24 | bytes of the body still to come.
  uint32_t message;
};

static_assert(sizeof(TlsState) == 120, "exists a million times");
static_assert(std::is_trivially_copyable_v<TlsState>);
static_assert(offsetof(TlsState, read_secret) == 16 && offsetof(TlsState, write_secret) == 64);
static_assert(offsetof(TlsState, suite) == 112 && offsetof(TlsState, message) == 116);

// Overwrites the secrets in a way the compiler keeps; afterwards Seal and Open refuse.
void Wipe(TlsState& state);

inline bool IsTls13(const TlsState& state) {
  return state.suite >= TlsSuite::kTls13Aes128GcmSha256 &&
         state.suite <= TlsSuite::kTls13ChaCha20Poly1305Sha256;
}

}  // namespace roost

#endif  // ROOST_PROTO_TLS_TLS_STATE_H_
