#include "proto/tls/test_certs.h"

#include "proto/check.h"
#include "proto/tls/certificate_builder.h"

namespace roost {
namespace {

KeyKind KindOf(TestKey key) {
  switch (key) {
    case TestKey::kEcdsaP256:
      return KeyKind::kEcdsaP256;
    case TestKey::kEcdsaP384:
      return KeyKind::kEcdsaP384;
    case TestKey::kRsa2048:
      return KeyKind::kRsa2048;
    case TestKey::kRsa1024:
      return KeyKind::kRsa1024;
    case TestKey::kEd25519:
      return KeyKind::kEd25519;
  }
  return KeyKind::kEcdsaP256;
}

struct Signer {
  bssl::UniquePtr<EVP_PKEY> key;
  bssl::UniquePtr<X509> x509;
};

Signer MakeCa(const std::string& name, KeyKind kind, const Signer* issuer) {
  CertificatePlan plan;
  plan.common_name = name;
  plan.is_ca = true;
  Signer ca;
  ca.key = MakeKey(kind);
  ca.x509 = MakeCertificate(plan, ca.key.get(), issuer == nullptr ? nullptr : issuer->x509.get(),
                            issuer == nullptr ? nullptr : issuer->key.get());
  ROOST_CHECK(ca.x509 != nullptr);
  return ca;
}

}  // namespace

struct TestCa::Impl {
  Signer root;
  std::string pem;
};

TestCa::TestCa(TestKey key) : impl_(std::make_unique<Impl>()) {
  impl_->root = MakeCa("Roost test CA", KindOf(key), nullptr);
  impl_->pem = ToPem(impl_->root.x509.get());
}

TestCa::~TestCa() = default;

const std::string& TestCa::cert_pem() const { return impl_->pem; }

PemPair TestCa::Issue(const std::vector<std::string>& names, const TestLeafOptions& options) const {
  const Signer* issuer = &impl_->root;
  Signer intermediate;
  if (options.through_intermediate) {
    intermediate = MakeCa("Roost test intermediate", KeyKind::kEcdsaP256, issuer);
    issuer = &intermediate;
  }
  CertificatePlan plan;
  plan.common_name = names.empty() ? "leaf" : names.front();
  plan.names = names;
  plan.valid_from_seconds = options.valid_from_seconds;
  plan.valid_until_seconds = options.valid_until_seconds;
  const bssl::UniquePtr<EVP_PKEY> key = MakeKey(KindOf(options.key));
  const bssl::UniquePtr<X509> leaf =
      MakeCertificate(plan, key.get(), issuer->x509.get(), issuer->key.get());
  ROOST_CHECK(leaf != nullptr);
  PemPair pair = {ToPem(leaf.get()), ToPem(key.get())};
  if (options.through_intermediate) pair.cert_pem += ToPem(intermediate.x509.get());
  return pair;
}

}  // namespace roost
