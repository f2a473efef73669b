#include "proto/tls/sealed_secret.h"

#include <array>
#include <cstdint>

#include <openssl/aead.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include "proto/check.h"

namespace roost {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

// One context for the process: AEAD contexts may be used by several threads at once.
const EVP_AEAD_CTX& ProcessContext() {
  static const EVP_AEAD_CTX* const context = [] {
    std::array<uint8_t, 32> key{};
    RAND_bytes(key.data(), key.size());
    EVP_AEAD_CTX* made =
        EVP_AEAD_CTX_new(EVP_aead_aes_256_gcm(), key.data(), key.size(), kTagBytes);
    ROOST_CHECK(made != nullptr);
    OPENSSL_cleanse(key.data(), key.size());
    return made;
  }();
  return *context;
}

const uint8_t* Bytes(std::string_view s) { return reinterpret_cast<const uint8_t*>(s.data()); }

}  // namespace

SealedSecret::SealedSecret(std::string_view secret) {
  if (secret.empty()) return;
  sealed_.resize(kNonceBytes + secret.size() + kTagBytes);
  auto* out = reinterpret_cast<uint8_t*>(sealed_.data());
  RAND_bytes(out, kNonceBytes);
  size_t size = 0;
  const int ok =
      EVP_AEAD_CTX_seal(&ProcessContext(), out + kNonceBytes, &size, secret.size() + kTagBytes, out,
                        kNonceBytes, Bytes(secret), secret.size(), nullptr, 0);
  ROOST_CHECK(ok == 1 && size == secret.size() + kTagBytes);
}

std::string SealedSecret::Open() const {
  if (sealed_.empty()) return {};
  std::string secret(sealed_.size() - kNonceBytes, '\0');
  size_t size = 0;
  const uint8_t* in = Bytes(sealed_);
  const int ok = EVP_AEAD_CTX_open(&ProcessContext(), reinterpret_cast<uint8_t*>(secret.data()),
                                   &size, secret.size(), in, kNonceBytes, in + kNonceBytes,
                                   sealed_.size() - kNonceBytes, nullptr, 0);
  ROOST_CHECK(ok == 1);
  secret.resize(size);
  return secret;
}

}  // namespace roost
