#include "core/client/parking_switches.h"

#include <algorithm>

namespace roost {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

}  // namespace

ParkingSwitches::ParkingSwitches(const Config& config)
    : enabled_(config.parking.enabled),
      audit_s_(static_cast<uint64_t>(config.parking.audit_s)),
      users_(config.parking.except_users.begin(), config.parking.except_users.end()) {
  for (const StoreConfig& store : config.stores) stores_.push_back(store.parking);
  for (const std::string& name : config.parking.except_clients) clients_.push_back(Lower(name));
}

bool ParkingSwitches::Allow(StoreIndex store, const std::string& login,
                            std::string_view client_name) const {
  if (!enabled_ || !stores_[store] || users_.count(login) != 0) return false;
  if (clients_.empty() || client_name.empty()) return true;
  const std::string name = Lower(client_name);
  return std::none_of(clients_.begin(), clients_.end(),
                      [&](const std::string& prefix) { return name.rfind(prefix, 0) == 0; });
}

}  // namespace roost
