// Certificates and keys from PEM, with errors an operator can act on. Internal to proto/tls.
#ifndef ROOST_PROTO_TLS_PEM_H_
#define ROOST_PROTO_TLS_PEM_H_

#include <string>
#include <vector>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "proto/tls/tls_context.h"

namespace roost {

struct ParsedCertificate {
  std::vector<bssl::UniquePtr<X509>> chain;  // leaf first, never empty
  bssl::UniquePtr<EVP_PKEY> key;             // belongs to the leaf
  std::vector<std::string> names;            // DNS names of the leaf, lower case
  bool is_rsa = false;
  std::string chain_source;  // for messages: the file, or "the given certificate"
};

// False: *error says where and what.
bool ParseCertificate(const TlsCertificate& certificate, ParsedCertificate* out,
                      std::string* error);

// Adds the certificates of the text, or else of the file, to the store; at least one.
bool AddTrusted(X509_STORE* store, const std::string& pem, const std::string& file,
                std::string* error);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_PEM_H_
