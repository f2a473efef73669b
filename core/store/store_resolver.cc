#include "core/store/store_resolver.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "proto/check.h"

namespace roost {
namespace {

bool IsLiteral(const HostPort& host_port) {
  Address parsed;
  return Address::Parse(host_port.ToString(), &parsed);
}

bool Contains(const std::vector<StoreAddress>& all, const StoreAddress& one) {
  return std::any_of(all.begin(), all.end(),
                     [&](const StoreAddress& other) { return !other.gone && other.IsAt(one); });
}

std::string Listed(const std::vector<StoreAddress>& addresses) {
  std::string text;
  for (const StoreAddress& one : addresses) {
    if (one.gone) continue;
    text += (text.empty() ? "" : " ") + one.address.ToString();
  }
  return text;
}

}  // namespace

struct StoreResolver::LookUp {
  std::vector<StoreAddress> found;
  std::string problem;  // with one of the names; empty: none
  std::atomic<bool> done{false};
};

bool Follow(std::vector<StoreAddress>* known, const std::vector<StoreAddress>& found) {
  bool changed = false;
  for (StoreAddress& one : *known) {
    if (one.gone || Contains(found, one)) continue;
    one.gone = true;
    changed = true;
  }
  for (const bool own : {true, false}) {
    for (const StoreAddress& one : found) {
      if (Contains(*known, one)) continue;
      const auto place =
          std::find_if(known->begin(), known->end(), [&](const StoreAddress& address) {
            return address.gone && (own ? address.IsAt(one) : !address.drained);
          });
      if (place == known->end() && own) continue;
      changed = true;
      if (place == known->end()) {
        known->push_back(one);
        continue;
      }
      const auto generation = static_cast<uint16_t>(place->generation + (own ? 0 : 1));
      *place = one;
      place->generation = generation;
    }
  }
  return changed;
}

size_t ServingFrom(const std::vector<StoreAddress>& addresses, size_t index) {
  const size_t none = addresses.size();
  size_t best = none;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const size_t at = (index + i) % addresses.size();
    if (addresses[at].gone) continue;
    if (best == none || ComesAfter(addresses[best], addresses[at])) best = at;
  }
  ROOST_CHECK(best != none);
  return best;
}

size_t UsableFrom(const std::vector<StoreAddress>& addresses, size_t index) {
  const size_t at = index % addresses.size();
  return addresses[at].gone ? ServingFrom(addresses, at) : at;
}

StoreResolver::StoreResolver(const std::vector<StoreConfig>& stores, Resolve resolve)
    : resolve_(std::move(resolve)), drained_(stores.size()), addresses_(stores.size()) {
  for (const StoreConfig& config : stores) stores_.push_back(Make(config));
}

StoreResolver::Store StoreResolver::Make(const StoreConfig& config) {
  Store store{.name = config.name, .host_ports = config.addresses};
  const auto& all = store.host_ports;
  const bool literal = std::all_of(all.begin(), all.end(), IsLiteral);
  if (!literal) store.period_ns = SecondsToNs(static_cast<uint64_t>(config.resolve_s));
  return store;
}

void StoreResolver::Run(LookUp* look_up, const std::vector<HostPort>& host_ports,
                        const std::vector<StoreAddress>& known, const Resolve& resolve) {
  for (const HostPort& host_port : host_ports) {
    std::vector<Address> found;
    std::string problem;
    if (!resolve(host_port, &found, &problem)) {
      look_up->problem = host_port.ToString() + ": " + problem;
      for (const StoreAddress& one : known) {
        if (one.gone || one.name != host_port.host || one.address.port != host_port.port) continue;
        found.push_back(one.address);
      }
    }
    for (const Address& address : found) {
      StoreAddress one{address, host_port.host};
      if (!Contains(look_up->found, one)) look_up->found.push_back(std::move(one));
    }
  }
}

bool StoreResolver::Find(const Store& store, std::vector<StoreAddress>* found,
                         std::string* error) const {
  LookUp look_up;
  Run(&look_up, store.host_ports, {}, resolve_);
  *found = std::move(look_up.found);
  if (look_up.problem.empty()) return true;
  *error = "store " + store.name + ": " + look_up.problem;
  return false;
}

bool StoreResolver::Start(uint64_t now_ns, std::string* error) {
  for (size_t i = 0; i < stores_.size(); ++i) {
    Store& store = stores_[i];
    if (!Find(store, &addresses_[i], error)) return false;
    if (store.period_ns != 0) store.next_ns = now_ns + store.period_ns;
  }
  return true;
}

bool StoreResolver::Note(const StoreVerdict& verdict) {
  const StoreAddress& judged = verdict.address;
  for (StoreAddress& known : addresses_[verdict.store]) {
    if (known.gone || !known.IsAt(judged) || known.down == judged.down) continue;
    known.down = judged.down;
    const std::string& store = stores_[verdict.store].name;
    const std::string address = known.address.ToString();
    if (known.down) {
      Log(LogLevel::kWarning, "store_address_down",
          {{"store", store}, {"address", address}, {"reason", verdict.reason}});
    } else {
      Log(LogLevel::kInfo, "store_address_up", {{"store", store}, {"address", address}});
    }
    return true;
  }
  return false;
}

bool StoreResolver::Change(const std::vector<StoreConfig>& stores, uint64_t now_ns,
                           std::string* error) {
  ROOST_CHECK(stores.size() == stores_.size());
  Addresses found(stores.size());
  for (size_t i = 0; i < stores.size(); ++i) {
    const Store store = Make(stores[i]);
    if (store.host_ports != stores_[i].host_ports && !Find(store, &found[i], error)) return false;
  }
  for (size_t i = 0; i < stores.size(); ++i) {
    Store store = Make(stores[i]);
    if (!found[i].empty()) {
      Follow(&addresses_[i], found[i]);
      MarkDrained(i);
    } else if (store.period_ns == stores_[i].period_ns) {
      continue;
    }
    if (store.period_ns != 0) store.next_ns = now_ns + store.period_ns;
    stores_[i] = std::move(store);
  }
  return true;
}

void StoreResolver::MarkDrained(size_t store) {
  const Drained& drained = drained_[store];
  for (StoreAddress& one : addresses_[store]) {
    // With its store only while it is one of its addresses: else places would be kept for all that
    // ever were.
    one.drained = (drained.whole && !one.gone) || drained.Lists(one.address);
  }
}

bool StoreResolver::Drain(size_t store, const Address* address, bool drained) {
  Drained& all = drained_[store];
  if (address == nullptr) {
    all.whole = drained;
    if (!drained) all.addresses.clear();
    MarkDrained(store);
    return true;
  }
  const std::vector<StoreAddress>& known = addresses_[store];
  // There may be sessions where no name leads any more.
  const bool there = std::any_of(known.begin(), known.end(), [&](const StoreAddress& one) {
    return (drained || !one.gone) && one.address == *address;
  });
  if (!there && !all.Lists(*address)) return false;
  if (drained) {
    all.Add(*address);
  } else {
    const bool others = std::exchange(all.whole, false);
    for (const StoreAddress& one : known) {
      if (others && !one.gone) all.Add(one.address);
    }
    std::erase(all.addresses, *address);
  }
  MarkDrained(store);
  return true;
}

bool StoreResolver::Drained::Lists(const Address& address) const {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

void StoreResolver::Drained::Add(const Address& address) {
  if (!Lists(address)) addresses.push_back(address);
}

bool StoreResolver::drained(size_t store) const {
  return drained_[store].whole || !drained_[store].addresses.empty();
}

bool StoreResolver::looking_up() const {
  return std::any_of(stores_.begin(), stores_.end(),
                     [](const Store& store) { return store.look_up != nullptr; });
}

bool StoreResolver::Tend(uint64_t now_ns) {
  bool changed = false;
  for (size_t i = 0; i < stores_.size(); ++i) {
    Store& store = stores_[i];
    if (store.look_up == nullptr) {
      if (now_ns < store.next_ns) continue;
      store.look_up = std::make_shared<LookUp>();
      try {
        std::thread([look_up = store.look_up, names = store.host_ports, known = addresses_[i],
                     resolve = resolve_] {
          Run(look_up.get(), names, known, resolve);
          look_up->done.store(true, std::memory_order_release);
        }).detach();
      } catch (const std::system_error& error) {  // too many threads for now
        store.look_up->problem = std::string("no thread to look it up: ") + error.what();
        store.look_up->done = true;
      }
    }
    if (!store.look_up->done.load(std::memory_order_acquire)) continue;
    const auto look_up = std::exchange(store.look_up, nullptr);
    store.next_ns = now_ns + store.period_ns;
    const bool failed = !look_up->problem.empty();
    if (failed && !store.failed) {
      Log(LogLevel::kWarning, "store_name_unresolved",
          {{"store", store.name}, {"reason", look_up->problem}});
    }
    store.failed = failed;
    if (look_up->found.empty() || !Follow(&addresses_[i], look_up->found)) continue;
    MarkDrained(i);
    changed = true;
    Log(LogLevel::kInfo, "store_addresses",
        {{"store", store.name}, {"addresses", Listed(addresses_[i])}});
  }
  return changed;
}

}  // namespace roost
