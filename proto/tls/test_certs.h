// Certificates for tests, made when the test runs, so that none expires in the tree.
//
// Not for service. Each call makes new keys; an RSA key takes some 100 ms, so tests share one.
#ifndef ROOST_PROTO_TLS_TEST_CERTS_H_
#define ROOST_PROTO_TLS_TEST_CERTS_H_

#include <memory>
#include <string>
#include <vector>

#include "proto/tls/self_signed.h"

namespace roost {

enum class TestKey { kEcdsaP256, kEcdsaP384, kRsa2048, kRsa1024, kEd25519 };

struct TestLeafOptions {
  TestKey key = TestKey::kEcdsaP256;
  long valid_from_seconds = -86400;  // relative to now
  long valid_until_seconds = 86400;
  bool through_intermediate = false;  // chain_pem then holds leaf and intermediate
};

// A test CA. Thread rule: one thread.
class TestCa {
 public:
  explicit TestCa(TestKey key = TestKey::kEcdsaP256);
  ~TestCa();

  const std::string& cert_pem() const;
  // names: DNS names and IP addresses. cert_pem of the result is the whole chain without the root.
  PemPair Issue(const std::vector<std::string>& names, const TestLeafOptions& options = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_TEST_CERTS_H_
