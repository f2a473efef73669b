// A session ticket of a server, and how a client comes to one.
//
// What it is: for load generators, which resume sessions as returning clients do. One ticket may
// serve any number of connections (TlsClientOptions::ticket); servers allow that, clients of people
// should not do it (RFC 8446 appendix C.4). What it is not: no socket; bytes in, bytes out. A
// TLS 1.3 server sends its tickets after the handshake, when Handshake has let go of its SSL
// object: so one connection is spent on taking a ticket, and says nothing else.
//
//   TicketTaker::Advance ... kDone --> TakeTicket --> TlsClientOptions::ticket --> Handshake
//
// Lifetime: the context outlives its takers; a ticket outlives all. Thread rule: a taker is used by
// one thread at a time; a ticket is immutable and for all.
#ifndef ROOST_PROTO_TLS_TICKET_H_
#define ROOST_PROTO_TLS_TICKET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/tls/tls_context.h"

namespace roost {

class TlsTicket {
 public:
  struct Impl;  // in tls_context_internal.h
  explicit TlsTicket(std::unique_ptr<Impl> impl);
  ~TlsTicket();
  TlsTicket(const TlsTicket&) = delete;
  TlsTicket& operator=(const TlsTicket&) = delete;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

class TicketTaker {
 public:
  enum class Status : uint8_t { kNeedMore, kDone, kFailed };

  // context: made with TlsClientOptions::tickets. server_name: as for Handshake::Client.
  TicketTaker(const TlsClientContext& context, std::string_view server_name);
  ~TicketTaker();

  // The first call, with nothing, makes the ClientHello. Call TakeOutput after each.
  Status Advance(std::string_view in);
  std::string TakeOutput();

  // After kDone.
  std::shared_ptr<const TlsTicket> TakeTicket();
  const std::string& error() const;  // after kFailed

  struct Impl;  // in ticket.cc

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_TICKET_H_
