#include "core/base/shared_text.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(SharedText, HoldsNothingForTheEmptyText) {
  const SharedText none = "";
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.str(), "");
  EXPECT_EQ(none, SharedText());
}

TEST(SharedText, CopiesShareOneStringUntilTheLastIsGone) {
  SharedText a = "(\\Answered \\Seen)";
  const std::string* string = &a.str();
  EXPECT_TRUE(a.unique());
  SharedText b = a;
  EXPECT_EQ(&b.str(), string);
  EXPECT_FALSE(a.unique());
  a = "another";
  EXPECT_TRUE(b.unique());
  EXPECT_EQ(b, "(\\Answered \\Seen)");
}

TEST(TextPool, MakesThoseShareWhoHaveTheSameText) {
  TextPool pool;
  SharedText a = "INBOX", b = "INBOX", other = "Sent";
  pool.Share(&a);
  pool.Share(&b);
  pool.Share(&other);
  EXPECT_EQ(&a.str(), &b.str());
  EXPECT_EQ(other, "Sent");
  EXPECT_EQ(pool.size(), 2u);
}

TEST(TextPool, ForgetsTextsThatNobodyHoldsWhenItIsFull) {
  TextPool pool;
  SharedText kept = "kept";
  pool.Share(&kept);
  for (size_t i = 0; i < 3 * TextPool::kMost; ++i) {
    SharedText passing = std::to_string(i);
    pool.Share(&passing);
    ASSERT_EQ(passing, std::to_string(i));
  }
  EXPECT_LE(pool.size(), TextPool::kMost);
  SharedText again = "kept";
  pool.Share(&again);
  EXPECT_EQ(&again.str(), &kept.str());
}

TEST(TextPool, DoesNotKeepLongTexts) {
  TextPool pool;
  SharedText text = std::string(TextPool::kMostBytes + 1, 'x');
  pool.Share(&text);
  EXPECT_EQ(pool.size(), 0u);
}

}  // namespace
}  // namespace roost
