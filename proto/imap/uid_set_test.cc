#include "proto/imap/uid_set.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

std::vector<UidRange> RangesOf(const UidSet& set) {
  std::vector<UidRange> ranges;
  set.ForEachRange([&](uint32_t first, uint32_t last) { ranges.push_back({first, last}); });
  return ranges;
}

UidSet EverySecond(uint32_t count) {
  UidSet set;
  for (uint32_t i = 0; i < count; ++i) EXPECT_TRUE(set.Insert(2 * i + 1));
  return set;
}

TEST(UidSet, EmptyAndOneRangeOwnNoHeap) {
  UidSet set;
  EXPECT_EQ(set.memory_bytes(), 0u);
  EXPECT_EQ(set.size(), 0u);
  EXPECT_EQ(set.First(), 0u);
  EXPECT_EQ(set.Last(), 0u);
  EXPECT_FALSE(set.At(1).has_value());
  for (uint32_t uid = 1; uid <= 1000; ++uid) ASSERT_TRUE(set.Insert(uid));
  EXPECT_EQ(set.memory_bytes(), 0u);
  EXPECT_EQ(set.size(), 1000u);
  EXPECT_EQ(set.At(1000), 1000u);
  EXPECT_EQ(set.Remove(1), 1u);
  EXPECT_EQ(set.Remove(1000), 1u);
  EXPECT_EQ(set.memory_bytes(), 0u);
  EXPECT_EQ(set.First(), 2u);
  EXPECT_EQ(set.Last(), 999u);
  EXPECT_EQ(set.Remove(500), 1u);
  EXPECT_GT(set.memory_bytes(), 0u);
  EXPECT_LE(set.memory_bytes(), 128u);
  EXPECT_TRUE(set.Insert(500));
  EXPECT_EQ(set.memory_bytes(), 0u) << "one range again";
  set.CheckInvariants();
}

TEST(UidSet, UidZeroIsNeverInIt) {
  UidSet set;
  EXPECT_FALSE(set.Insert(0));
  EXPECT_FALSE(set.InsertRange(0, 5));
  EXPECT_FALSE(set.InsertRange(6, 5));
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.Insert(1));
  EXPECT_FALSE(set.Contains(0));
  EXPECT_EQ(set.PositionOf(0), 0u);
  EXPECT_EQ(set.RemoveRange(0, 9), 0u);
}

TEST(UidSet, HoldsTheWholeNumberSpace) {
  UidSet set;
  ASSERT_TRUE(set.InsertRange(1, UidSet::kMaxUid));
  EXPECT_EQ(set.size(), 0xffffffffu);
  EXPECT_EQ(set.At(0xffffffffu), 0xffffffffu);
  EXPECT_EQ(set.PositionOf(0xffffffffu), 0xffffffffu);
  EXPECT_EQ(set.Remove(0x80000000u), 1u);
  set.CheckInvariants();
  EXPECT_EQ(set.At(0x80000000u), 0x80000001u);
  EXPECT_EQ(set.CountIn(0x7fffffffu, 0x80000001u), 2u);
  EXPECT_TRUE(set.Insert(0x80000000u));
  EXPECT_EQ(set.memory_bytes(), 0u);
  EXPECT_EQ(set.Remove(UidSet::kMaxUid), 1u);
  EXPECT_EQ(set.Remove(1), 1u);
  EXPECT_EQ(RangesOf(set), (std::vector<UidRange>{{2, 0xfffffffeu}}));
}

TEST(UidSet, RangesThatTouchBecomeOne) {
  UidSet set{{1, 3}, {7, 9}, {4, 6}};
  EXPECT_EQ(RangesOf(set), (std::vector<UidRange>{{1, 9}}));
  set = UidSet{{10, 20}, {30, 40}, {15, 35}};
  EXPECT_EQ(RangesOf(set), (std::vector<UidRange>{{10, 40}}));
  set = UidSet{{5, 5}, {1, 1}, {3, 3}};
  EXPECT_EQ(RangesOf(set), (std::vector<UidRange>{{1, 1}, {3, 3}, {5, 5}}));
}

TEST(UidSet, AnswersByPosition) {
  UidSet set{{2, 4}, {10, 10}, {20, 25}};
  EXPECT_EQ(set.size(), 10u);
  EXPECT_FALSE(set.At(0).has_value());
  EXPECT_EQ(set.At(1), 2u);
  EXPECT_EQ(set.At(3), 4u);
  EXPECT_EQ(set.At(4), 10u);
  EXPECT_EQ(set.At(5), 20u);
  EXPECT_EQ(set.At(10), 25u);
  EXPECT_FALSE(set.At(11).has_value());
  EXPECT_EQ(set.PositionOf(10), 4u);
  EXPECT_EQ(set.PositionOf(11), 0u);
  EXPECT_EQ(set.CountBelow(20), 4u);
  EXPECT_EQ(set.CountBelow(1), 0u);
  EXPECT_EQ(set.CountBelow(1000), 10u);
  EXPECT_EQ(set.CountIn(4, 20), 3u);
}

TEST(UidSet, ReaderBeginsWhereItIsAskedTo) {
  UidSet set{{2, 4}, {10, 10}, {20, 25}};
  auto from = [&](uint32_t uid) {
    std::vector<UidRange> ranges;
    UidSet::Reader reader(set, uid);
    UidRange range;
    while (reader.Next(&range)) ranges.push_back(range);
    return ranges;
  };
  EXPECT_EQ(from(3), (std::vector<UidRange>{{3, 4}, {10, 10}, {20, 25}}));
  EXPECT_EQ(from(5), (std::vector<UidRange>{{10, 10}, {20, 25}}));
  EXPECT_EQ(from(25), (std::vector<UidRange>{{25, 25}}));
  EXPECT_TRUE(from(26).empty());
  UidSet big = EverySecond(10000);
  UidSet::Reader reader(big, 15000);
  UidRange range;
  ASSERT_TRUE(reader.Next(&range));
  EXPECT_EQ(range, (UidRange{15001, 15001}));
}

TEST(UidSet, AMillionMessagesWithEverySecondOneGoneTakeLittle) {
  UidSet set = EverySecond(500000);
  set.CheckInvariants();
  EXPECT_LT(set.memory_bytes(), 700000u);
  EXPECT_EQ(set.At(250000), 499999u);
  // As a mailbox that loses every second message, one by one, by number from the front.
  UidSet thinned;
  ASSERT_TRUE(thinned.InsertRange(1, 60000));
  for (uint32_t position = 2; position <= 30001; ++position) {
    std::optional<uint32_t> uid = thinned.At(position);
    ASSERT_TRUE(uid.has_value());
    ASSERT_EQ(*uid, 2 * (position - 1));
    ASSERT_EQ(thinned.Remove(*uid), 1u);
  }
  thinned.CheckInvariants();
  EXPECT_EQ(thinned, EverySecond(30000));
  EXPECT_LT(thinned.memory_bytes(), 2u * 30000u);
}

TEST(UidSet, StopsToGrowAtItsLimit) {
  UidSet set;
  uint32_t uid = 1;
  while (set.Insert(uid)) uid += 2;
  EXPECT_GE(set.memory_bytes(), UidSet::kMaxBytes);
  EXPECT_LT(set.memory_bytes(), UidSet::kMaxBytes + UidSet::kMaxBytes / 3);
  EXPECT_GT(set.size(), 6000000u);
  uint32_t size = set.size();
  EXPECT_FALSE(set.Insert(uid + 100));
  EXPECT_FALSE(set.Insert(2));
  EXPECT_TRUE(set.Insert(3)) << "it is there already";
  EXPECT_EQ(set.size(), size);
  EXPECT_EQ(set.RemoveRange(1, 4000000), 2000000u);
  EXPECT_TRUE(set.Insert(uid));
  set.CheckInvariants();
}

TEST(UidSet, CopiesAndMovesAreIndependent) {
  UidSet set = EverySecond(3000);
  UidSet copy = set;
  EXPECT_EQ(copy, set);
  copy.Remove(1);
  copy.Insert(6001);
  copy.CheckInvariants();
  EXPECT_FALSE(copy == set);
  EXPECT_TRUE(set.Contains(1));
  UidSet moved = std::move(copy);
  EXPECT_EQ(moved.size(), 3000u);
  moved = set;
  EXPECT_EQ(moved, set);
  moved = *&moved;
  EXPECT_EQ(moved, set);
  set.Clear();
  EXPECT_EQ(moved.size(), 3000u);
  moved.CheckInvariants();
}

TEST(UidSet, HashDependsOnMembersOnly) {
  UidSet up, down;
  for (uint32_t i = 1; i <= 999; i += 2) up.Insert(i);
  for (uint32_t i = 999;; i -= 2) {
    down.Insert(i);
    if (i == 1) break;
  }
  EXPECT_EQ(up, down);
  EXPECT_EQ(up.Hash(), down.Hash());
  down.Remove(1);
  EXPECT_NE(up.Hash(), down.Hash());
  EXPECT_NE((UidSet{{1, 2}}.Hash()), (UidSet{{1, 1}}.Hash()));
}

// ---- Against a model that nobody doubts ----

using Model = std::set<uint32_t>;

UidSet FromModel(const Model& model) {
  UidSet set;
  for (uint32_t uid : model) set.Insert(uid);
  return set;
}

void ExpectSame(const UidSet& set, const Model& model) {
  set.CheckInvariants();
  ASSERT_EQ(set.size(), model.size());
  auto it = model.begin();
  set.ForEach([&](uint32_t uid) {
    ASSERT_NE(it, model.end());
    ASSERT_EQ(uid, *it++);
  });
}

void ExpectSameAnswers(const UidSet& set, const Model& model, uint32_t uid) {
  uint32_t below = static_cast<uint32_t>(std::distance(model.begin(), model.lower_bound(uid)));
  ASSERT_EQ(set.CountBelow(uid), below);
  ASSERT_EQ(set.Contains(uid), model.count(uid) == 1);
  ASSERT_EQ(set.PositionOf(uid), model.count(uid) == 1 ? below + 1 : 0);
  if (below < model.size()) {
    ASSERT_EQ(set.At(below + 1), *model.lower_bound(uid));
  } else {
    ASSERT_FALSE(set.At(below + 1).has_value());
  }
}

struct Shape {
  uint32_t space;     // UIDs are drawn from 1 … space
  uint32_t max_span;  // of a range
  int remove_of_ten;
  int steps;
};

class UidSetAgainstModel : public testing::TestWithParam<Shape> {};

TEST_P(UidSetAgainstModel, BehavesAsASetOfNumbers) {
  Shape shape = GetParam();
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    std::mt19937 random(seed);
    UidSet set;
    Model model;
    for (int step = 0; step < shape.steps; ++step) {
      uint32_t first = 1 + random() % shape.space;
      uint32_t last = first + random() % shape.max_span;
      if (random() % 8 == 0) first = last = set.Last() + 1 + random() % 3;
      bool remove = static_cast<int>(random() % 10) < shape.remove_of_ten;
      if (remove) {
        auto from = model.lower_bound(first), to = model.upper_bound(last);
        ASSERT_EQ(set.RemoveRange(first, last), static_cast<uint32_t>(std::distance(from, to)));
        model.erase(from, to);
      } else {
        ASSERT_TRUE(set.InsertRange(first, last));
        for (uint32_t uid = first; uid <= last; ++uid) model.insert(uid);
      }
      ExpectSameAnswers(set, model, 1 + random() % shape.space);
      if (HasFatalFailure()) return;
      if (step % 64 == 0) ExpectSame(set, model);
      if (HasFatalFailure()) return;
    }
    ExpectSame(set, model);
    EXPECT_EQ(set, FromModel(model));
    EXPECT_EQ(set.Hash(), FromModel(model).Hash());
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, UidSetAgainstModel,
                         testing::Values(Shape{40, 3, 5, 3000}, Shape{3000, 1, 4, 6000},
                                         Shape{10000, 1, 2, 8000}, Shape{10000, 40, 5, 3000},
                                         Shape{2000000, 100, 3, 400}, Shape{5000, 2500, 7, 1500}));

TEST(UidSet, DifferenceAndIntersectionAgreeWithTheModel) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    Model a, b;
    uint32_t space = 1 + random() % 3000;
    for (Model* model : {&a, &b}) {
      for (uint32_t i = random() % 2000; i > 0; --i) model->insert(1 + random() % space);
    }
    UidSet set_a = FromModel(a), set_b = FromModel(b);
    Model only_a, both;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                        std::inserter(only_a, only_a.end()));
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
    ExpectSame(UidSet::Difference(set_a, set_b), only_a);
    ExpectSame(UidSet::Intersection(set_a, set_b), both);
    ExpectSame(UidSet::Intersection(set_b, set_a), both);
    EXPECT_EQ(set_a == set_b, a == b);
    UidSet changed = set_a;
    EXPECT_EQ(changed.RemoveSet(set_b), both.size());
    ExpectSame(changed, only_a);
    EXPECT_TRUE(changed.InsertSet(set_b));
    EXPECT_TRUE(changed.InsertSet(set_a));
    b.insert(a.begin(), a.end());
    ExpectSame(changed, b);
    if (HasFatalFailure()) return;
  }
}

TEST(UidSet, RandomOrderStaysCompact) {
  std::mt19937 random(7);
  std::vector<uint32_t> uids;
  for (uint32_t i = 0; i < 20000; ++i) uids.push_back(2 * i + 1);
  std::shuffle(uids.begin(), uids.end(), random);
  UidSet set;
  for (uint32_t uid : uids) ASSERT_TRUE(set.Insert(uid));
  set.CheckInvariants();
  EXPECT_EQ(set, EverySecond(20000));
  EXPECT_LT(set.memory_bytes(), 2u * 20000u);
  std::shuffle(uids.begin(), uids.end(), random);
  uids.resize(19000);
  for (uint32_t uid : uids) ASSERT_EQ(set.Remove(uid), 1u);
  set.CheckInvariants();
  EXPECT_EQ(set.size(), 1000u);
  EXPECT_LT(set.memory_bytes(), 8u * 1000u) << "blocks that shrank were joined";
}

}  // namespace
}  // namespace roost
