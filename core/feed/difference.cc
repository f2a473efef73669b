#include "core/feed/difference.h"

#include "core/feed/render.h"

namespace roost {

Difference Compare(const UidSet& client, uint64_t client_horizon, const UidSet& destination,
                   uint64_t destination_horizon) {
  Difference d;
  d.count = destination.size();
  d.gone = UidSet::Difference(client, destination);
  d.came = UidSet::Difference(destination, client);
  d.destination_behind = (!d.gone.empty() && d.gone.Last() >= destination_horizon) ||
                         (!d.came.empty() && d.came.First() < client_horizon);
  if (!d.destination_behind && !d.gone.empty()) d.numbers = NumbersOf(d.gone, client);
  return d;
}

}  // namespace roost
