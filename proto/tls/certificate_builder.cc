#include "proto/tls/certificate_builder.h"

#include <arpa/inet.h>

#include <cstdint>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

namespace roost {
namespace {

constexpr unsigned kTagDnsName = CBS_ASN1_CONTEXT_SPECIFIC | 2;
constexpr unsigned kTagIpAddress = CBS_ASN1_CONTEXT_SPECIFIC | 7;

bool AddName(CBB* out, const std::string& name) {
  uint8_t address[16];
  unsigned tag = kTagDnsName;
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(name.data());
  size_t size = name.size();
  if (inet_pton(AF_INET, name.c_str(), address) == 1) {
    tag = kTagIpAddress, bytes = address, size = 4;
  } else if (inet_pton(AF_INET6, name.c_str(), address) == 1) {
    tag = kTagIpAddress, bytes = address, size = 16;
  }
  CBB child;
  return CBB_add_asn1(out, &child, tag) == 1 && CBB_add_bytes(&child, bytes, size) == 1 &&
         CBB_flush(out) == 1;
}

// Adds an extension from its DER contents, which `contents` is finished into.
bool AddExtension(X509* x509, int nid, bool critical, CBB* contents) {
  uint8_t* der = nullptr;
  size_t der_bytes = 0;
  if (CBB_finish(contents, &der, &der_bytes) != 1) return false;
  const bssl::UniquePtr<uint8_t> owned(der);
  const bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  if (!value || ASN1_OCTET_STRING_set(value.get(), der, static_cast<int>(der_bytes)) != 1) {
    return false;
  }
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_NID(nullptr, nid, critical ? 1 : 0, value.get()));
  return extension && X509_add_ext(x509, extension.get(), -1) == 1;
}

bool AddAlternativeNames(X509* x509, const std::vector<std::string>& names) {
  if (names.empty()) return true;
  bssl::ScopedCBB cbb;
  CBB list;
  if (CBB_init(cbb.get(), 64) != 1 || CBB_add_asn1(cbb.get(), &list, CBS_ASN1_SEQUENCE) != 1) {
    return false;
  }
  for (const std::string& name : names) {
    if (!AddName(&list, name)) return false;
  }
  return AddExtension(x509, NID_subject_alt_name, false, cbb.get());
}

bool AddBasicConstraints(X509* x509, bool is_ca) {
  bssl::ScopedCBB cbb;
  CBB sequence;
  return CBB_init(cbb.get(), 16) == 1 &&
         CBB_add_asn1(cbb.get(), &sequence, CBS_ASN1_SEQUENCE) == 1 &&
         (!is_ca || CBB_add_asn1_bool(&sequence, 1) == 1) && CBB_flush(cbb.get()) == 1 &&
         AddExtension(x509, NID_basic_constraints, true, cbb.get());
}

bool SetRandomSerial(X509* x509) {
  uint8_t bytes[8];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] &= 0x7f;
  const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) != nullptr;
}

bssl::UniquePtr<EVP_PKEY> MakeEc(int curve) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  if (!key || !ec || EC_KEY_generate_key(ec.get()) != 1 ||
      EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> MakeRsa(int bits) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> exponent(BN_new());
  if (!key || !rsa || !exponent || BN_set_word(exponent.get(), RSA_F4) != 1 ||
      RSA_generate_key_ex(rsa.get(), bits, exponent.get(), nullptr) != 1 ||
      EVP_PKEY_set1_RSA(key.get(), rsa.get()) != 1) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> MakeEd25519() {
  uint8_t public_key[ED25519_PUBLIC_KEY_LEN];
  uint8_t private_key[ED25519_PRIVATE_KEY_LEN];
  ED25519_keypair(public_key, private_key);
  // The first half is the seed, which is what a private key file holds.
  return bssl::UniquePtr<EVP_PKEY>(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, private_key, 32));
}

std::string Contents(BIO* bio) {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (BIO_mem_contents(bio, &bytes, &size) != 1) return {};
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace

bssl::UniquePtr<EVP_PKEY> MakeKey(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcdsaP256:
      return MakeEc(NID_X9_62_prime256v1);
    case KeyKind::kEcdsaP384:
      return MakeEc(NID_secp384r1);
    case KeyKind::kRsa2048:
      return MakeRsa(2048);
    case KeyKind::kRsa1024:
      return MakeRsa(1024);
    case KeyKind::kEd25519:
      return MakeEd25519();
  }
  return nullptr;
}

bssl::UniquePtr<X509> MakeCertificate(const CertificatePlan& plan, EVP_PKEY* key, X509* issuer,
                                      EVP_PKEY* issuer_key) {
  bssl::UniquePtr<X509> x509(X509_new());
  if (!x509 || key == nullptr) return nullptr;
  X509_NAME* const subject = X509_get_subject_name(x509.get());
  const auto* const cn = reinterpret_cast<const uint8_t*>(plan.common_name.data());
  const int cn_bytes = static_cast<int>(plan.common_name.size());
  const bool named =
      X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, const_cast<uint8_t*>(cn),
                                 cn_bytes, -1, 0) == 1 &&
      X509_set_issuer_name(x509.get(),
                           issuer == nullptr ? subject : X509_get_subject_name(issuer)) == 1;
  const EVP_PKEY* const signer = issuer == nullptr ? key : issuer_key;
  const EVP_MD* const digest = EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  const bool ok =
      named && X509_set_version(x509.get(), X509_VERSION_3) == 1 && SetRandomSerial(x509.get()) &&
      X509_gmtime_adj(X509_getm_notBefore(x509.get()), plan.valid_from_seconds) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(x509.get()), plan.valid_until_seconds) != nullptr &&
      X509_set_pubkey(x509.get(), key) == 1 && AddBasicConstraints(x509.get(), plan.is_ca) &&
      AddAlternativeNames(x509.get(), plan.names) &&
      X509_sign(x509.get(), const_cast<EVP_PKEY*>(signer), digest) > 0;
  return ok ? std::move(x509) : nullptr;
}

std::string ToPem(X509* certificate) {
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio || certificate == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  return Contents(bio.get());
}

std::string ToPem(EVP_PKEY* key) {
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio || key == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return {};
  }
  return Contents(bio.get());
}

}  // namespace roost
