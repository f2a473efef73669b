#include "proto/tls/tls_context.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "proto/check.h"
#include "proto/tls/pem.h"
#include "proto/tls/tls_context_internal.h"

namespace roost {
namespace {

// TLS 1.2; those of 1.3 are all AEAD and cannot be chosen. Equal preference in brackets, so that a
// client without AES instructions gets ChaCha20 if it asks for it first.
constexpr char kTls12Suites[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

// Both to sign and to accept: nothing with SHA-1 (RFC 9155).
constexpr uint16_t kSignatures[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384, SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_RSA_PSS_RSAE_SHA512, SSL_SIGN_RSA_PKCS1_SHA512,
};

constexpr char kSessionContext[] = "roost";  // of connections without a server name

bool IsUnset(const TicketKey& key) {
  return std::all_of(key.begin(), key.end(), [](uint8_t b) { return b == 0; });
}

bool SetCommonOptions(SSL_CTX* ctx) {
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_early_data_enabled(ctx, 0);
  return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_strict_cipher_list(ctx, kTls12Suites) == 1 &&
         SSL_CTX_set_signing_algorithm_prefs(ctx, kSignatures, std::size(kSignatures)) == 1 &&
         SSL_CTX_set_verify_algorithm_prefs(ctx, kSignatures, std::size(kSignatures)) == 1;
}

// Of a TicketTaker: 1 means that the session was kept.
int TakeSession(SSL* ssl, SSL_SESSION* session) {
  auto* const taken = static_cast<bssl::UniquePtr<SSL_SESSION>*>(SSL_get_app_data(ssl));
  if (taken == nullptr || *taken) return 0;
  taken->reset(session);
  return 1;
}

// ALPN lists are length-prefixed names; BoringSSL has checked their form.
int SelectAlpn(SSL*, const uint8_t** out, uint8_t* out_bytes, const uint8_t* in, unsigned in_bytes,
               void*) {
  static constexpr std::string_view kImap = "imap";
  for (size_t at = 0; at < in_bytes; at += size_t{1} + in[at]) {
    const std::string_view name(reinterpret_cast<const char*>(in) + at + 1, in[at]);
    if (name != kImap) continue;
    *out = in + at + 1;
    *out_bytes = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// The requested name in lower case; empty if it cannot be a host name.
std::string NormalizedName(const char* name) {
  std::string out;
  for (; *name != '\0'; ++name) {
    char c = *name;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool good =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!good) return {};
    out.push_back(c);
  }
  if (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

// Picks the certificate, and ties tickets to the name they were given under (RFC 6066 section 3).
int OnServerName(SSL* ssl, int*, void*) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  auto* const link = static_cast<ServerHandshakeLink*>(SSL_get_app_data(ssl));
  if (name == nullptr || link == nullptr) return SSL_TLSEXT_ERR_NOACK;
  *link->sni = NormalizedName(name);
  link->chosen = &link->context->Select(*link->sni);
  SSL_CTX* const chosen = link->chosen->ctx.get();
  if (chosen != SSL_get_SSL_CTX(ssl) && SSL_set_SSL_CTX(ssl, chosen) == nullptr) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(link->sni->data()), link->sni->size(), digest);
  return SSL_set_session_id_context(ssl, digest, sizeof digest) == 1 ? SSL_TLSEXT_ERR_OK
                                                                     : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// BoringSSL's ticket callback: 1 good, 2 good but make a new one, 0 not ours, -1 broken.
int OnTicketKey(SSL* ssl, uint8_t* key_name, uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* hmac,
                int encrypt) {
  const auto* const link = static_cast<const ServerHandshakeLink*>(SSL_get_app_data(ssl));
  if (link == nullptr) return -1;
  const TicketKeys& keys = link->context->ticket_keys;
  const TicketKey* key = &keys.current;
  if (encrypt == 0) {
    key = nullptr;
    for (const TicketKey* candidate : {&keys.current, &keys.previous, &keys.next}) {
      if (!IsUnset(*candidate) && std::memcmp(candidate->data(), key_name, 16) == 0) {
        key = candidate;
        break;
      }
    }
    if (key == nullptr) return 0;
  } else {
    std::memcpy(key_name, key->data(), 16);
    if (RAND_bytes(iv, 16) != 1) return -1;
  }
  const uint8_t* const hmac_key = key->data() + 16;
  const uint8_t* const aes_key = key->data() + 32;
  if (HMAC_Init_ex(hmac, hmac_key, 16, EVP_sha256(), nullptr) != 1 ||
      EVP_CipherInit_ex(cipher, EVP_aes_128_cbc(), nullptr, aes_key, iv, encrypt) != 1) {
    return -1;
  }
  return key == &keys.current ? 1 : 2;
}

bool SetServerOptions(SSL_CTX* ctx, const TlsServerOptions& options) {
  SSL_CTX_set_num_tickets(ctx, 1);
  SSL_CTX_set_alpn_select_cb(ctx, SelectAlpn, nullptr);
  SSL_CTX_set_tlsext_servername_callback(ctx, OnServerName);
  SSL_CTX_set_tlsext_ticket_key_cb(ctx, OnTicketKey);
  if (!options.tickets) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  if (!SetCommonOptions(ctx)) return false;
  if (options.tls13_only && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) return false;
  return SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const uint8_t*>(kSessionContext),
                                        sizeof kSessionContext - 1) == 1;
}

bool UseCertificate(SSL_CTX* ctx, const ParsedCertificate& parsed) {
  if (SSL_CTX_use_certificate(ctx, parsed.chain[0].get()) != 1) return false;
  for (size_t i = 1; i < parsed.chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ctx, parsed.chain[i].get()) != 1) return false;
  }
  return SSL_CTX_use_PrivateKey(ctx, parsed.key.get()) == 1;
}

std::string LibraryError(std::string_view what) {
  const uint32_t code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return std::string(what) + (reason == nullptr ? "" : std::string(": ") + reason);
}

bool MatchesWildcard(std::string_view pattern, std::string_view name) {
  if (pattern.size() < 3 || pattern.substr(0, 2) != "*.") return false;
  const size_t dot = name.find('.');
  return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

}  // namespace

TicketKeys TicketKeys::Random() {
  TicketKeys keys;
  for (TicketKey* key : {&keys.current, &keys.previous, &keys.next}) {
    ROOST_CHECK(RAND_bytes(key->data(), key->size()) == 1);
  }
  return keys;
}

TlsServerContext::Impl::~Impl() { OPENSSL_cleanse(&ticket_keys, sizeof ticket_keys); }

const TlsServerContext::Impl::Entry& TlsServerContext::Impl::Select(std::string_view name) const {
  for (const Entry& entry : entries) {
    if (std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) return entry;
  }
  for (const Entry& entry : entries) {
    for (const std::string& pattern : entry.names) {
      if (MatchesWildcard(pattern, name)) return entry;
    }
  }
  return entries.front();
}

TlsServerContext::TlsServerContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServerContext::~TlsServerContext() = default;

std::unique_ptr<TlsServerContext> TlsServerContext::Create(const TlsServerOptions& options,
                                                           std::string* error) {
  if (options.certificates.empty()) {
    *error = "no certificate given: a TLS listener needs at least one chain with its key";
    return nullptr;
  }
  auto impl = std::make_unique<Impl>();
  impl->ticket_keys = options.ticket_keys;
  if (IsUnset(impl->ticket_keys.current)) impl->ticket_keys = TicketKeys::Random();
  for (const TlsCertificate& certificate : options.certificates) {
    ParsedCertificate parsed;
    if (!ParseCertificate(certificate, &parsed, error)) return nullptr;
    Impl::Entry entry;
    entry.ctx.reset(SSL_CTX_new(TLS_method()));
    if (!entry.ctx || !SetServerOptions(entry.ctx.get(), options) ||
        !UseCertificate(entry.ctx.get(), parsed)) {
      *error = LibraryError(parsed.chain_source + ": BoringSSL does not take this certificate");
      return nullptr;
    }
    entry.names = std::move(parsed.names);
    entry.is_rsa = parsed.is_rsa;
    impl->entries.push_back(std::move(entry));
  }
  return std::unique_ptr<TlsServerContext>(new TlsServerContext(std::move(impl)));
}

std::unique_ptr<TlsServerContext> TlsServerContext::WithTicketKeys(const TlsServerContext& like,
                                                                   const TicketKeys& keys) {
  auto impl = std::make_unique<Impl>();
  impl->ticket_keys = keys;
  for (const Impl::Entry& entry : like.impl_->entries) {
    impl->entries.push_back({bssl::UpRef(entry.ctx), entry.names, entry.is_rsa});
  }
  return std::unique_ptr<TlsServerContext>(new TlsServerContext(std::move(impl)));
}

size_t TlsServerContext::certificate_count() const { return impl_->entries.size(); }
const TicketKeys& TlsServerContext::ticket_keys() const { return impl_->ticket_keys; }

TlsClientContext::TlsClientContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClientContext::~TlsClientContext() = default;

std::unique_ptr<TlsClientContext> TlsClientContext::Create(const TlsClientOptions& options,
                                                           std::string* error) {
  auto impl = std::make_unique<Impl>();
  impl->verify = options.verify;
  impl->ctx.reset(SSL_CTX_new(TLS_method()));
  if (!impl->ctx || !SetCommonOptions(impl->ctx.get())) {
    *error = LibraryError("cannot set up TLS");
    return nullptr;
  }
  impl->tickets = options.tickets;
  impl->ticket = options.ticket;
  if (options.tickets) {
    SSL_CTX_set_session_cache_mode(impl->ctx.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(impl->ctx.get(), TakeSession);
  } else if (options.ticket == nullptr) {
    SSL_CTX_set_options(impl->ctx.get(), SSL_OP_NO_TICKET);
  }
  SSL_CTX_set_verify(impl->ctx.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.verify) {
    const bool own = !options.ca_pem.empty() || !options.ca_file.empty();
    X509_STORE* const store = SSL_CTX_get_cert_store(impl->ctx.get());
    if (!AddTrusted(store, options.ca_pem, own ? options.ca_file : options.system_ca_file, error)) {
      if (!own) {
        *error += "; install the package ca-certificates, or name a CA file for this backend";
      }
      return nullptr;
    }
    // What the operator names is trusted as it stands, be it a root, an intermediate or a leaf.
    if (own) X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  }
  return std::unique_ptr<TlsClientContext>(new TlsClientContext(std::move(impl)));
}

}  // namespace roost
