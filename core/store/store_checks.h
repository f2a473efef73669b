// Looks now and then whether somebody serves at each address of each store.
//
//   up --kFailuresInARow checks in a row failed--> down --one succeeded--> up
//
// A check is a session without login: connection, TLS as configured, greeting, CAPABILITY, LOGOUT.
// It takes no place at the store's dialer. What it is not: it moves nobody; whoever is told the
// verdicts does.
//
// Bounds: one check of an address at a time, kMostAtOnce in all, each as long as
// stores[].connect_timeout_s for each of its steps.
//
// Thread rule: one shard's, for all of the process. Lifetime: ends before the loop and the dialers.
#ifndef ROOST_CORE_STORE_STORE_CHECKS_H_
#define ROOST_CORE_STORE_STORE_CHECKS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/store/dialer.h"
#include "core/store/store_resolver.h"

namespace roost {

class StoreChecks {
 public:
  static constexpr int kFailuresInARow = 3;
  static constexpr size_t kMostAtOnce = 16;

  // Told after every check how it stands with its address, changed or not.
  using Judged = std::function<void(const StoreVerdict&)>;

  // Checks the addresses that the dialers have at the time.
  StoreChecks(Loop& loop, const std::vector<std::unique_ptr<Dialer>>& dialers, Judged judged);
  ~StoreChecks();
  void Start() { Tick(); }

 private:
  class Place;
  static constexpr uint64_t kTickNs = SecondsToNs(1);

  void Tick();
  void FollowAddresses();
  void Forget(StoreIndex store, StoreAddress address) const;
  uint64_t NextNs(const StoreConfig& config, bool first);

  Loop& loop_;
  const std::vector<std::unique_ptr<Dialer>>& dialers_;
  const Judged judged_;
  std::vector<std::unique_ptr<Place>> places_;
  Alarm alarm_;
};

}  // namespace roost

#endif  // ROOST_CORE_STORE_STORE_CHECKS_H_
