#include "core/feed/difference.h"

#include <gtest/gtest.h>

#include "proto/imap/writer.h"

namespace roost {
namespace {

TEST(Difference, OfEqualViewsIsEmpty) {
  const UidSet view{{1, 5}, {9, 9}};
  const Difference d = Compare(view, 10, view, 10);
  EXPECT_FALSE(d.destination_behind);
  EXPECT_TRUE(d.empty());
  EXPECT_EQ(d.count, 6u);
}

TEST(Difference, NamesWhatIsGoneByTheNumbersOfTheClient) {
  const Difference d = Compare({{10, 14}}, 15, {{10, 10}, {13, 14}}, 15);
  EXPECT_FALSE(d.destination_behind);
  EXPECT_EQ(FormatUidSet(d.gone), "11:12");
  EXPECT_EQ(FormatUidSet(d.numbers), "2:3");
  EXPECT_TRUE(d.came.empty());
  EXPECT_EQ(d.count, 3u);
}

TEST(Difference, TellsWhatCameAboveTheClientsHorizon) {
  const Difference d = Compare({{1, 3}}, 4, {{1, 3}, {7, 8}}, 9);
  EXPECT_FALSE(d.destination_behind);
  EXPECT_EQ(FormatUidSet(d.came), "7:8");
}

TEST(Difference, SeesThatTheDestinationHasNotHeardOfAnArrival) {
  // The client was told of 4; the destination's knowledge ends below it. 4 is not gone.
  EXPECT_TRUE(Compare({{1, 4}}, 5, {{1, 3}}, 4).destination_behind);
  // With a horizon above, it was there and is gone.
  EXPECT_FALSE(Compare({{1, 4}}, 5, {{1, 3}}, 5).destination_behind);
}

TEST(Difference, SeesThatTheDestinationHasNotHeardOfAnExpunge) {
  // The client was told that 2 is gone; the destination still has it. It did not come back.
  EXPECT_TRUE(Compare({{1, 1}, {3, 3}}, 4, {{1, 3}}, 4).destination_behind);
}

TEST(Difference, KnowsThatTheVeryLastUidCanBeGone) {
  constexpr uint64_t kEnd = uint64_t{1} << 32;
  const UidSet client{{1, 1}, {UidSet::kMaxUid, UidSet::kMaxUid}};
  EXPECT_FALSE(Compare(client, kEnd, {{1, 1}}, kEnd).destination_behind);
  EXPECT_TRUE(Compare(client, kEnd, {{1, 1}}, kEnd - 1).destination_behind);
}

TEST(Difference, OfEmptyViewsWorks) {
  EXPECT_TRUE(Compare({}, 1, {}, 1).empty());
  EXPECT_EQ(FormatUidSet(Compare({}, 1, {{1, 2}}, 3).came), "1:2");
  EXPECT_EQ(FormatUidSet(Compare({{1, 2}}, 3, {}, 3).gone), "1:2");
}

}  // namespace
}  // namespace roost
