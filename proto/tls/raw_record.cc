#include "proto/tls/raw_record.h"

#include <cstring>

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>

#include "proto/check.h"

namespace roost {
namespace {

std::string ExpandLabel(const EVP_MD* digest, const uint8_t* secret, std::string_view label,
                        size_t bytes) {
  std::string info(1, '\0');
  info.push_back(static_cast<char>(bytes));
  info.push_back(static_cast<char>(6 + label.size()));
  info.append("tls13 ").append(label).push_back('\0');
  std::string out(bytes, '\0');
  ROOST_CHECK(HKDF_expand(reinterpret_cast<uint8_t*>(out.data()), bytes, digest, secret,
                          EVP_MD_size(digest), reinterpret_cast<const uint8_t*>(info.data()),
                          info.size()) == 1);
  return out;
}

const EVP_MD* DigestOf(const TlsState& state) {
  return state.suite == TlsSuite::kTls13Aes256GcmSha384 ? EVP_sha384() : EVP_sha256();
}

const EVP_AEAD* AeadOf(const TlsState& state) {
  switch (state.suite) {
    case TlsSuite::kTls13Aes128GcmSha256:
    case TlsSuite::kTls12Aes128Gcm:
      return EVP_aead_aes_128_gcm();
    case TlsSuite::kTls13Aes256GcmSha384:
    case TlsSuite::kTls12Aes256Gcm:
      return EVP_aead_aes_256_gcm();
    default:
      return EVP_aead_chacha20_poly1305();
  }
}

std::string BigEndian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

}  // namespace

std::string SealRawOuter(TlsState& state, uint8_t outer_type, uint16_t version, uint8_t type,
                         std::string_view plaintext, size_t padding) {
  const EVP_AEAD* const aead = AeadOf(state);
  const size_t key_bytes = EVP_AEAD_key_length(aead);
  const bool tls13 = IsTls13(state);
  const bool gcm12 = !tls13 && state.suite != TlsSuite::kTls12ChaCha20Poly1305;
  const std::string sequence = BigEndian(state.write_sequence++, 8);
  const auto* const stored = reinterpret_cast<const char*>(state.write_secret);

  std::string key, nonce, inner(plaintext);
  if (tls13) {
    key = ExpandLabel(DigestOf(state), state.write_secret, "key", key_bytes);
    nonce = ExpandLabel(DigestOf(state), state.write_secret, "iv", 12);
    inner.push_back(static_cast<char>(type));
    inner.append(padding, '\0');
  } else {
    key.assign(stored, key_bytes);
    nonce.assign(stored + key_bytes, gcm12 ? 4 : 12);
  }
  if (gcm12) {
    nonce += sequence;
  } else {
    for (size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<char>(nonce[4 + i] ^ sequence[i]);
  }
  std::string header(1, static_cast<char>(outer_type));
  header += BigEndian(version, 2);
  const std::string ad12 = sequence + header + BigEndian(inner.size(), 2);
  header += BigEndian(inner.size() + 16 + (gcm12 ? 8 : 0), 2);
  const std::string& ad = tls13 ? header : ad12;

  bssl::ScopedEVP_AEAD_CTX ctx;
  std::string sealed(inner.size() + 16, '\0');
  size_t sealed_bytes = 0;
  ROOST_CHECK(EVP_AEAD_CTX_init(ctx.get(), aead, reinterpret_cast<const uint8_t*>(key.data()),
                                key_bytes, 16, nullptr) == 1);
  ROOST_CHECK(EVP_AEAD_CTX_seal(ctx.get(), reinterpret_cast<uint8_t*>(sealed.data()), &sealed_bytes,
                                sealed.size(), reinterpret_cast<const uint8_t*>(nonce.data()),
                                nonce.size(), reinterpret_cast<const uint8_t*>(inner.data()),
                                inner.size(), reinterpret_cast<const uint8_t*>(ad.data()),
                                ad.size()) == 1);
  return header + (gcm12 ? sequence : std::string()) + sealed;
}

std::string SealRaw(TlsState& state, uint8_t type, std::string_view plaintext, size_t padding) {
  return SealRawOuter(state, IsTls13(state) ? 23 : type, 0x0303, type, plaintext, padding);
}

std::string KeyUpdateMessage(uint8_t request) {
  return std::string({'\x18', '\0', '\0', '\x01', static_cast<char>(request)});
}

void AdvanceWriteKey(TlsState& state) {
  const EVP_MD* const digest = DigestOf(state);
  const std::string next =
      ExpandLabel(digest, state.write_secret, "traffic upd", EVP_MD_size(digest));
  std::memcpy(state.write_secret, next.data(), next.size());
  state.write_sequence = 0;
}

}  // namespace roost
