// Spends one connection on a session ticket of the server, before a run in which clients resume.
//
// Blocking, with a limit on every step; not for a thread that has anything else to do.
#ifndef ROOST_TOOLS_LOAD_TICKET_FETCHER_H_
#define ROOST_TOOLS_LOAD_TICKET_FETCHER_H_

#include <memory>
#include <string>

#include "proto/tls/ticket.h"
#include "tools/load/options.h"

namespace roost::load {

// Null: *error says why there is none. tls: as the clients' own, but for tickets.
std::shared_ptr<const TlsTicket> FetchTicket(const Options& options, TlsClientOptions tls,
                                             std::string* error);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_TICKET_FETCHER_H_
