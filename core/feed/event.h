// What happened to a mailbox, in canonical form: one entry of a feed's log.
//
// Canonical: by UID, and with the sequence numbers of the feed's view at that point of the log,
// which are those of every client whose cursor stands there. Rendered for each class of client by
// render.h.
#ifndef ROOST_CORE_FEED_EVENT_H_
#define ROOST_CORE_FEED_EVENT_H_

#include <cstdint>
#include <string>

#include "proto/imap/uid_set.h"

namespace roost {

struct FeedEvent {
  enum class Kind : uint8_t {
    kExpunge,  // uids left; numbers are their sequence numbers before any of them did
    kExists,   // uids came; number is the count of messages from here on
    kFlags,    // message `number` (uid) has the flags `text` now
    kLine,     // `text` is an untagged line for everybody (FLAGS, ALERT), with its CRLF
  };

  Kind kind = Kind::kLine;
  uint32_t number = 0;
  uint32_t uid = 0;
  uint64_t modseq = 0;  // kFlags; 0: not known
  UidSet uids;
  UidSet numbers;
  std::string text;  // kFlags: "\Seen $x", without \Recent
};

}  // namespace roost

#endif  // ROOST_CORE_FEED_EVENT_H_
