#include "tools/load/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace roost::load {
namespace {

TEST(Histogram, WithoutValuesEverythingIsZero) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.max(), 0u);
  EXPECT_EQ(empty.Percentile(0.5), 0u);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 200; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(0.5), 100u);
  EXPECT_EQ(histogram.Percentile(0.99), 198u);
  EXPECT_EQ(histogram.Percentile(1.0), 200u);
  EXPECT_EQ(histogram.Percentile(0.0), 1u);
}

TEST(Histogram, EveryValueIsWithinOnePercent) {
  for (uint64_t value = 1; value < UINT64_MAX / 3; value = value * 3 / 2 + 1) {
    Histogram histogram;
    histogram.Record(value);
    histogram.Record(UINT64_MAX);  // so that the maximum does not help
    const double error =
        std::abs(static_cast<double>(histogram.Percentile(0.5)) - static_cast<double>(value));
    EXPECT_LE(error, 0.01 * static_cast<double>(value)) << value;
  }
}

TEST(Histogram, TheLargestValueHasABucket) {
  Histogram histogram;
  histogram.Record(UINT64_MAX);
  EXPECT_EQ(histogram.max(), UINT64_MAX);
  EXPECT_GE(histogram.Percentile(0.5), UINT64_MAX / 100 * 99);
}

TEST(Histogram, PercentilesAgreeWithASortedList) {
  std::mt19937_64 random(7);
  std::vector<uint64_t> values;
  Histogram one, other;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(random() >> (random() % 50 + 10));
    (i % 2 == 0 ? one : other).Record(values.back());
  }
  one.Add(other);
  std::sort(values.begin(), values.end());
  ASSERT_EQ(one.count(), values.size());
  EXPECT_EQ(one.max(), values.back());
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    const auto exact = static_cast<double>(values[rank - 1]);
    EXPECT_NEAR(static_cast<double>(one.Percentile(share)), exact, exact * 0.01) << share;
  }
}

}  // namespace
}  // namespace roost::load
