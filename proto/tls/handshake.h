// One TLS handshake in progress, server or client: bytes in, bytes out, and at its end a TlsState.
//
// What it is: BoringSSL driven over memory, fed whole records only, so that what follows the peer's
// Finished is never seen by it and is handed on untouched. When the handshake completes the traffic
// secrets and sequence numbers are taken out and the SSL object is freed at once; from there on the
// connection lives in record_layer.h. What it is not: no socket, no deadline (the caller's), no
// early data, no client certificates, no renegotiation, nothing below TLS 1.2.
//
// Place: accept or connect (or STARTTLS) -> Handshake -> TakeState -> Seal / Open.
//
//   kNeedMore --Advance--> kNeedMore | kDone | kFailed        kDone, kFailed: final
//
// Lifetime: the context must outlive its handshakes. A Handshake is used by one thread at a time
// (it may move between threads between calls). Memory: about 8 KiB of BoringSSL while in progress,
// at most one partial record of input, and the output not yet taken (a few KiB: one flight).
#ifndef ROOST_PROTO_TLS_HANDSHAKE_H_
#define ROOST_PROTO_TLS_HANDSHAKE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proto/tls/tls_context.h"
#include "proto/tls/tls_state.h"

namespace roost {

struct HandshakeInfo {
  std::string_view version;  // "TLSv1.3" or "TLSv1.2"; a constant
  std::string_view suite;    // IANA name, e.g. "TLS_AES_128_GCM_SHA256"; a constant
  std::string sni;           // server: what the client asked for, lower case; client: what we sent
  std::string alpn;          // the chosen protocol, or empty
  bool resumed = false;      // from a session ticket
};

class Handshake {
 public:
  enum class Status : uint8_t { kNeedMore, kDone, kFailed };
  // Whose fault a failure was.
  enum class Fault : uint8_t {
    kNone,
    kPeer,      // it sent garbage, broke the protocol, or refused us by an alert
    kMismatch,  // both are sane but have no version, suite or protocol in common
    kTrust,     // client only: the store's certificate was not accepted
    kOurs,      // no memory, bad key: something here is broken
  };

  static std::unique_ptr<Handshake> Server(const TlsServerContext& context);
  // server_name: host name or IP address as configured; sent as SNI (names only) and verified.
  static std::unique_ptr<Handshake> Client(const TlsClientContext& context,
                                           std::string_view server_name);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // Consumes all of `in` (may be empty; a client's first call makes its ClientHello). Call
  // TakeOutput after each. After kDone further bytes are simply added to the leftover.
  Status Advance(std::span<const uint8_t> in);
  Status Advance(std::string_view in);
  Status status() const;

  // A server's with an RSA key, for the name that the client asked for: its signature costs
  // milliseconds.
  bool IsRsa() const;

  // Bytes to send, in order; also after kDone (last flight, ticket) and kFailed (the alert).
  std::string TakeOutput();

  // After kDone, exactly once. *leftover gets the ciphertext that followed the peer's Finished:
  // it belongs to the record layer, ahead of anything received later.
  TlsState TakeState(std::string* leftover);

  const HandshakeInfo& info() const;  // after kDone; sni as soon as it is known
  const std::string& error() const;   // after kFailed: plain words, without a full stop
  Fault fault() const;

  struct Impl;  // in handshake.cc

 private:
  explicit Handshake(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_HANDSHAKE_H_
