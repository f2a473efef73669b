#include "core/client/parking_switches.h"

#include <algorithm>

#include "proto/ascii.h"

namespace roost {
ParkingSwitches::ParkingSwitches(const Config& config)
    : enabled_(config.parking.enabled),
      audit_s_(static_cast<uint64_t>(config.parking.audit_s)),
      users_(config.parking.except_users.begin(), config.parking.except_users.end()) {
  for (const StoreConfig& store : config.stores) stores_.push_back(store.parking);
  for (const std::string& name : config.parking.except_clients)
    clients_.push_back(ToLowerAscii(name));
}

bool ParkingSwitches::Allow(StoreIndex store, const std::string& login,
                            std::string_view client_name) const {
  if (!enabled_ || !stores_[store] || users_.count(login) != 0) return false;
  if (clients_.empty() || client_name.empty()) return true;
  const std::string name = ToLowerAscii(client_name);
  return std::none_of(clients_.begin(), clients_.end(),
                      [&](const std::string& prefix) { return name.rfind(prefix, 0) == 0; });
}

}  // namespace roost
