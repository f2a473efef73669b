// A log-linear histogram of durations: any 64-bit value, no value off by more than 0.4 %.
//
// Values below 256 have a bucket each; every power of two above that has 128 buckets of equal
// width. A percentile is the middle of its bucket, so its error is at most 1/256. Fixed size: 58
// KiB. One thread; histograms of several threads are added up when they have ended.
#ifndef ROOST_TOOLS_LOAD_HISTOGRAM_H_
#define ROOST_TOOLS_LOAD_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace roost::load {

class Histogram {
 public:
  Histogram() : buckets_(kBuckets) {}

  void Record(uint64_t value);
  void Add(const Histogram& other);

  uint64_t count() const { return count_; }
  // Exact. 0 when nothing was recorded.
  uint64_t max() const { return max_; }
  // The smallest value that at least `share` (0 to 1) of all are not above; never above max().
  // 0 when nothing was recorded.
  uint64_t Percentile(double share) const;

 private:
  static constexpr int kSubBucketBits = 7;
  static constexpr size_t kSubBuckets = size_t{1} << kSubBucketBits;
  static constexpr size_t kBuckets = (64 - kSubBucketBits + 1) * kSubBuckets;

  static size_t IndexOf(uint64_t value);
  static uint64_t MiddleOf(size_t index);

  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_HISTOGRAM_H_
