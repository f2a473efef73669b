#include "core/base/histogram.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(Histogram, CountsATimeInTheFirstRangeThatHoldsIt) {
  Histogram h;
  for (const uint64_t ns : {uint64_t{0}, 10 * kNsPerUs, 10 * kNsPerUs + 1, 20 * kNsPerUs}) {
    h.Add(ns);
  }
  EXPECT_EQ(h.at(0), 2u);
  EXPECT_EQ(h.at(1), 2u);
  EXPECT_EQ(h.count(), 4u);
  EXPECT_EQ(h.sum_ns(), 40 * kNsPerUs + 1);
}

TEST(Histogram, CountsWhatIsLongerThanAllBounds) {
  Histogram h;
  const uint64_t longest = Histogram::BoundNs(Histogram::kBounds - 1);
  EXPECT_GT(longest, SecondsToNs(80));
  h.Add(longest);
  h.Add(longest + 1);
  h.Add(UINT64_MAX / 4);
  EXPECT_EQ(h.at(Histogram::kBounds - 1), 1u);
  EXPECT_EQ(h.at(Histogram::kBounds), 2u);
}

TEST(Histogram, AddsUp) {
  Histogram a, b;
  a.Add(1);
  b.Add(1);
  b.Add(kNsPerMs);
  a += b;
  EXPECT_EQ(a.count(), 3u);
  EXPECT_EQ(a.at(0), 2u);
  EXPECT_EQ(a.sum_ns(), kNsPerMs + 2);
}

}  // namespace
}  // namespace roost
