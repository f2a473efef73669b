// Tells a client's SSL whom it talks to: for SNI, and for the check of the certificate. Internal to
// proto/tls.
#ifndef ROOST_PROTO_TLS_PEER_NAME_H_
#define ROOST_PROTO_TLS_PEER_NAME_H_

#include <string>

#include <openssl/ssl.h>

namespace roost {

// name: a host name or an IP address; loses the dot at its end. SNI carries host names only (RFC
// 6066 section 3), addresses are verified all the same; *sni gets what is sent. False: it is
// neither, and verification was wanted.
bool SetPeerName(SSL* ssl, bool verify, std::string* name, std::string* sni);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_PEER_NAME_H_
