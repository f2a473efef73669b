// Runs a handshake of ours against BoringSSL in memory, byte by byte or at once.
#ifndef ROOST_PROTO_TLS_HANDSHAKE_TEST_UTIL_H_
#define ROOST_PROTO_TLS_HANDSHAKE_TEST_UTIL_H_

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "proto/tls/boring_peer.h"
#include "proto/tls/handshake.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/record_layer_test_util.h"
#include "proto/tls/test_certs.h"

namespace roost {

// How bytes travel.
enum class Delivery { kAtOnce, kSingleBytes };

// Our side of a connection: first a handshake, then the record layer.
struct OurEnd {
  std::unique_ptr<Handshake> handshake;
  TlsState state{};
  std::string input;  // received and not yet opened
  std::string data;   // opened
  std::string output;
  OpenResult last;
  RecordContext context;
  bool use_context = false;
  bool established = false;

  RecordContext* ctx() { return use_context ? &context : nullptr; }

  void Feed(std::string_view wire) {
    if (!established) {
      if (handshake->Advance(wire) == Handshake::Status::kDone) {
        output += handshake->TakeOutput();
        state = handshake->TakeState(&input);
        established = true;
        wire = {};
      } else {
        output += handshake->TakeOutput();
        return;
      }
    }
    input += wire;
    for (;;) {
      last = Open(state, Bytes(input), &output, ctx());
      data += Text(last.plaintext);
      input.erase(0, last.consumed);
      if (last.status != OpenResult::kData && last.status != OpenResult::kNothing) return;
    }
  }
  std::string TakeOutput() { return std::exchange(output, {}); }
  std::string TakeData() { return std::exchange(data, {}); }
  void Write(std::string_view text) { Seal(state, text, &output, ctx()); }
};

// Carries bytes both ways until neither side has any. Returns the number of bytes carried.
inline size_t Pump(OurEnd& ours, BoringPeer& peer, Delivery delivery) {
  size_t carried = 0;
  for (;;) {
    const std::string to_peer = ours.TakeOutput();
    const std::string to_us = peer.Take();
    if (to_peer.empty() && to_us.empty()) return carried;
    carried += to_peer.size() + to_us.size();
    if (delivery == Delivery::kAtOnce) {
      if (!to_us.empty()) ours.Feed(to_us);
      if (!to_peer.empty()) peer.Feed(to_peer);
      continue;
    }
    for (const char& byte : to_us) ours.Feed({&byte, 1});
    for (const char& byte : to_peer) peer.Feed({&byte, 1});
  }
}

inline std::unique_ptr<TlsServerContext> ServerContext(const PemPair& pair,
                                                       const TicketKeys& keys = {}) {
  TlsServerOptions options;
  options.certificates.push_back({pair.cert_pem, {}, pair.key_pem, {}});
  options.ticket_keys = keys;
  std::string error;
  auto context = TlsServerContext::Create(options, &error);
  EXPECT_NE(context, nullptr) << error;
  return context;
}

inline std::unique_ptr<TlsClientContext> ClientContext(const std::string& ca_pem) {
  TlsClientOptions options;
  options.ca_pem = ca_pem;
  std::string error;
  auto context = TlsClientContext::Create(options, &error);
  EXPECT_NE(context, nullptr) << error;
  return context;
}

// Made once for the program: keys are slow to make.
struct TestPki {
  TestCa ca;
  PemPair ecdsa = ca.Issue({"imap.example.org", "127.0.0.1", "::1"});
  PemPair rsa = ca.Issue({"imap.example.org", "127.0.0.1"}, {.key = TestKey::kRsa2048});
};
inline const TestPki& Pki() {
  static const TestPki* const pki = new TestPki;
  return *pki;
}

}  // namespace roost

#endif  // ROOST_PROTO_TLS_HANDSHAKE_TEST_UTIL_H_
