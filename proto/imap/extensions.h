// Which commands a store knows, by the capabilities that it offers.
//
// What it is: a table, one row for each command that RFC 3501 does not have. What it is not: it
// says nothing of arguments that an extension adds to a command.
#ifndef ROOST_PROTO_IMAP_EXTENSIONS_H_
#define ROOST_PROTO_IMAP_EXTENSIONS_H_

#include "proto/imap/capability.h"
#include "proto/imap/command.h"

namespace roost {

// A store that offers these knows the command, so that it takes a literal in it for one. Cautious
// answer: false.
bool IsOffered(const Command& command, const CapabilitySet& capabilities);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_EXTENSIONS_H_
