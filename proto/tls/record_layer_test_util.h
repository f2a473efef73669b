// Two ends of a made-up connection, for tests of the record layer alone.
#ifndef ROOST_PROTO_TLS_RECORD_LAYER_TEST_UTIL_H_
#define ROOST_PROTO_TLS_RECORD_LAYER_TEST_UTIL_H_

#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "proto/tls/record_layer.h"

namespace roost {

inline constexpr TlsSuite kAllSuites[] = {
    TlsSuite::kTls13Aes128GcmSha256,
    TlsSuite::kTls13Aes256GcmSha384,
    TlsSuite::kTls13ChaCha20Poly1305Sha256,
    TlsSuite::kTls12Aes128Gcm,
    TlsSuite::kTls12Aes256Gcm,
    TlsSuite::kTls12ChaCha20Poly1305,
};
inline constexpr TlsSuite kTls13Suites[] = {
    TlsSuite::kTls13Aes128GcmSha256,
    TlsSuite::kTls13Aes256GcmSha384,
    TlsSuite::kTls13ChaCha20Poly1305Sha256,
};
inline constexpr TlsSuite kTls12Suites[] = {
    TlsSuite::kTls12Aes128Gcm,
    TlsSuite::kTls12Aes256Gcm,
    TlsSuite::kTls12ChaCha20Poly1305,
};

struct TlsPair {
  TlsState client{};
  TlsState server{};
};

inline TlsPair MakePair(TlsSuite suite, uint8_t seed = 1) {
  TlsPair pair;
  pair.client.suite = pair.server.suite = suite;
  pair.client.is_client = 1;
  for (size_t i = 0; i < sizeof pair.client.read_secret; ++i) {
    pair.client.read_secret[i] = static_cast<uint8_t>(seed + 3 * i);
    pair.client.write_secret[i] = static_cast<uint8_t>(seed + 101 + 7 * i);
  }
  std::memcpy(pair.server.write_secret, pair.client.read_secret, sizeof pair.server.write_secret);
  std::memcpy(pair.server.read_secret, pair.client.write_secret, sizeof pair.server.read_secret);
  return pair;
}

inline std::span<uint8_t> Bytes(std::string& text) {
  return {reinterpret_cast<uint8_t*>(text.data()), text.size()};
}

inline std::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Joins what is made one after the other; operator+ would leave the order of making open.
inline std::string Join(std::initializer_list<std::string> parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}

// Everything Open says about a stream, joined.
struct Opened {
  std::string data;
  std::string reply;
  OpenResult last;  // the result that ended it: kNeedMore, kCloseNotify or kError
  int records = 0;  // consumed ones
  size_t rest = 0;  // bytes not consumed
};

inline Opened OpenAll(TlsState& state, std::string wire, RecordContext* context = nullptr) {
  Opened opened;
  std::span<uint8_t> in = Bytes(wire);
  for (;;) {
    opened.last = Open(state, in, &opened.reply, context);
    opened.rest = in.size();
    if (opened.last.status == OpenResult::kNeedMore ||
        opened.last.status == OpenResult::kCloseNotify ||
        opened.last.status == OpenResult::kError) {
      opened.last.plaintext = {};
      return opened;
    }
    ++opened.records;
    opened.data += Text(opened.last.plaintext);
    in = in.subspan(opened.last.consumed);
  }
}

}  // namespace roost

#endif  // ROOST_PROTO_TLS_RECORD_LAYER_TEST_UTIL_H_
