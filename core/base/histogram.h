// How long things took: a count for each range of times, each range twice as wide as the one
// before it.
//
// What it is not: it keeps no times, and locks nothing: one thread writes, and hands copies to
// others. 200 bytes.
#ifndef ROOST_CORE_BASE_HISTOGRAM_H_
#define ROOST_CORE_BASE_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/clock.h"

namespace roost {

class Histogram {
 public:
  // Up to 10 us, 20 us, ... 84 s, and longer.
  static constexpr uint64_t kFirstNs = 10 * kNsPerUs;
  static constexpr size_t kBounds = 24;

  // The longest time that counts in `place`, which is below kBounds.
  static constexpr uint64_t BoundNs(size_t place) { return kFirstNs << place; }

  void Add(uint64_t ns) {
    size_t place = 0;
    while (place < kBounds && ns > BoundNs(place)) ++place;
    ++counts_[place];
    sum_ns_ += ns;
  }

  // Those in `place`, and not in one below; at kBounds those beyond all bounds.
  uint64_t at(size_t place) const { return counts_[place]; }
  uint64_t count() const {
    uint64_t count = 0;
    for (const uint64_t c : counts_) count += c;
    return count;
  }
  uint64_t sum_ns() const { return sum_ns_; }

  Histogram& operator+=(const Histogram& other) {
    for (size_t i = 0; i <= kBounds; ++i) counts_[i] += other.counts_[i];
    sum_ns_ += other.sum_ns_;
    return *this;
  }

 private:
  std::array<uint64_t, kBounds + 1> counts_{};
  uint64_t sum_ns_ = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_HISTOGRAM_H_
