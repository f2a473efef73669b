// From an application traffic secret to the record key, and to the next secret (RFC
// 8446, 7.2, 7.3).
//
// Internal to proto/tls. Allocates nothing: a heartbeat to an idle client derives its key anew each
// time, so the HMAC pads are computed once for both labels and no digest object is made.
#ifndef ROOST_PROTO_TLS_KEY_SCHEDULE_H_
#define ROOST_PROTO_TLS_KEY_SCHEDULE_H_

#include <cstddef>
#include <cstdint>

#include "proto/tls/tls_state.h"

namespace roost {

inline constexpr size_t kMaxKeyBytes = 32;
inline constexpr size_t kMaxIvBytes = 12;

// Of the AEAD key; 0 for kNone.
size_t KeyBytes(TlsSuite suite);
// Of the IV that is not sent: 4 for TLS 1.2 with GCM, else 12.
size_t IvBytes(TlsSuite suite);
// Of a traffic secret, TLS 1.3 only: the length of the suite's hash.
size_t SecretBytes(TlsSuite suite);

// The key and IV of one direction. The caller cleanses it.
struct TrafficKey {
  uint8_t key[kMaxKeyBytes];
  uint8_t iv[kMaxIvBytes];
};

// secret: TlsState's 48 bytes of one direction, of either version.
void DeriveTrafficKey(TlsSuite suite, const uint8_t* secret, TrafficKey* out);

// Replaces a TLS 1.3 secret by its successor.
void AdvanceSecret(TlsSuite suite, uint8_t* secret);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_KEY_SCHEDULE_H_
