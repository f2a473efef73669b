// Credits: a bound that all shards keep together without a lock, such as logins in progress at a
// store.
//
// What it is: how many are taken, and which shards wait for one. What one shard does not use is
// there for all others. What it is not: it keeps no bound of its own; whoever takes says how many
// there are, as a reload may change it.
//
// A shard takes by its CreditShare, in rounds: what has ended meanwhile is given back first, and
// goes to the shards that wait, one credit to each in turn. It never becomes free on that way, so
// that none starves while others are busy; the shard that gets it hears its bell. What a share
// holds is set by what is in use, and not by counting beginnings and ends: however something ended,
// a round sees it. Where nobody waits, Credit is one of them.
//
// Margin: none. More than the bound are taken only when it was lowered since, and by what had to
// begin unasked.
//
// Thread rule: Credits any; a CreditShare its shard's. Lifetime: Credits outlives its shares.
// Memory: 1 KiB.
#ifndef ROOST_CORE_BASE_CREDITS_H_
#define ROOST_CORE_BASE_CREDITS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace roost {

class Credits {
 public:
  static constexpr uint32_t kMostShards = 1024;

  // One more, unless there are `most` already.
  bool Take(uint64_t most);
  // One more, whatever the bound is.
  void TakeAnyway() { ++taken_; }
  // Of one that no CreditShare holds.
  void GiveBack() { --taken_; }
  uint64_t taken() const { return taken_; }

 private:
  friend class CreditShare;
  // kIdle --its shard--> kWaits --another, which gives one--> kGranted --its shard--> kIdle
  //                      kWaits --its shard--> kIdle
  enum class State : uint8_t { kIdle, kWaits, kGranted };

  std::atomic<uint64_t> taken_{0};    // granted ones included
  std::atomic<uint32_t> waiting_{0};  // shards in kWaits, or about to be
  std::atomic<uint32_t> shards_{0};   // highest number that has a share, and 1
  std::atomic<uint32_t> next_{0};     // whose turn it is
  std::array<std::atomic<State>, kMostShards> states_{};
};

// What one shard has of it.
class CreditShare {
 public:
  // Has OnBell be called on that shard, perhaps this one, which is to have a round then.
  using Ring = std::function<void(uint32_t shard)>;

  CreditShare(Credits& of, uint32_t shard, Ring ring);
  ~CreditShare();
  CreditShare(const CreditShare&) = delete;
  CreditShare& operator=(const CreditShare&) = delete;

  // A round: BeginRound, then Reserve before each thing that begins, then EndRound. `used`: what is
  // in use now; `most`: the bound.
  void BeginRound(uint64_t used, uint64_t most);
  // True: `wanted` may be in use. Else the shard's bell rings when one more may.
  bool Reserve(uint64_t wanted, uint64_t most);
  void EndRound(uint64_t used, uint64_t most);

  // The same without waiting, and only while no shard waits. Between rounds.
  bool TryReserve(uint64_t wanted, uint64_t most);
  // Whether one more could be had than are in use, without taking it.
  bool MayHaveMore(uint64_t used, uint64_t most) const;

 private:
  std::atomic<Credits::State>& state() { return of_.states_[shard_]; }
  const std::atomic<Credits::State>& state() const { return of_.states_[shard_]; }
  void Hold(uint64_t used, uint64_t most);
  bool TakeGrant();
  void StopWaiting();
  void GiveOne(uint64_t most);
  bool HandOn();

  Credits& of_;
  const uint32_t shard_;
  const Ring ring_;
  uint64_t held_ = 0;
  bool wants_ = false;  // more than it has, since the last Reserve
};

// One credit, given back when this goes; or none.
class Credit {
 public:
  Credit() = default;
  static Credit Take(Credits& of, uint64_t most) { return Credit(of.Take(most) ? &of : nullptr); }
  static Credit TakeAnyway(Credits& of) {
    of.TakeAnyway();
    return Credit(&of);
  }
  Credit(Credit&& other) noexcept : of_(other.Keep()) {}
  Credit& operator=(Credit&& other) noexcept {
    std::swap(of_, other.of_);
    return *this;
  }
  ~Credit() {
    if (of_ != nullptr) of_->GiveBack();
  }
  explicit operator bool() const { return of_ != nullptr; }
  // Whoever keeps it gives it back.
  Credits* Keep() { return std::exchange(of_, nullptr); }

 private:
  explicit Credit(Credits* of) : of_(of) {}
  Credits* of_ = nullptr;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_CREDITS_H_
