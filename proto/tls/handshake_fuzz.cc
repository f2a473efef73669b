// Handshakes under bytes of a stranger: as they are, or a real peer's with some of them changed.
//
// Input: a byte for the mode (bit 0: we are the client; bit 1: a real BoringSSL peer; bit 2:
// TLS 1.2 only; bit 3: byte by byte), then, for a real peer, changes of three bytes each (two of
// position in what it sends, one to exclusive-or), else what it sends.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "proto/tls/boring_peer.h"
#include "proto/tls/handshake.h"
#include "proto/tls/self_signed.h"

namespace roost {
namespace {

struct Contexts {
  PemPair pair = MakeSelfSigned({"localhost"});
  std::unique_ptr<TlsServerContext> server;
  std::unique_ptr<TlsClientContext> client;
  Contexts() {
    std::string error;
    server = TlsServerContext::Create(
        {.certificates = {{.chain_pem = pair.cert_pem, .key_pem = pair.key_pem}}}, &error);
    client = TlsClientContext::Create({.ca_pem = pair.cert_pem}, &error);
    ROOST_CHECK(server != nullptr && client != nullptr);
  }
};

const Contexts& Shared() {
  static const Contexts* const contexts = new Contexts;
  return *contexts;
}

// A server's flight with its certificate, or an alert; nothing of ours is longer.
constexpr size_t kMaxOutputBytes = 8192;

void Feed(Handshake& handshake, std::string_view bytes, bool one_by_one, std::string* output) {
  if (one_by_one) {
    for (const char& byte : bytes) handshake.Advance(std::string_view(&byte, 1));
  } else {
    handshake.Advance(bytes);
  }
  const std::string out = handshake.TakeOutput();
  ROOST_CHECK(out.size() <= kMaxOutputBytes);
  *output += out;
}

void CheckEnd(Handshake& handshake) {
  const bool failed = handshake.status() == Handshake::Status::kFailed;
  ROOST_CHECK(failed == !handshake.error().empty());
  ROOST_CHECK(failed == (handshake.fault() != Handshake::Fault::kNone));
  if (handshake.status() != Handshake::Status::kDone) return;
  std::string leftover;
  TlsState state = handshake.TakeState(&leftover);
  ROOST_CHECK(state.suite != TlsSuite::kNone);
  Wipe(state);
}

// Changes the bytes that the list names, of those at `offset` and on in the peer's stream.
void Change(std::string_view changes, size_t offset, std::string* bytes) {
  for (; changes.size() >= 3; changes.remove_prefix(3)) {
    const size_t at =
        size_t{static_cast<uint8_t>(changes[0])} << 8 | static_cast<uint8_t>(changes[1]);
    if (at < offset || at - offset >= bytes->size()) continue;
    (*bytes)[at - offset] = static_cast<char>((*bytes)[at - offset] ^ changes[2]);
  }
}

void WithPeer(Handshake& ours, BoringPeer& peer, std::string_view changes, bool one_by_one) {
  size_t offset = 0;
  std::string to_peer = ours.TakeOutput();
  for (int turn = 0; turn < 8; ++turn) {
    std::string to_us = peer.Take();
    Change(changes, offset, &to_us);
    offset += to_us.size();
    Feed(ours, to_us, one_by_one, &to_peer);
    peer.Feed(std::exchange(to_peer, {}));
  }
}

}  // namespace
}  // namespace roost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: the one function outside
  const uint8_t mode = size == 0 ? 0 : data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + (size == 0 ? 0 : 1),
                              size == 0 ? 0 : size - 1);
  const bool is_client = (mode & 1) != 0;
  const bool one_by_one = (mode & 8) != 0;
  const auto ours = is_client ? Handshake::Client(*Shared().client, "localhost")
                              : Handshake::Server(*Shared().server);
  ours->Advance("");
  if ((mode & 2) != 0) {
    BoringPeerOptions options;
    options.server_name = is_client ? "" : "localhost";
    options.alpn = std::string("\4imap");
    options.max_version = (mode & 4) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    options.cert_pem = Shared().pair.cert_pem;
    options.key_pem = Shared().pair.key_pem;
    const auto peer = is_client ? BoringPeer::Server(options) : BoringPeer::Client(options);
    WithPeer(*ours, *peer, rest, one_by_one);
  } else {
    std::string output;
    Feed(*ours, rest, one_by_one, &output);
  }
  CheckEnd(*ours);
  return 0;
}
