#include "proto/tls/key_schedule.h"

#include <cstring>
#include <string_view>

#include <openssl/mem.h>
#include <openssl/sha.h>

#include "proto/check.h"

namespace roost {
namespace {

struct Sha256 {
  using Context = SHA256_CTX;
  static constexpr size_t kBlockBytes = SHA256_CBLOCK;
  static constexpr size_t kDigestBytes = SHA256_DIGEST_LENGTH;
  static void Init(Context* c) { SHA256_Init(c); }
  static void Update(Context* c, const uint8_t* data, size_t n) { SHA256_Update(c, data, n); }
  static void Final(uint8_t* out, Context* c) { SHA256_Final(out, c); }
};

struct Sha384 {
  using Context = SHA512_CTX;
  static constexpr size_t kBlockBytes = SHA384_CBLOCK;
  static constexpr size_t kDigestBytes = SHA384_DIGEST_LENGTH;
  static void Init(Context* c) { SHA384_Init(c); }
  static void Update(Context* c, const uint8_t* data, size_t n) { SHA384_Update(c, data, n); }
  static void Final(uint8_t* out, Context* c) { SHA384_Final(out, c); }
};

// HKDF-Expand-Label with an empty context and at most one digest of output, for several labels
// under one secret.
template <class Hash>
class LabelExpander {
 public:
  explicit LabelExpander(const uint8_t* secret) {
    Absorb(&inner_, secret, 0x36);
    Absorb(&outer_, secret, 0x5c);
  }
  ~LabelExpander() {
    OPENSSL_cleanse(&inner_, sizeof inner_);
    OPENSSL_cleanse(&outer_, sizeof outer_);
  }
  LabelExpander(const LabelExpander&) = delete;
  LabelExpander& operator=(const LabelExpander&) = delete;

  void Expand(std::string_view label, uint8_t* out, size_t out_bytes) const {
    ROOST_DCHECK(out_bytes <= Hash::kDigestBytes);
    static constexpr std::string_view kPrefix = "tls13 ";
    uint8_t info[2 + 1 + 32 + 1 + 1];
    size_t n = 0;
    info[n++] = 0;
    info[n++] = static_cast<uint8_t>(out_bytes);
    info[n++] = static_cast<uint8_t>(kPrefix.size() + label.size());
    std::memcpy(info + n, kPrefix.data(), kPrefix.size());
    n += kPrefix.size();
    std::memcpy(info + n, label.data(), label.size());
    n += label.size();
    info[n++] = 0;  // no context
    info[n++] = 1;  // HKDF's block counter

    uint8_t digest[Hash::kDigestBytes];
    typename Hash::Context hash = inner_;
    Hash::Update(&hash, info, n);
    Hash::Final(digest, &hash);
    hash = outer_;
    Hash::Update(&hash, digest, sizeof digest);
    Hash::Final(digest, &hash);
    std::memcpy(out, digest, out_bytes);
    OPENSSL_cleanse(digest, sizeof digest);
    OPENSSL_cleanse(&hash, sizeof hash);
  }

 private:
  static void Absorb(typename Hash::Context* hash, const uint8_t* secret, uint8_t pad) {
    uint8_t block[Hash::kBlockBytes];
    std::memset(block, pad, sizeof block);
    for (size_t i = 0; i < Hash::kDigestBytes; ++i) block[i] ^= secret[i];
    Hash::Init(hash);
    Hash::Update(hash, block, sizeof block);
    OPENSSL_cleanse(block, sizeof block);
  }

  typename Hash::Context inner_;
  typename Hash::Context outer_;
};

template <class Hash>
void DeriveTls13(TlsSuite suite, const uint8_t* secret, TrafficKey* out) {
  const LabelExpander<Hash> expander(secret);
  expander.Expand("key", out->key, KeyBytes(suite));
  expander.Expand("iv", out->iv, IvBytes(suite));
}

}  // namespace

size_t KeyBytes(TlsSuite suite) {
  switch (suite) {
    case TlsSuite::kNone:
      return 0;
    case TlsSuite::kTls13Aes128GcmSha256:
    case TlsSuite::kTls12Aes128Gcm:
      return 16;
    case TlsSuite::kTls13Aes256GcmSha384:
    case TlsSuite::kTls13ChaCha20Poly1305Sha256:
    case TlsSuite::kTls12Aes256Gcm:
    case TlsSuite::kTls12ChaCha20Poly1305:
      return 32;
  }
  return 0;
}

size_t IvBytes(TlsSuite suite) {
  const bool gcm12 = suite == TlsSuite::kTls12Aes128Gcm || suite == TlsSuite::kTls12Aes256Gcm;
  return gcm12 ? 4 : 12;
}

size_t SecretBytes(TlsSuite suite) {
  return suite == TlsSuite::kTls13Aes256GcmSha384 ? Sha384::kDigestBytes : Sha256::kDigestBytes;
}

void DeriveTrafficKey(TlsSuite suite, const uint8_t* secret, TrafficKey* out) {
  switch (suite) {
    case TlsSuite::kNone:
      break;
    case TlsSuite::kTls13Aes128GcmSha256:
    case TlsSuite::kTls13ChaCha20Poly1305Sha256:
      return DeriveTls13<Sha256>(suite, secret, out);
    case TlsSuite::kTls13Aes256GcmSha384:
      return DeriveTls13<Sha384>(suite, secret, out);
    case TlsSuite::kTls12Aes128Gcm:
    case TlsSuite::kTls12Aes256Gcm:
    case TlsSuite::kTls12ChaCha20Poly1305:
      std::memcpy(out->key, secret, KeyBytes(suite));
      std::memcpy(out->iv, secret + KeyBytes(suite), IvBytes(suite));
      return;
  }
  ROOST_CHECK(suite != TlsSuite::kNone);
}

void AdvanceSecret(TlsSuite suite, uint8_t* secret) {
  uint8_t next[Sha384::kDigestBytes];
  const size_t bytes = SecretBytes(suite);
  if (suite == TlsSuite::kTls13Aes256GcmSha384) {
    LabelExpander<Sha384>(secret).Expand("traffic upd", next, bytes);
  } else {
    LabelExpander<Sha256>(secret).Expand("traffic upd", next, bytes);
  }
  std::memcpy(secret, next, bytes);
  OPENSSL_cleanse(next, sizeof next);
}

}  // namespace roost
