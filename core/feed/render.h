// Canonical events into what a client of a class is told: pure.
//
// Plain clients get `n EXPUNGE` and FETCH without MODSEQ; with CONDSTORE FETCH carries UID and
// MODSEQ (RFC 7162, 3.2.4), with IMAP4rev2 the UID (RFC 9051, 7.5.2); with QRESYNC expunges are
// `VANISHED` (3.2.10). A mailbox without MODSEQ (NOMODSEQ) has none, and no `VANISHED`.
#ifndef ROOST_CORE_FEED_RENDER_H_
#define ROOST_CORE_FEED_RENDER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/feed/event.h"
#include "proto/imap/enabled.h"

namespace roost {

// Appends the lines that tell `event`.
void RenderEvent(const FeedEvent& event, EnabledSet enabled, bool no_modseq, std::string* out);

// No fewer bytes than that appends; a few times as many at most. Looks at ranges, not at messages.
size_t RenderedAtMost(const FeedEvent& event, EnabledSet enabled, bool no_modseq);
size_t ExpungesAtMost(const UidSet& uids, const UidSet& numbers, EnabledSet enabled,
                      bool no_modseq);
// Nobody is told more than that at once. One line of a store may have hundreds of subscribers told
// of a million messages each.
inline constexpr size_t kMostOwedBytes = size_t{4} << 20;

// The parts of it, for differences that are told without a log.
// `numbers` before any of them left; told in descending order, so that each number is right when it
// comes.
void RenderExpunges(const UidSet& uids, const UidSet& numbers, EnabledSet enabled, bool no_modseq,
                    std::string* out);
void RenderExists(uint32_t count, std::string* out);
void RenderFlags(uint32_t number, uint32_t uid, uint64_t modseq, std::string_view flags,
                 EnabledSet enabled, bool no_modseq, std::string* out);

// The sequence numbers that `gone` (a subset) has in `view`.
UidSet NumbersOf(const UidSet& gone, const UidSet& view);

// "\Seen \Recent $x" -> "\Seen $x": \Recent belongs to one session only. Flags are
// told apart without case (RFC 3501, 2.3.2; RFC 9051, 2.3.2).
std::string CanonicalFlags(std::string_view flags);

}  // namespace roost

#endif  // ROOST_CORE_FEED_RENDER_H_
