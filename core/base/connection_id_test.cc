#include "core/base/connection_id.h"

#include <set>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(ConnectionId, IsShownInThirteenCharactersThatTellAllBits) {
  EXPECT_EQ(ConnectionId{}.Text(), "");
  EXPECT_EQ(ConnectionId{1}.Text(), "aaaaaaaaaaaab");
  EXPECT_EQ(ConnectionId{UINT64_MAX}.Text(), "p777777777777");
  std::set<std::string> texts;
  for (int bit = 0; bit < 64; ++bit) texts.insert(ConnectionId{uint64_t{1} << bit}.Text());
  EXPECT_EQ(texts.size(), 64u);
}

TEST(ConnectionId, IsNeverGivenTwiceByShardsOfOneProcess) {
  constexpr uint32_t kShards = 3;
  std::set<uint64_t> given;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    ConnectionIds ids(UINT64_MAX - 100, shard, kShards);  // past 0, which is no id
    for (int i = 0; i < 10'000; ++i) {
      const ConnectionId id = ids.Next();
      EXPECT_TRUE(id);
      EXPECT_TRUE(given.insert(id.bits).second);
    }
  }
}

TEST(ConnectionId, DiffersBetweenProcesses) {
  ConnectionIds a(1'000'000'007, 0, 1), b(998'244'353, 0, 1);
  std::set<uint64_t> given;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(given.insert(a.Next().bits).second);
    EXPECT_TRUE(given.insert(b.Next().bits).second);
  }
}

}  // namespace
}  // namespace roost
