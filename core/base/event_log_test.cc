#include "core/base/event_log.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace roost {
namespace {

TEST(EventLogTest, NumbersStartAtOneAndNeverRepeat) {
  EventLog<std::string> log(3);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.Append("a"), 1u);
  EXPECT_EQ(log.Append("b"), 2u);
  log.TrimBelow(log.next_seq());
  EXPECT_EQ(log.Append("c"), 3u);
  EXPECT_EQ(log.first_seq(), 3u);
  EXPECT_EQ(log.At(3), "c");
}

TEST(EventLogTest, RefusesWhenFullAndTakesAgainAfterTrimming) {
  EventLog<int> log(2);
  EXPECT_EQ(log.Append(10), 1u);
  EXPECT_EQ(log.Append(11), 2u);
  EXPECT_TRUE(log.full());
  EXPECT_EQ(log.Append(12), 0u);
  log.TrimBelow(2);
  EXPECT_EQ(log.Append(12), 3u);
  EXPECT_FALSE(log.Contains(1));
  EXPECT_TRUE(log.Contains(2));
  EXPECT_FALSE(log.Contains(4));
}

TEST(EventLogTest, OwnsNothingWhileEmpty) {
  EventLog<int> log(1000);
  EXPECT_EQ(log.memory(), 0u);
  for (int i = 0; i < 1000; ++i) ASSERT_NE(log.Append(i), 0u);
  EXPECT_GT(log.memory(), 4000u);
  log.TrimBelow(1000);
  EXPECT_LT(log.memory(), 1500u);
  log.TrimBelow(UINT64_MAX);
  EXPECT_EQ(log.memory(), 0u);
}

TEST(EventLogTest, EntriesAreDestroyedWhenTrimmedOrWithTheLog) {
  auto held = std::make_shared<int>(1);
  {
    EventLog<std::shared_ptr<int>> log(100);
    for (int i = 0; i < 50; ++i) ASSERT_NE(log.Append(held), 0u);
    EXPECT_EQ(held.use_count(), 51);
    log.TrimBelow(21);
    EXPECT_EQ(held.use_count(), 31);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EventLogTest, BehavesLikeAListOfNumberedEntries) {
  EventLog<uint64_t, 4> log(40);
  Rng rng(7);
  uint64_t first = 1, next = 1;
  for (int step = 0; step < 20'000; ++step) {
    if (rng.Chance(0.7)) {
      const uint64_t seq = log.Append(next * 3);
      ASSERT_EQ(seq, next - first < 40 ? next : 0);
      if (seq != 0) ++next;
    } else {
      first = rng.Between(first, next);
      log.TrimBelow(first);
    }
    ASSERT_EQ(log.first_seq(), first);
    ASSERT_EQ(log.next_seq(), next);
    for (uint64_t seq = first; seq < next; ++seq) ASSERT_EQ(log.At(seq), seq * 3);
  }
}

TEST(EventLogTest, KeepsCursorsValidWhenItIsRewritten) {
  EventLog<std::string, 4> log(20);
  for (int i = 1; i <= 20; ++i) ASSERT_NE(log.Append(std::to_string(i)), 0u);
  log.TrimBelow(3);
  auto entries = log.TakeAll();
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.first_seq(), 3u);
  std::erase_if(entries, [](const auto& n) { return n.seq % 5 != 0; });
  log.PutBack(std::move(entries));
  EXPECT_EQ(log.size(), 4u);
  EXPECT_EQ(log.next_seq(), 21u);
  EXPECT_FALSE(log.Contains(4));
  EXPECT_EQ(log.At(10), "10");
  EXPECT_EQ(log.Append("21"), 21u);
  std::string read;
  log.ForEach(6, 21, [&](uint64_t, const std::string& text) { read += text + " "; });
  EXPECT_EQ(read, "10 15 20 ");
  read.clear();
  log.ForEachBack(11, [&](uint64_t seq, const std::string&) { read += std::to_string(seq) + " "; });
  EXPECT_EQ(read, "21 20 15 ");
  EXPECT_EQ(log.SeqAtPlace(1), 10u);
  log.TrimBelow(11);
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log.first_seq(), 11u);
}

}  // namespace
}  // namespace roost
