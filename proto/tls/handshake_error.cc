#include "proto/tls/handshake_error.h"

#include <algorithm>

#include <openssl/err.h>
#include <openssl/x509.h>

namespace roost {
namespace {

using Fault = Handshake::Fault;

constexpr int kFirstAlertReason = 1000;  // BoringSSL: reasons from here on are received alerts
constexpr size_t kMaxQuotedBytes = 24;

struct Known {
  int reason;
  Fault fault;
  const char* text;  // after "the client " or "the store "
};

constexpr Known kKnown[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, Fault::kMismatch, "offers nothing newer than TLS 1.1"},
    {SSL_R_NO_SHARED_CIPHER, Fault::kMismatch,
     "has no cipher suite in common with us (TLS 1.2 needs ECDHE with AES-GCM or ChaCha20, and one "
     "that fits our certificate's key)"},
    {SSL_R_NO_SHARED_GROUP, Fault::kMismatch,
     "has no key exchange group in common with us (X25519, P-256, P-384)"},
    {SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, Fault::kMismatch,
     "accepts no signature that our certificate's key can make"},
    {SSL_R_NO_APPLICATION_PROTOCOL, Fault::kMismatch,
     "offers application protocols (ALPN), but not \"imap\""},
    {SSL_R_HTTP_REQUEST, Fault::kPeer, "speaks HTTP, not TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, Fault::kPeer, "speaks HTTP, not TLS"},
    {SSL_R_WRONG_VERSION_NUMBER, Fault::kPeer, "sent something that is not TLS"},
    // Several clients send their alert in clear where only encrypted records are expected any more.
    {SSL_R_BAD_PACKET_LENGTH, Fault::kPeer,
     "broke off in the clear, as some do that do not accept our certificate"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, Fault::kPeer,
     "sent a record that does not decrypt"},
    {SSL_R_DIGEST_CHECK_FAILED, Fault::kPeer, "sent a wrong Finished message"},
    {SSL_R_BAD_SIGNATURE, Fault::kPeer, "signed wrongly: its certificate and key do not fit"},
    {SSL_R_INAPPROPRIATE_FALLBACK, Fault::kPeer, "fell back to an older TLS without need"},
};

// Empties the error queue. The first entry of the TLS code tells most; those of the arithmetic
// below it come before, and say less.
uint32_t TakeCause() {
  uint32_t cause = 0;
  while (const uint32_t code = ERR_get_error()) {
    const bool tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
    if (cause == 0 || (tls && ERR_GET_LIB(cause) != ERR_LIB_SSL)) cause = code;
  }
  return cause;
}

std::string AlertText(int alert) {
  const char* const name = SSL_alert_desc_string_long(alert);
  return std::string(name == nullptr ? "unknown" : name) + " (alert " + std::to_string(alert) + ")";
}

}  // namespace

HandshakeFailure DescribeFailure(const SSL* ssl, std::string_view peer,
                                 std::string_view server_name) {
  const uint32_t code = TakeCause();
  const int reason = ERR_GET_REASON(code);
  const std::string who = "the " + std::string(peer);
  if (code == 0) return {Fault::kPeer, who + " broke off the handshake"};
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      const char* const why = X509_verify_cert_error_string(SSL_get_verify_result(ssl));
      return {Fault::kTrust, "the certificate of " + std::string(server_name) +
                                 " is not accepted: " + std::string(why)};
    }
    if (reason >= kFirstAlertReason && reason < kFirstAlertReason + 256) {
      return {Fault::kPeer, who + " refused: " + AlertText(reason - kFirstAlertReason)};
    }
    for (const Known& known : kKnown) {
      if (known.reason == reason) return {known.fault, who + " " + known.text};
    }
  }
  const char* const text = ERR_reason_error_string(code);
  const bool ours = reason == ERR_R_MALLOC_FAILURE || reason == ERR_R_INTERNAL_ERROR;
  return {ours ? Fault::kOurs : Fault::kPeer,
          (ours ? std::string("TLS failed here: ") : who + " broke the TLS protocol: ") +
              (text == nullptr ? "unknown reason" : text)};
}

HandshakeFailure DescribeNotTls(std::span<const uint8_t> first_bytes, bool is_client) {
  std::string quoted;
  for (const uint8_t byte : first_bytes.first(std::min(first_bytes.size(), kMaxQuotedBytes))) {
    if (byte < 0x20 || byte > 0x7e) break;
    quoted.push_back(static_cast<char>(byte));
  }
  std::string text =
      is_client ? "the store does not speak TLS here" : "the client does not speak TLS";
  // What a client says in clear may be a password; what a store says first is its greeting.
  if (is_client && !quoted.empty()) {
    text += ", it said \"" + quoted + "\"; is STARTTLS meant?";
  }
  return {Fault::kPeer, text};
}

}  // namespace roost
