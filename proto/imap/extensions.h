// Which commands, and which literals in them, a store knows by the capabilities that it offers.
//
// What it is: a table, one row for each command that RFC 3501 does not have, and what extensions
// add to the literals of APPEND, whose bytes are mail. What it is not: it says nothing of other
// arguments that an extension adds to a command.
#ifndef ROOST_PROTO_IMAP_EXTENSIONS_H_
#define ROOST_PROTO_IMAP_EXTENSIONS_H_

#include <string_view>

#include "proto/imap/capability.h"
#include "proto/imap/command.h"
#include "proto/imap/framer.h"

namespace roost {

// By its name alone. IMAP4rev2 has some that need not be listed.
bool IsOffered(CommandKind kind, const CapabilitySet& capabilities);
// A store that offers these knows the command, so that it takes a literal in it for one. Cautious
// answer: false.
bool IsOffered(const Command& command, const CapabilitySet& capabilities);

// The literals of one command, in order: ~{n} is one to a store with BINARY in APPEND (RFC 3516),
// to one with UTF8=ACCEPT in APPEND's UTF8 (~{n} …) (RFC 6855), and in SETMETADATA (RFC 5464); more
// than one message follow APPEND with MULTIAPPEND (RFC 3502), parts of one with CATENATE (RFC
// 4469).
class LiteralsOf {
 public:
  LiteralsOf() = default;
  // A command of which only the first line is there yet.
  explicit LiteralsOf(const Command& command);

  // The next one, which this line of the command announces. True: a store that knows the command,
  // and offers these, takes it for a literal. Cautious answer: false.
  bool NextIsOffered(std::string_view line, const LiteralMark& literal,
                     const CapabilitySet& capabilities);

 private:
  CommandKind kind_ = CommandKind::kMalformed;
  bool names_mailbox_ = false;  // the next one does
  bool message_ = false;        // there was one of a message
  bool catenates_ = false;
};

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_EXTENSIONS_H_
