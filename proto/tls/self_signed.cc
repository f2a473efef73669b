#include "proto/tls/self_signed.h"

#include <openssl/err.h>

#include "proto/tls/certificate_builder.h"

namespace roost {

PemPair MakeSelfSigned(const std::vector<std::string>& names) {
  CertificatePlan plan;
  plan.names = names;
  // An X.509 common name has 64 characters at most; the names that count are the alternative ones.
  plan.common_name = names.empty() ? "roost" : names.front().substr(0, 64);
  const bssl::UniquePtr<EVP_PKEY> key = MakeKey(KeyKind::kEcdsaP256);
  const bssl::UniquePtr<X509> x509 = MakeCertificate(plan, key.get(), nullptr, nullptr);
  ERR_clear_error();
  if (!x509) return {};
  return {ToPem(x509.get()), ToPem(key.get())};
}

}  // namespace roost
