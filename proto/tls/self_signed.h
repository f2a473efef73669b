// A self-signed certificate made on the spot, for the demo and for trying things out.
//
// Not for real service: nobody trusts it unless told to.
#ifndef ROOST_PROTO_TLS_SELF_SIGNED_H_
#define ROOST_PROTO_TLS_SELF_SIGNED_H_

#include <string>
#include <vector>

namespace roost {

struct PemPair {
  std::string cert_pem;
  std::string key_pem;
};

// ECDSA P-256, valid from yesterday for 397 days. Each name is a DNS name or an IP address (either
// family) and goes into subjectAltName; the first is also the subject. Empty strings on failure.
PemPair MakeSelfSigned(const std::vector<std::string>& names);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_SELF_SIGNED_H_
