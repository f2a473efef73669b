// What the TLS contexts hold, for handshake.cc. Internal to proto/tls, like every header of it that
// includes BoringSSL.
#ifndef ROOST_PROTO_TLS_TLS_CONTEXT_INTERNAL_H_
#define ROOST_PROTO_TLS_TLS_CONTEXT_INTERNAL_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/ssl.h>

#include "proto/tls/ticket.h"
#include "proto/tls/tls_context.h"

namespace roost {

struct TlsServerContext::Impl {
  struct Entry {
    bssl::UniquePtr<SSL_CTX> ctx;
    std::vector<std::string> names;  // lower case; "*.example.org" for a wildcard
    bool is_rsa = false;
  };
  std::vector<Entry> entries;  // never empty
  TicketKeys ticket_keys;

  ~Impl();
  // For a lower-case name; the default for an unknown one.
  const Entry& Select(std::string_view name) const;
};

struct TlsClientContext::Impl {
  bssl::UniquePtr<SSL_CTX> ctx;
  bool verify = true;
  bool tickets = false;
  std::shared_ptr<const TlsTicket> ticket;  // null: none is offered
};

struct TlsTicket::Impl {
  bssl::UniquePtr<SSL_SESSION> session;
};

// A handshake's link from its SSL back to the server context, for the callbacks.
struct ServerHandshakeLink {
  const TlsServerContext::Impl* context = nullptr;
  std::string* sni = nullptr;                             // where to note what the client asked for
  const TlsServerContext::Impl::Entry* chosen = nullptr;  // by it; the default until then
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_TLS_CONTEXT_INTERNAL_H_
