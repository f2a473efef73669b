// Who may park, and how often views are audited: what an operator may switch while roostd runs. A
// client that may not park keeps its own session, as behind a plain proxy.
//
// A value, constant once made; each shard holds the present one. A client that is parked already
// stays so until it wants to act, so that a switch causes no storm of logins.
#ifndef ROOST_CORE_CLIENT_PARKING_SWITCHES_H_
#define ROOST_CORE_CLIENT_PARKING_SWITCHES_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/config.h"
#include "core/route/route.h"

namespace roost {

class ParkingSwitches {
 public:
  explicit ParkingSwitches(const Config& config);

  // `login`: the name that the store has proven. `client_name`: of its ID command, may be empty.
  bool Allow(StoreIndex store, const std::string& login, std::string_view client_name) const;
  // 0: never.
  uint64_t audit_s() const { return audit_s_; }

 private:
  bool enabled_;
  uint64_t audit_s_;
  std::vector<bool> stores_;  // by StoreIndex
  std::set<std::string> users_;
  std::vector<std::string> clients_;  // lower case
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_PARKING_SWITCHES_H_
