#include "core/feed/flag_hashes.h"

#include <map>

#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace roost {
namespace {

TEST(FlagHashes, CoverTheSetOfFlagsWithoutOrderCaseAndRecent) {
  EXPECT_EQ(FlagHashes::Of("\\Seen $x"), FlagHashes::Of("$X \\SEEN"));
  EXPECT_EQ(FlagHashes::Of("\\Seen \\Recent"), FlagHashes::Of("\\Seen"));
  EXPECT_EQ(FlagHashes::Of("\\recent"), FlagHashes::Of(""));
  EXPECT_NE(FlagHashes::Of("\\Seen"), FlagHashes::Of(""));
  EXPECT_NE(FlagHashes::Of("\\Seen"), FlagHashes::Of("\\Flagged"));
  EXPECT_NE(FlagHashes::Of("$ab"), FlagHashes::Of("$a b"));
  EXPECT_NE(FlagHashes::Of(""), 0u);
}

TEST(FlagHashes, FollowTheirMessagesWhenOthersLeave) {
  Rng rng(5);
  for (int round = 0; round < 200; ++round) {
    FlagHashes hashes;
    std::vector<uint32_t> model;
    for (uint32_t i = 1; i <= 1 + rng.Below(60); ++i) {
      model.push_back(rng.Chance(0.8) ? i + 1000 : 0);
      if (model.back() != 0) hashes.Set(i, model.back());
    }
    UidSet numbers;
    std::vector<uint32_t> left;
    for (uint32_t i = 1; i <= model.size() + 5; ++i) {  // some behind all that is known
      if (rng.Chance(0.3)) {
        numbers.Insert(i);
      } else if (i <= model.size()) {
        left.push_back(model[i - 1]);
      }
    }
    hashes.Remove(numbers);
    for (uint32_t i = 1; i <= left.size() + 3; ++i) {
      ASSERT_EQ(hashes.At(i), i <= left.size() ? left[i - 1] : 0u) << "round " << round;
    }
    uint32_t unknown = 0;
    const auto count = static_cast<uint32_t>(left.size());
    for (uint32_t i = count; i > 0; --i) unknown = left[i - 1] == 0 ? i : unknown;
    EXPECT_EQ(hashes.FirstUnknown(count), unknown);
  }
}

TEST(FlagHashes, AreLearnedFromWhatIsFound) {
  const UidSet view{{10, 12}, {20, 22}};
  FlagHashes hashes;
  hashes.Set(2, 77);  // told meanwhile: newer than what was found
  // 22 came while it was searched; 15 is gone.
  hashes.Learn(view, {{10, 21}},
               {{"\\Seen", {{10, 11}, {15, 15}, {21, 22}}}, {"$x", {{1, 4294967295}}}, {"$y", {}}});
  EXPECT_EQ(hashes.At(1), FlagHashes::Of("\\Seen $x"));
  EXPECT_EQ(hashes.At(2), 77u);
  EXPECT_EQ(hashes.At(3), FlagHashes::Of("$x"));
  EXPECT_EQ(hashes.At(4), FlagHashes::Of("$x"));
  EXPECT_EQ(hashes.At(5), FlagHashes::Of("\\Seen $x"));
  EXPECT_EQ(hashes.At(6), 0u);
  EXPECT_EQ(hashes.FirstUnknown(6), 6u);
}

TEST(FlagHashes, OfMessagesBehindTheBoundAreNotKnown) {
  FlagHashes hashes;
  hashes.Set(FlagHashes::kMost + 1, 7);
  EXPECT_EQ(hashes.At(FlagHashes::kMost + 1), 0u);
  EXPECT_EQ(hashes.memory(), 0u);
  FlagHashes all;
  all.Learn({{1, FlagHashes::kMost + 5}}, {{1, FlagHashes::kMost + 5}}, {});
  EXPECT_EQ(all.FirstUnknown(FlagHashes::kMost + 5), 0u);
}

}  // namespace
}  // namespace roost
