// What separates two views of one mailbox, and whether it may be told: pure.
//
// A plain difference has no direction: a UID that one side lacks may be gone, or not yet there. The
// horizons decide. Every UID below a view's horizon is decided in it, and UIDs only ever go from
// unknown to present to gone. So a message that the destination lacks at or above its horizon, or
// has below the client's, means that the destination is behind: it must flush and be compared
// again, never be told from. A horizon is 2^32 at most: UIDs are below that.
#ifndef ROOST_CORE_FEED_DIFFERENCE_H_
#define ROOST_CORE_FEED_DIFFERENCE_H_

#include <cstdint>

#include "proto/imap/uid_set.h"

namespace roost {

struct Difference {
  bool destination_behind = false;  // then nothing else counts
  UidSet gone;                      // the client has, the destination does not
  UidSet numbers;                   // gone's sequence numbers in the client's view
  UidSet came;         // the destination has, the client does not: all above what the client has
  uint32_t count = 0;  // messages of the destination

  bool empty() const { return gone.empty() && came.empty(); }
};

// From what the client believes to what the destination, synced last, has.
Difference Compare(const UidSet& client, uint64_t client_horizon, const UidSet& destination,
                   uint64_t destination_horizon);

}  // namespace roost

#endif  // ROOST_CORE_FEED_DIFFERENCE_H_
