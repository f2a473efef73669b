// How many clients come from where, and from where logins fail: one table for all shards, of
// bounded size, without a lock.
//
// What it is: two rows of counters. A network (an IPv4 address, the /64 of an IPv6 one) has one in
// each row, chosen by a keyed hash that nobody outside can guess, and the smaller of the two
// counts. So a count is never below the true one, and above it only where both counters are shared:
// with as many clients as counters in a row by more than 5 for one network in 70,000, by more than
// 10 for less than one in 10^13. More there are not, whatever the limits say by then: a row has a
// counter for each that the shards can hold. What it is not: it keeps no address, and tells nobody
// anything.
//
// Margin between shards: while several let in or refuse somebody of one network at the same moment,
// each may count the others' attempts, or the places that are left may be given twice.
//
// Failed logins: each adds one, each kForgetS takes one away, a good login takes half away. The
// first kFreeFailures cost nothing, then the delay doubles.
//
// Lifetime: outlives all shards. Thread rule: any thread; times are given. Memory: 8 bytes for each
// of these, which is 2 MiB for each shard (their number rounded up to a power of two, 64 at most),
// and 256 KiB; nearly all of it is in use once clients of some thousand addresses have been there,
// and none as long as there is no limit.
#ifndef ROOST_CORE_CLIENT_ADDRESS_LIMITS_H_
#define ROOST_CORE_CLIENT_ADDRESS_LIMITS_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/base/hash.h"
#include "core/io/io.h"

namespace roost {

class AddressLimits {
 public:
  static constexpr uint32_t kFreeFailures = 3;
  static constexpr uint64_t kForgetS = 60;
  static constexpr uint32_t kMostFailures = 32;  // more are not counted
  static constexpr uint32_t kClientsOfAShard = 1 << 18, kMostShards = 64;

  AddressLimits(const HashKey& key, uint32_t shards);

  // One client more of the peer's network; false, and not counted, when there are `limit` already.
  // For each true there must be one Leave.
  bool Enter(const Address& peer, uint32_t limit);
  void Leave(const Address& peer);
  uint32_t Count(const Address& peer) const;

  void LoginFailed(const Address& peer, uint64_t now_s);
  void LoginSucceeded(const Address& peer, uint64_t now_s);
  // How long the next login from there has to wait, at most `most_s`.
  uint64_t DelayS(const Address& peer, uint64_t now_s, uint64_t most_s) const;

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  template <typename T>
  using Table = std::unique_ptr<T[], Free>;
  // Places in the first and the second row.
  using Places = std::pair<uint64_t, uint64_t>;

  uint64_t HashOf(const Address& peer) const;
  Places ClientPlaces(const Address& peer) const;
  Places FailurePlaces(const Address& peer) const;

  const HashKey key_;
  const uint64_t width_;      // of a row of clients_, a power of two
  Table<uint32_t> clients_;   // both rows; atomic
  Table<uint64_t> failures_;  // both rows; atomic: second of the last change << 32 | failures
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_ADDRESS_LIMITS_H_
