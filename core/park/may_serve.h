// The one predicate for giving a session to a client: hand-over, pool and swap. Pure.
//
// Same store, user and credential rule hold by construction: sessions and clients meet only within
// one User. Views are compared apart (core/feed/difference.h); here is all the rest.
#ifndef ROOST_CORE_PARK_MAY_SERVE_H_
#define ROOST_CORE_PARK_MAY_SERVE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/store/session_state.h"

namespace roost {

// What a client has been told it has.
struct ClientMailbox {
  EnabledSet enabled;   // its class, exactly
  std::string mailbox;  // empty: nothing selected
  uint32_t uid_validity = 0;
  std::string mailbox_id;  // empty: not known
  bool examine = false;    // opened by EXAMINE
};

// The session is in the very state, numbers apart, that the client believes to be in.
bool MayServe(const SessionState& session, const ClientMailbox& client);

// Of FLAGS or PERMANENTFLAGS, for the question whether a client was told the same. Not against
// malice.
uint32_t HashOfFlags(std::string_view flags);

// What PERMANENTFLAGS and READ-ONLY let a user do: a bit for each system flag and for new keywords.
// The keywords themselves, which come and go, do not count.
uint8_t RightsOf(const SelectedMailbox& selected);

// The selected mailbox can be watched by a feed at all: UIDs are lasting and counts have added up.
bool MayBeWatched(const SelectedMailbox& selected);

// Its name is the same for sessions of whichever class, and one that has only just logged in can be
// told it. With IMAP4rev2 or UTF8=ACCEPT names are UTF-8, without they are modified UTF-7, where
// `&` begins what is not ASCII (RFC 3501, 5.1.3); a feed is recovered and audited without.
bool NameIsCommon(const SessionState& session);

}  // namespace roost

#endif  // ROOST_CORE_PARK_MAY_SERVE_H_
