#include "core/base/credits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/rng.h"

namespace roost {
namespace {

// Shards that use as many as a test says, and have a round when their bell was rung.
class Sharing {
 public:
  Sharing(uint32_t shards, uint64_t most) : most(most), used(shards), wanted(shards) {
    for (uint32_t i = 0; i < shards; ++i) {
      shares.push_back(std::make_unique<CreditShare>(
          credits, i, [this](uint32_t shard) { bells.push_back(shard); }));
    }
  }

  // Each that it wants begins, as far as it may.
  void Round(uint32_t shard) {
    CreditShare& share = *shares[shard];
    share.BeginRound(used[shard], most);
    while (wanted[shard] > 0 && share.Reserve(used[shard] + 1, most)) {
      ++used[shard];
      --wanted[shard];
    }
    share.EndRound(used[shard], most);
  }
  void Want(uint32_t shard, uint64_t more) {
    wanted[shard] += more;
    Round(shard);
  }
  void Finish(uint32_t shard, uint64_t count) {
    used[shard] -= count;
    Round(shard);
  }
  // All bells, until none was rung.
  void Answer() {
    while (!bells.empty()) {
      const uint32_t shard = bells.front();
      bells.erase(bells.begin());
      if (shares[shard] != nullptr) Round(shard);
    }
  }

  uint64_t most;
  Credits credits;
  std::vector<uint64_t> used, wanted;
  std::vector<uint32_t> bells;
  std::vector<std::unique_ptr<CreditShare>> shares;
};

using Each = std::vector<uint64_t>;

TEST(CreditsTest, AreNoMoreThanTheBound) {
  Credits credits;
  EXPECT_TRUE(credits.Take(2));
  EXPECT_TRUE(credits.Take(2));
  EXPECT_FALSE(credits.Take(2));
  EXPECT_TRUE(credits.Take(3));
  credits.GiveBack();
  credits.GiveBack();
  EXPECT_EQ(credits.taken(), 1u);
  EXPECT_TRUE(credits.Take(2));
}

TEST(CreditsTest, AreGivenBackByWhoeverHoldsOne) {
  Credits credits;
  {
    Credit one = Credit::Take(credits, 1);
    EXPECT_TRUE(one);
    EXPECT_FALSE(Credit::Take(credits, 1));
    Credit moved = std::move(one);
    EXPECT_EQ(credits.taken(), 1u);
    Credit more = Credit::TakeAnyway(credits);
    EXPECT_EQ(credits.taken(), 2u);
    more = std::move(moved);
    EXPECT_EQ(credits.taken(), 2u);  // swapped: each still has one
  }
  EXPECT_EQ(credits.taken(), 0u);
  Credit kept = Credit::Take(credits, 1);
  EXPECT_EQ(kept.Keep(), &credits);
  EXPECT_FALSE(kept);
  EXPECT_EQ(credits.taken(), 1u);
}

TEST(CreditShareTest, LetsOneShardHaveWhatOthersDoNotUse) {
  Sharing sharing(4, 16);
  sharing.Want(2, 20);
  EXPECT_EQ(sharing.used, Each({0, 0, 16, 0}));
}

TEST(CreditShareTest, GoesToThoseWhoWaitInTurn) {
  Sharing sharing(4, 6);
  sharing.Want(0, 20);
  for (uint32_t shard : {1, 2, 3}) sharing.Want(shard, 5);
  EXPECT_EQ(sharing.used, Each({6, 0, 0, 0}));
  for (int i = 0; i < 3; ++i) {
    sharing.Finish(0, 1);
    sharing.Answer();
  }
  // Whoever gave it waits as well, and its turn was the first.
  EXPECT_EQ(sharing.used[0] + sharing.used[1] + sharing.used[2] + sharing.used[3], 6u);
  EXPECT_EQ(sharing.used, Each({4, 1, 1, 0}));
  for (int i = 0; i < 6; ++i) {
    const auto most = std::max_element(sharing.used.begin(), sharing.used.end());
    sharing.Finish(static_cast<uint32_t>(most - sharing.used.begin()), 1);
    sharing.Answer();
  }
  EXPECT_GE(*std::min_element(sharing.used.begin(), sharing.used.end()), 1u);
}

TEST(CreditShareTest, PassesOnWhatItWasGivenAndDoesNotNeedAnyMore) {
  Sharing sharing(3, 1);
  sharing.Want(0, 1);
  sharing.Want(1, 1);
  sharing.Want(2, 1);
  sharing.Finish(0, 1);
  ASSERT_EQ(sharing.bells.size(), 1u);
  const uint32_t given = sharing.bells[0];
  sharing.wanted[given] = 0;  // it has left meanwhile
  sharing.Answer();
  EXPECT_EQ(sharing.used[given], 0u);
  EXPECT_EQ(sharing.used[3 - given], 1u);
}

TEST(CreditShareTest, GivesAllBackWhenItGoes) {
  Sharing sharing(3, 4);
  sharing.Want(0, 4);
  sharing.Want(1, 2);
  sharing.Want(2, 2);
  sharing.shares[0].reset();
  sharing.shares[1].reset();  // with one that it was just given
  sharing.Answer();
  EXPECT_EQ(sharing.used[2], 2u);
  EXPECT_EQ(sharing.credits.taken(), 2u);
  sharing.shares[2].reset();
  EXPECT_EQ(sharing.credits.taken(), 0u);
}

TEST(CreditShareTest, TakesWhatBeganUnaskedIntoAccount) {
  Sharing sharing(2, 3);
  sharing.used[0] = 4;
  sharing.Round(0);
  EXPECT_EQ(sharing.credits.taken(), 4u);
  sharing.Want(1, 1);
  EXPECT_EQ(sharing.used[1], 0u);
  sharing.Finish(0, 1);
  sharing.Answer();
  EXPECT_EQ(sharing.used[1], 0u);  // three are in use
  sharing.Finish(0, 1);
  sharing.Answer();
  EXPECT_EQ(sharing.used[1], 1u);
  EXPECT_EQ(sharing.credits.taken(), 3u);
}

TEST(CreditShareTest, FollowsABoundThatChanges) {
  Sharing sharing(2, 4);
  sharing.Want(0, 4);
  sharing.Want(1, 2);
  sharing.most = 2;
  sharing.Finish(0, 1);
  sharing.Finish(0, 1);
  sharing.Answer();
  EXPECT_EQ(sharing.used, Each({2, 0}));
  sharing.Finish(0, 1);
  sharing.Answer();
  EXPECT_EQ(sharing.used, Each({1, 1}));
  sharing.most = 5;
  sharing.Round(1);
  EXPECT_EQ(sharing.used, Each({1, 2}));
}

TEST(CreditShareTest, TriesWithoutWaitingOnlyWhileNobodyWaits) {
  Sharing sharing(2, 2);
  CreditShare& share = *sharing.shares[0];
  EXPECT_TRUE(share.TryReserve(1, 2));
  sharing.used[0] = 1;
  sharing.Want(1, 2);  // and waits for the second
  EXPECT_EQ(sharing.used[1], 1u);
  EXPECT_FALSE(share.TryReserve(2, 9));
  EXPECT_TRUE(share.MayHaveMore(1, 9));
  EXPECT_FALSE(share.MayHaveMore(1, 2));
  sharing.Finish(0, 1);
  sharing.Answer();
  EXPECT_EQ(sharing.used[1], 2u);
}

// Each shard on a thread of its own, with more to do than there are credits for. A bell that is not
// rung would leave one asleep for good, a credit that is lost the bound smaller.
TEST(CreditShareTest, ServesThreadsWithoutLosingAnyAndNeverMoreThanTheBound) {
  constexpr uint32_t kShards = 8;
  constexpr uint64_t kMost = 3, kTasks = 50'000;
  Credits credits;
  std::atomic<uint64_t> in_use{0}, highest{0};
  std::array<std::atomic<uint32_t>, kShards> bells{};
  std::latch all_there(kShards);
  const auto run = [&](uint32_t shard) {
    all_there.arrive_and_wait();
    Rng rng(shard);
    CreditShare share(credits, shard, [&](uint32_t other) {
      ++bells[other];
      bells[other].notify_one();
    });
    uint64_t used = 0;
    for (uint64_t left = kTasks; left > 0 || used > 0;) {
      const uint32_t heard = bells[shard];
      const uint64_t ending = used == 0 ? 0 : rng.Between(left == 0 ? 1 : 0, used);
      used -= ending;
      in_use -= ending;
      share.BeginRound(used, kMost);
      bool waits = false;
      const uint64_t wanted = std::min(left, rng.Below(3));
      for (uint64_t i = 0; i < wanted && !waits; ++i) {
        waits = !share.Reserve(used + 1, kMost);
        if (waits) break;
        ++used;
        --left;
        const uint64_t now = ++in_use;
        for (uint64_t was = highest; was < now && !highest.compare_exchange_weak(was, now);) {
        }
      }
      share.EndRound(used, kMost);
      if (waits && used == 0) bells[shard].wait(heard);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kShards; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(in_use, 0u);
  EXPECT_EQ(credits.taken(), 0u);
  EXPECT_LE(highest, kMost);
  EXPECT_GE(highest, 2u);
}

}  // namespace
}  // namespace roost
