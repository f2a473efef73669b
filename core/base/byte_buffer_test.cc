#include "core/base/byte_buffer.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "core/base/counters.h"
#include "core/base/rng.h"

namespace roost {
namespace {

TEST(ByteBufferTest, BytesComeOutInTheOrderTheyWentIn) {
  ByteBuffer buffer;
  std::string expected;
  Rng rng(1);
  for (int step = 0; step < 10'000; ++step) {
    const std::string piece(rng.Below(300), static_cast<char>('a' + step % 26));
    ASSERT_TRUE(buffer.Append(piece));
    expected += piece;
    ASSERT_EQ(buffer.view(), expected);
    const size_t count = rng.Below(expected.size() + 1);
    buffer.Consume(count);
    expected.erase(0, count);
    ASSERT_EQ(buffer.view(), expected);
  }
}

TEST(ByteBufferTest, OwnsNothingWhileEmpty) {
  ByteBuffer buffer;
  EXPECT_EQ(buffer.memory(), 0u);
  ASSERT_TRUE(buffer.Append(std::string_view("hello")));
  EXPECT_GT(buffer.memory(), 0u);
  buffer.Consume(5);
  EXPECT_EQ(buffer.memory(), 0u);
  EXPECT_TRUE(buffer.Append(std::string_view()));
  EXPECT_EQ(buffer.memory(), 0u);
}

TEST(ByteBufferTest, TakesNothingPastItsLimit) {
  ByteBuffer buffer(10);
  EXPECT_TRUE(buffer.Append(std::string_view("12345678")));
  EXPECT_FALSE(buffer.Append(std::string_view("9ab")));
  EXPECT_EQ(buffer.view(), "12345678");
  EXPECT_EQ(buffer.room(), 2u);
  EXPECT_TRUE(buffer.Append(std::string_view("9a")));
  buffer.Consume(1);
  EXPECT_EQ(buffer.room(), 1u);
}

TEST(ByteBufferTest, StaysSmallWhenItsContentDoes) {
  ByteBuffer buffer;
  ASSERT_TRUE(buffer.Append(std::string_view("x")));
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_TRUE(buffer.Append(std::string_view("0123456789")));
    buffer.Consume(10);
  }
  EXPECT_LE(buffer.memory(), 128u);
}

TEST(ByteBufferTest, MovingLeavesNothingBehind) {
  ByteBuffer a(100);
  ASSERT_TRUE(a.Append(std::string_view("moved")));
  ByteBuffer b = std::move(a);
  EXPECT_EQ(b.view(), "moved");
  EXPECT_EQ(b.limit(), 100u);
  EXPECT_EQ(a.memory(), 0u);  // NOLINT(bugprone-use-after-move)
  a = std::move(b);
  EXPECT_EQ(a.view(), "moved");
}

enum class Fruit { kApple, kPear, kCount };

TEST(CountersTest, SumOverShards) {
  Counters<Fruit> one, two;
  one.Add(Fruit::kApple);
  two.Add(Fruit::kApple, 2);
  two.Set(Fruit::kPear, 7);
  Counters<Fruit> sum = one;
  sum += two;
  EXPECT_EQ(sum.Get(Fruit::kApple), 3u);
  EXPECT_EQ(sum.Get(Fruit::kPear), 7u);
}

}  // namespace
}  // namespace roost
