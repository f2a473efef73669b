// Seals any record whatever, also ones our own Seal never makes: the peer in tests and fuzzing.
//
// Written apart from record_layer.cc, over BoringSSL's own HKDF, so that a shared mistake shows.
#ifndef ROOST_PROTO_TLS_RAW_RECORD_H_
#define ROOST_PROTO_TLS_RAW_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/tls/tls_state.h"

namespace roost {

// One record under the write side of `state`, which advances. `padding`: zeros after the inner type
// (TLS 1.3). The plaintext may have any size, and the type any value.
std::string SealRaw(TlsState& state, uint8_t type, std::string_view plaintext, size_t padding = 0);

// As SealRaw, with the outer type and version given too.
std::string SealRawOuter(TlsState& state, uint8_t outer_type, uint16_t version, uint8_t type,
                         std::string_view plaintext, size_t padding = 0);

// The message bytes of a KeyUpdate, and the change of the write key that goes with it.
std::string KeyUpdateMessage(uint8_t request);
void AdvanceWriteKey(TlsState& state);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_RAW_RECORD_H_
