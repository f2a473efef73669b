// What went wrong in a handshake, in plain words. Internal to proto/tls.
#ifndef ROOST_PROTO_TLS_HANDSHAKE_ERROR_H_
#define ROOST_PROTO_TLS_HANDSHAKE_ERROR_H_

#include <span>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include "proto/tls/handshake.h"

namespace roost {

struct HandshakeFailure {
  Handshake::Fault fault = Handshake::Fault::kNone;
  std::string text;
};

// For a failed SSL_do_handshake; takes the error queue. peer: "the client" or "the store".
HandshakeFailure DescribeFailure(const SSL* ssl, std::string_view peer,
                                 std::string_view server_name);

// For a first record that cannot be TLS.
HandshakeFailure DescribeNotTls(std::span<const uint8_t> first_bytes, bool is_client);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_HANDSHAKE_ERROR_H_
