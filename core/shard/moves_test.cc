#include "core/shard/moves.h"

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

std::unique_ptr<MovingClient> Tagged(std::string tag) {
  auto client = std::make_unique<MovingClient>();
  client->tag = std::move(tag);
  return client;
}

TEST(Moves, GiveBackWhatWasPutUnderTheToken) {
  Moves moves;
  const uint64_t a = moves.Put(Tagged("a"));
  const uint64_t b = moves.Put(Tagged("b"));
  EXPECT_NE(a, b);
  std::unique_ptr<MovingClient> second = moves.Take(b);
  std::unique_ptr<MovingClient> first = moves.Take(a);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(first->tag, "a");
  EXPECT_EQ(second->tag, "b");
}

TEST(Moves, GiveAClientOnceOnly) {
  Moves moves;
  const uint64_t token = moves.Put(Tagged("a"));
  EXPECT_NE(moves.Take(token), nullptr);
  EXPECT_EQ(moves.Take(token), nullptr);
  moves.Put(Tagged("b"));  // takes nobody's place
  EXPECT_EQ(moves.Take(token), nullptr);
}

TEST(Moves, GiveNothingForATokenNobodyHas) {
  Moves moves;
  EXPECT_EQ(moves.Take(0), nullptr);
  EXPECT_EQ(moves.Take(1), nullptr);
  const uint64_t token = moves.Put(Tagged("a"));
  EXPECT_EQ(moves.Take(token + 1), nullptr);
  EXPECT_NE(moves.Take(token), nullptr);
}

TEST(Moves, MayBePutByManyThreadsAtOnce) {
  constexpr int kEach = 1000;
  Moves moves;
  std::vector<uint64_t> tokens[2];
  std::vector<std::thread> threads;
  for (auto& mine : tokens) {
    threads.emplace_back([&moves, &mine] {
      for (int i = 0; i < kEach; ++i) mine.push_back(moves.Put(Tagged(std::to_string(i))));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const auto& mine : tokens) {
    for (int i = 0; i < kEach; ++i) {
      const uint64_t token = mine[static_cast<size_t>(i)];
      EXPECT_TRUE(all.insert(token).second);
      const std::unique_ptr<MovingClient> client = moves.Take(token);
      ASSERT_NE(client, nullptr);
      EXPECT_EQ(client->tag, std::to_string(i));
    }
  }
}

}  // namespace
}  // namespace roost
