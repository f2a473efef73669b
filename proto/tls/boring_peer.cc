#include "proto/tls/boring_peer.h"

#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "proto/check.h"

namespace roost {

std::unique_ptr<BoringPeer> BoringPeer::Make(const BoringPeerOptions& options) {
  auto peer = std::make_unique<BoringPeer>();
  SSL_CTX* const ctx = SSL_CTX_new(TLS_method());
  peer->ctx_.reset(ctx);
  ROOST_CHECK(SSL_CTX_set_min_proto_version(ctx, options.min_version) == 1);
  ROOST_CHECK(SSL_CTX_set_max_proto_version(ctx, options.max_version) == 1);
  if (!options.tls12_suites.empty()) {
    ROOST_CHECK(SSL_CTX_set_strict_cipher_list(ctx, options.tls12_suites.c_str()) == 1);
  }
  if (options.signature != 0) {
    ROOST_CHECK(SSL_CTX_set_verify_algorithm_prefs(ctx, &options.signature, 1) == 1);
  }
  if (!options.groups.empty()) {
    ROOST_CHECK(SSL_CTX_set1_curves_list(ctx, options.groups.c_str()) == 1);
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
    auto* const self = static_cast<BoringPeer*>(SSL_get_app_data(ssl));
    self->session_.reset(session);
    ++self->sessions_;
    return 1;
  });
  return peer;
}

std::unique_ptr<BoringPeer> BoringPeer::Client(const BoringPeerOptions& options) {
  auto peer = Make(options);
  peer->ssl_.reset(SSL_new(peer->ctx_.get()));
  SSL* const ssl = peer->ssl_.get();
  SSL_set_app_data(ssl, peer.get());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl);
  if (!options.server_name.empty()) {
    ROOST_CHECK(SSL_set_tlsext_host_name(ssl, options.server_name.c_str()) == 1);
  }
  if (!options.alpn.empty()) {
    ROOST_CHECK(SSL_set_alpn_protos(ssl, reinterpret_cast<const uint8_t*>(options.alpn.data()),
                                    static_cast<unsigned>(options.alpn.size())) == 0);
  }
  if (options.session != nullptr) ROOST_CHECK(SSL_set_session(ssl, options.session) == 1);
  peer->Run();
  return peer;
}

std::unique_ptr<BoringPeer> BoringPeer::Server(const BoringPeerOptions& options) {
  auto peer = Make(options);
  SSL_CTX* const ctx = peer->ctx_.get();
  const bssl::UniquePtr<BIO> cert(
      BIO_new_mem_buf(options.cert_pem.data(), static_cast<int>(options.cert_pem.size())));
  const bssl::UniquePtr<BIO> key(
      BIO_new_mem_buf(options.key_pem.data(), static_cast<int>(options.key_pem.size())));
  const bssl::UniquePtr<X509> leaf(PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr));
  const bssl::UniquePtr<EVP_PKEY> pkey(
      PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  ROOST_CHECK(SSL_CTX_use_certificate(ctx, leaf.get()) == 1);
  ROOST_CHECK(SSL_CTX_use_PrivateKey(ctx, pkey.get()) == 1);
  while (X509* const next = PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr)) {
    ROOST_CHECK(SSL_CTX_add0_chain_cert(ctx, next) == 1);
  }
  ERR_clear_error();
  SSL_CTX_set_num_tickets(ctx, static_cast<size_t>(options.tickets));
  peer->ssl_.reset(SSL_new(ctx));
  SSL* const ssl = peer->ssl_.get();
  SSL_set_app_data(ssl, peer.get());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl);
  return peer;
}

void BoringPeer::Fail() {
  failed_ = true;
  const uint32_t code = ERR_get_error();
  const char* const reason = ERR_reason_error_string(code);
  error_ = reason == nullptr ? "unknown" : reason;
  ERR_clear_error();
}

void BoringPeer::Run() {
  if (failed_) return;
  ERR_clear_error();
  if (!done_) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
      if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) Fail();
      return;
    }
    done_ = true;
  }
  char buffer[4096];
  for (;;) {
    const int n = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (n > 0) {
      data_.append(buffer, static_cast<size_t>(n));
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), n);
    if (error == SSL_ERROR_ZERO_RETURN) {
      closed_ = true;
    } else if (error != SSL_ERROR_WANT_READ) {
      Fail();
    }
    return;
  }
}

void BoringPeer::Feed(std::string_view wire) {
  BIO_write(SSL_get_rbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
  Run();
}

std::string BoringPeer::Take() {
  BIO* const bio = SSL_get_wbio(ssl_.get());
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  BIO_mem_contents(bio, &bytes, &size);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  BIO_reset(bio);
  return out;
}

void BoringPeer::Write(std::string_view plaintext) {
  const int n = SSL_write(ssl_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  ROOST_CHECK(n == static_cast<int>(plaintext.size()));
}

void BoringPeer::KeyUpdate(bool request_peers) {
  ROOST_CHECK(SSL_key_update(ssl_.get(), request_peers ? SSL_KEY_UPDATE_REQUESTED
                                                       : SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
}

void BoringPeer::Shutdown() { SSL_shutdown(ssl_.get()); }

}  // namespace roost
