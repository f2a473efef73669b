// Counters<Enum>: a shard's counts, one per enumerator, summable over shards.
//
// Written by the owning shard only; any thread may read or sum them. A reader sees
// each count whole, but not all counts of one instant: good for metrics, not for
// decisions. Enum: 0, 1, … kCount.
#ifndef ROOST_CORE_BASE_COUNTERS_H_
#define ROOST_CORE_BASE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace roost {

template <typename Enum>
class Counters {
 public:
  static constexpr size_t kSize = static_cast<size_t>(Enum::kCount);

  Counters() = default;
  Counters(const Counters& other) { *this += other; }
  Counters& operator=(const Counters& other) {
    for (size_t i = 0; i < kSize; ++i) Store(i, other.Load(i));
    return *this;
  }

  // Owning thread only: no read-modify-write instruction is paid for.
  void Add(Enum which, uint64_t amount = 1) {
    const size_t i = static_cast<size_t>(which);
    Store(i, Load(i) + amount);
  }
  void Set(Enum which, uint64_t value) { Store(static_cast<size_t>(which), value); }

  uint64_t Get(Enum which) const { return Load(static_cast<size_t>(which)); }

  Counters& operator+=(const Counters& other) {
    for (size_t i = 0; i < kSize; ++i) Store(i, Load(i) + other.Load(i));
    return *this;
  }

 private:
  uint64_t Load(size_t i) const { return values_[i].load(std::memory_order_relaxed); }
  void Store(size_t i, uint64_t value) { values_[i].store(value, std::memory_order_relaxed); }

  std::array<std::atomic<uint64_t>, kSize> values_ = {};
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_COUNTERS_H_
