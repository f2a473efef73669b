// roostctl ticket-keys FILE: makes a file of ticket keys, or rotates the one that is there.
//
// Blocking. The file is replaced in one step, so that whoever reads it sees the old keys or the new
// ones; it keeps its owner and mode, and a new one is for its owner alone.
#ifndef ROOST_TOOLS_CTL_TICKET_KEYS_H_
#define ROOST_TOOLS_CTL_TICKET_KEYS_H_

#include <string>

namespace roost {

// False with *error, and nothing changed.
bool RotateTicketKeyFile(const std::string& path, std::string* error);

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_TICKET_KEYS_H_
