#include "tools/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace roost::load {

size_t Histogram::IndexOf(uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kSubBucketBits - 1);
  return static_cast<size_t>(shift) * kSubBuckets + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::MiddleOf(size_t index) {
  if (index < 2 * kSubBuckets) return index;
  const size_t shift = index / kSubBuckets - 1;
  const uint64_t lowest = static_cast<uint64_t>(index - shift * kSubBuckets) << shift;
  return lowest + ((uint64_t{1} << shift) - 1) / 2;
}

void Histogram::Record(uint64_t value) {
  ++buckets_[IndexOf(value)];
  ++count_;
  max_ = std::max(max_, value);
}

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::Percentile(double share) const {
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(MiddleOf(i), max_);
  }
  return max_;
}

}  // namespace roost::load
