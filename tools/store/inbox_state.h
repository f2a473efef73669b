// What INBOXes hold when the store begins, as text: so that a test can end it and start it again as
// a store that has kept its mail, or some of it.
//
// Pure. A file of lines, blanks between words; "#" begins a comment:
//
//   inbox alice 7 12 40       # user, UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ
//   1 12 \Seen                # UID, MODSEQ, flags; in order
//   5 40 \Flagged $Label
//
// UIDs below UIDNEXT that are not there count as expunged.
#ifndef ROOST_TOOLS_STORE_INBOX_STATE_H_
#define ROOST_TOOLS_STORE_INBOX_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/store/mailbox.h"

namespace roost::embedded {

struct InboxState {
  struct Entry {
    Uid uid = 0;
    ModSeq modseq = 0;
    std::vector<std::string> flags;
  };
  std::string user;
  uint32_t uid_validity = 0;
  Uid uid_next = 1;
  ModSeq highest_modseq = 1;
  std::vector<Entry> messages;
};

// Appends what `text` describes. False: *error says which line is wrong and how.
bool ParseInboxes(std::string_view text, std::vector<InboxState>* out, std::string* error);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_INBOX_STATE_H_
