// What a roostd does just now: rates between two answers to "status", made into a table or JSON.
//
// Pure. A count that has become smaller, as after a restart, gives the rate 0.
#ifndef ROOST_TOOLS_CTL_TOP_H_
#define ROOST_TOOLS_CTL_TOP_H_

#include <string>

#include "tools/ctl/status.h"

namespace roost {

// Two moments, `seconds` (more than 0) apart.
struct TopSpan {
  const StatusAnswer& before;
  const StatusAnswer& after;
  double seconds;
};

// A line of names, one of all shards together, then one for each. "-" where roostd does not tell.
std::string TopTable(const TopSpan& span);

// {"seconds": 2.0, "total": {"clients": 5, "logins_per_s": 0.5, ...}, "shards": [{...}, ...]}, one
// line.
std::string TopJson(const TopSpan& span);

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_TOP_H_
