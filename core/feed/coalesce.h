// Makes a feed's log smaller without anybody's being told less: pure.
//
// Between two cursors that are next to each other nobody reads but from end to end. So what lies
// there is replaced by what it comes to: the expunges as one set, one EXISTS, lines, and the flags
// that each message has at the end. A message that came and went in between was never there. And
// since everybody reads up to the head, flags are kept where a message was flagged last, if it is
// still there at the head, and nowhere else.
//
// Invariants (coalesce_test.cc checks them against a naive model)
//  1. For every cursor given: the view, count and horizon there, and all views between the cursors,
//     are what they were; reading from it to the head ends with the same messages and flags.
//  2. Cursors keep their numbers; entries do not become more, between two cursors neither.
//  3. Between two cursors expunges come first, so that no MODSEQ is told before an expunge that is
//     owed with it (RFC 7162, 3.2); then arrivals, then lines, so that keywords are announced
//     before they appear, then flags.
#ifndef ROOST_CORE_FEED_COALESCE_H_
#define ROOST_CORE_FEED_COALESCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/event_log.h"
#include "core/feed/event.h"
#include "proto/imap/uid_set.h"

namespace roost {

using FeedLog = EventLog<FeedEvent>;

// `entries`: the log, in order. `cursors`: ascending, each once; entries below the first are
// dropped. `view`: the messages at the head. Nothing when a set of UIDs on the way outgrows its
// bound: then the log cannot be kept.
std::optional<std::vector<FeedLog::Numbered>> Coalesce(std::vector<FeedLog::Numbered> entries,
                                                       const std::vector<uint64_t>& cursors,
                                                       const UidSet& view);

// The last of each message's changes, those with the same flags as one event. Messages that are not
// in `view`, which also gives the numbers, are left out.
std::vector<FeedEvent> GroupFlags(const std::vector<FlagChange>& changes, const UidSet& view);

}  // namespace roost

#endif  // ROOST_CORE_FEED_COALESCE_H_
