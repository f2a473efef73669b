// Makes X.509 certificates for tests, the demo and self-signed trials. Not a CA.
//
// Internal to proto/tls: others use self_signed.h or test_certs.h, which do not show BoringSSL.
#ifndef ROOST_PROTO_TLS_CERTIFICATE_BUILDER_H_
#define ROOST_PROTO_TLS_CERTIFICATE_BUILDER_H_

#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace roost {

enum class KeyKind { kEcdsaP256, kEcdsaP384, kRsa2048, kRsa1024, kEd25519 };

bssl::UniquePtr<EVP_PKEY> MakeKey(KeyKind kind);

struct CertificatePlan {
  std::string common_name;
  std::vector<std::string> names;  // DNS names and IP addresses for subjectAltName
  bool is_ca = false;
  long valid_from_seconds = -86400;  // both relative to now
  long valid_until_seconds = 396L * 86400;
};

// Signed by issuer_key under issuer's name; issuer null: self-signed with `key`. Null on failure.
bssl::UniquePtr<X509> MakeCertificate(const CertificatePlan& plan, EVP_PKEY* key, X509* issuer,
                                      EVP_PKEY* issuer_key);

std::string ToPem(X509* certificate);
std::string ToPem(EVP_PKEY* key);  // PKCS #8, without a passphrase

}  // namespace roost

#endif  // ROOST_PROTO_TLS_CERTIFICATE_BUILDER_H_
