// What happened to a mailbox, in canonical form: one entry of a feed's log.
//
// Canonical: by UID, and with the sequence numbers of the feed's view at that point of the log,
// which are those of every client whose cursor stands there. Rendered for each class of client by
// render.h; many of them become fewer by coalesce.h.
#ifndef ROOST_CORE_FEED_EVENT_H_
#define ROOST_CORE_FEED_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/imap/uid_set.h"

namespace roost {

struct FeedEvent {
  enum class Kind : uint8_t {
    kExpunge,  // uids left; numbers are their sequence numbers before any of them did
    kExists,   // uids came; number is the count of messages from here on
    kFlags,    // each of uids (numbers) has the flags `text` now
    kLine,     // `text` is an untagged line for everybody (FLAGS, ALERT), with its CRLF
  };

  static constexpr size_t kKinds = 4;

  Kind kind = Kind::kLine;
  uint32_t number = 0;
  UidSet uids;
  UidSet numbers;
  std::string text;  // kFlags: "\Seen $x", without \Recent
  // kFlags: of them all; kExpunge: all of them are younger than that; 0: not known
  uint64_t modseq = 0;
  std::vector<uint64_t> modseqs;  // kFlags, where they differ: one for each of uids, ascending

  // What it takes in a log, its place there included.
  size_t memory() const {
    return sizeof(FeedEvent) + uids.memory_bytes() + numbers.memory_bytes() + text.capacity() +
           modseqs.capacity() * sizeof(uint64_t);
  }
  // kFlags: `fn(uid, modseq)` for each message.
  template <typename Fn>
  void ForEachFlagged(Fn&& fn) const {
    size_t i = 0;
    uids.ForEach([&](uint32_t uid) { fn(uid, modseqs.empty() ? modseq : modseqs[i++]); });
  }
};

// The flags of one message, as of some moment.
struct FlagChange {
  uint32_t uid = 0;
  uint64_t modseq = 0;
  std::string flags;  // canonical
};

}  // namespace roost

#endif  // ROOST_CORE_FEED_EVENT_H_
