// Ticket keys as text: what processes that resume each other's sessions share.
//
//   # made by roostctl
//   next QBVv…          one key a line: 48 bytes in base64 (openssl rand -base64 48)
//   current p9Vd…       encrypts; all of them decrypt
//   previous 3C+s…
//
// `current` must be there. A rotation makes next current and current previous: a process that still
// has the text from before decrypts what one that has the new text encrypts.
//
// What it is: text in, keys out, and back. What it is not: no file is read. Pure but for Rotated's
// random numbers.
#ifndef ROOST_PROTO_TLS_TICKET_KEY_TEXT_H_
#define ROOST_PROTO_TLS_TICKET_KEY_TEXT_H_

#include <string>
#include <string_view>

#include "proto/tls/tls_context.h"

namespace roost {

inline constexpr size_t kMaxTicketKeyText = 4096;

// False with *error, "line 2: …", which holds nothing of a key; *keys is changed only when true.
bool ParseTicketKeys(std::string_view text, TicketKeys* keys, std::string* error);
std::string FormatTicketKeys(const TicketKeys& keys);

// A fresh next; where there was no next yet, a fresh current.
TicketKeys Rotated(const TicketKeys& keys);

}  // namespace roost

#endif  // ROOST_PROTO_TLS_TICKET_KEY_TEXT_H_
