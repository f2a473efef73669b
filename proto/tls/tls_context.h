// What all handshakes of one kind share: certificates and ticket keys (server), trust (client).
//
// Immutable after construction and safe to share between threads without a lock. A reload makes a
// new context and lets the old one go when its last handshake has ended; established connections
// need neither. Ticket keys are carried over by passing the same TicketKeys again.
//
// What is fixed and not configurable: TLS 1.2 and 1.3 with forward-secret AEAD suites, no early
// data, no server-side session cache (tickets only, one for each connection), no renegotiation, no
// client certificates, ALPN "imap" (RFC 7301; a client that offers ALPN without it is refused).
#ifndef ROOST_PROTO_TLS_TLS_CONTEXT_H_
#define ROOST_PROTO_TLS_TLS_CONTEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace roost {

// 16 bytes of name, 16 of HMAC key, 16 of AES key (RFC 5077 section 4).
using TicketKey = std::array<uint8_t, 48>;

// `current` encrypts; all three decrypt. Rotation: next becomes current, current previous, a fresh
// one next, so a key decrypts everywhere before it encrypts anywhere. All zero: not set.
struct TicketKeys {
  TicketKey current{};
  TicketKey previous{};
  TicketKey next{};

  static TicketKeys Random();
};

class TlsTicket;

// One certificate chain with its key. Either PEM text or the path of a file, for each of the two.
struct TlsCertificate {
  std::string chain_pem{};   // leaf first, then intermediates
  std::string chain_file{};  // read if chain_pem is empty
  std::string key_pem{};
  std::string key_file{};
};

struct TlsServerOptions {
  // The first is the default. A certificate serves the DNS names in its subjectAltName, one level
  // of wildcard included; an exact match goes before a wildcard, an earlier one before a later.
  std::vector<TlsCertificate> certificates{};
  bool tls13_only = false;
  bool tickets = true;
  TicketKeys ticket_keys{};  // current all zero: random ones, so tickets end with the process
};

class TlsServerContext {
 public:
  // Null on failure; *error then says which file or text, what is wrong with it and what is needed.
  static std::unique_ptr<TlsServerContext> Create(const TlsServerOptions& options,
                                                  std::string* error);
  // The same certificates with other ticket keys; nothing is read or checked anew.
  static std::unique_ptr<TlsServerContext> WithTicketKeys(const TlsServerContext& like,
                                                          const TicketKeys& keys);
  ~TlsServerContext();
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  size_t certificate_count() const;
  const TicketKeys& ticket_keys() const;

  struct Impl;  // in tls_context_internal.h
  const Impl& impl() const { return *impl_; }

 private:
  explicit TlsServerContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct TlsClientOptions {
  bool verify = true;     // false: any certificate is accepted; only for tests and local sockets
  std::string ca_pem{};   // trust exactly these (a CA, or the store's own certificate: pinned)
  std::string ca_file{};  // likewise, from a file; read if ca_pem is empty
  // Used when neither is given.
  std::string system_ca_file = "/etc/ssl/certs/ca-certificates.crt";

  // For load generators; see ticket.h.
  bool tickets = false;                       // for TicketTakers alone
  std::shared_ptr<const TlsTicket> ticket{};  // offered in every handshake
};

class TlsClientContext {
 public:
  static std::unique_ptr<TlsClientContext> Create(const TlsClientOptions& options,
                                                  std::string* error);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  struct Impl;  // in tls_context_internal.h
  const Impl& impl() const { return *impl_; }

 private:
  explicit TlsClientContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_TLS_CONTEXT_H_
