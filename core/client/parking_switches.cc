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

bool TakeSwitches(const Config& from, Config* to) {
  to->parking.enabled = from.parking.enabled;
  to->parking.except_users = from.parking.except_users;
  to->parking.except_clients = from.parking.except_clients;
  to->parking.audit_s = from.parking.audit_s;
  to->limits = from.limits;
  to->certificates = from.certificates;
  to->tls = from.tls;
  to->route = from.route;
  to->lookup = from.lookup;
  for (StoreConfig& store : to->stores) {
    auto it = std::find_if(from.stores.begin(), from.stores.end(),
                           [&](const StoreConfig& s) { return s.name == store.name; });
    if (it == from.stores.end()) continue;
    store.parking = it->parking;
    store.weight = it->weight;
  }
  return PrintConfig(from) == PrintConfig(*to);
}

}  // namespace roost
