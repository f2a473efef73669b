#include "core/base/hash.h"

#include <set>
#include <string>
#include <unordered_map>

#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace roost {
namespace {

// The key of SipHash's own test vectors: bytes 0, 1, … 15.
constexpr HashKey kKey{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

std::string Counting(size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text.push_back(static_cast<char>(i));
  return text;
}

TEST(HashTest, SipHash24GivesTheValuesOfItsPaper) {
  EXPECT_EQ(SipHash24(kKey, Counting(0)), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(SipHash24(kKey, Counting(1)), 0x74f839c593dc67fdu);
  EXPECT_EQ(SipHash24(kKey, Counting(15)), 0xa129ca6149be45e5u);
}

TEST(HashTest, EveryBitOfKeyAndTextMatters) {
  std::set<uint64_t> seen;
  const std::string text = Counting(20);
  for (size_t size = 0; size <= text.size(); ++size) {
    seen.insert(SipHash13(kKey, std::string_view(text).substr(0, size)));
  }
  for (int bit = 0; bit < 64; ++bit) {
    seen.insert(SipHash13({kKey.k0 ^ (uint64_t{1} << bit), kKey.k1}, text));
    seen.insert(SipHash13({kKey.k0, kKey.k1 ^ (uint64_t{1} << bit)}, text));
  }
  EXPECT_EQ(seen.size(), 21u + 128u);
  EXPECT_NE(SipHash13(kKey, text), SipHash24(kKey, text));
}

TEST(HashTest, MapsAreLookedUpByViewWithoutACopy) {
  std::unordered_map<std::string, int, KeyedStringHash, StringEqual> map(8, KeyedStringHash{kKey});
  map["alice"] = 1;
  EXPECT_NE(map.find(std::string_view("alice")), map.end());
  EXPECT_EQ(map.find(std::string_view("bob")), map.end());
}

TEST(RngTest, TheSameSeedGivesTheSameNumbers) {
  Rng a(42), b(42), c(43);
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.Next();
    EXPECT_EQ(value, b.Next());
    EXPECT_NE(value, c.Next());
  }
}

TEST(RngTest, StaysWithinItsBounds) {
  Rng rng(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(rng.Below(7), 7u);
    seen.insert(rng.Between(3, 6));
    EXPECT_FALSE(rng.Chance(0));
    EXPECT_TRUE(rng.Chance(1));
  }
  EXPECT_EQ(seen, (std::set<uint64_t>{3, 4, 5, 6}));
  EXPECT_EQ(rng.Below(0), 0u);
  EXPECT_EQ(rng.Between(9, 9), 9u);
}

}  // namespace
}  // namespace roost
