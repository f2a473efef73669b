#include "core/base/slab.h"

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/list.h"
#include "core/base/rng.h"

namespace roost {
namespace {

// A cell of pinned size with a place for its generation, like a client's.
struct Pinned {
  uint32_t generation;
  uint32_t number = 0;
  unsigned char rest[248] = {};
};
static_assert(sizeof(Pinned) == 256 && HasGeneration<Pinned> && !HasGeneration<std::string>);

TEST(HandleTest, KeepsItsParts) {
  const Handle handle(200, 0xabcdef, 0xfedcba98);
  EXPECT_EQ(handle.kind(), 200);
  EXPECT_EQ(handle.index(), 0xabcdefu);
  EXPECT_EQ(handle.generation(), 0xfedcba98u);
  EXPECT_EQ(Handle::FromBits(handle.bits()), handle);
  EXPECT_TRUE(handle);
  EXPECT_FALSE(Handle());
}

TEST(SlabTest, AStaleGenerationFindsNothing) {
  Slab<std::string> slab;
  const auto first = slab.New("first");
  ASSERT_TRUE(first);
  EXPECT_EQ(*slab.Find(first.index, first.generation), "first");
  EXPECT_EQ(slab.Find(Handle(1, first.index, first.generation)), first.cell);
  slab.Free(first.index);
  EXPECT_EQ(slab.Find(first.index, first.generation), nullptr);
  const auto second = slab.New("second");
  EXPECT_EQ(second.index, first.index);
  EXPECT_EQ(slab.Find(first.index, first.generation), nullptr);
  EXPECT_EQ(*slab.Find(second.index, second.generation), "second");
  EXPECT_EQ(slab.Find(second.index, 0), nullptr);
  EXPECT_EQ(slab.Find(99'999, 1), nullptr);
}

TEST(SlabTest, TheLowestFreeIndexIsUsedFirst) {
  Slab<Pinned> slab;
  for (uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(slab.New().index, i);
  slab.Free(700);
  slab.Free(3);
  slab.Free(300);
  EXPECT_EQ(slab.New().index, 3u);
  EXPECT_EQ(slab.New().index, 300u);
  EXPECT_EQ(slab.New().index, 700u);
  EXPECT_EQ(slab.New().index, 1000u);
}

TEST(SlabTest, A256ByteCellFillsItsPieceWithNothingLeftOver) {
  Slab<Pinned> slab;
  for (uint32_t i = 0; i < 256; ++i) ASSERT_TRUE(slab.New());
  EXPECT_EQ(slab.stats().mapped_bytes, Slab<Pinned>::kPieceBytes);
  ASSERT_TRUE(slab.New());
  EXPECT_EQ(slab.stats().mapped_bytes, 2 * Slab<Pinned>::kPieceBytes);
}

TEST(SlabTest, EmptyPiecesAreGivenBackButOne) {
  Slab<Pinned> slab;
  for (uint32_t i = 0; i < 256 * 8; ++i) ASSERT_TRUE(slab.New());
  const auto stale = slab.New();
  EXPECT_EQ(slab.stats().mapped_bytes, 9 * Slab<Pinned>::kPieceBytes);
  for (uint32_t i = 0; i <= 256 * 8; ++i) slab.Free(i);
  EXPECT_EQ(slab.size(), 0u);
  EXPECT_EQ(slab.stats().mapped_bytes, Slab<Pinned>::kPieceBytes);
  EXPECT_EQ(slab.stats().peak, 256 * 8 + 1u);
  // The piece of the stale cell comes back with fresh memory; the old name still finds nothing.
  for (uint32_t i = 0; i <= 256 * 8; ++i) ASSERT_EQ(slab.New().index, i);
  EXPECT_EQ(slab.Find(stale.index, stale.generation), nullptr);
}

TEST(SlabTest, FailsAtItsLimitAndWorksAgainBelowIt) {
  Slab<Pinned> slab(3);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(slab.New());
  EXPECT_TRUE(slab.full());
  EXPECT_FALSE(slab.New());
  slab.Free(1);
  EXPECT_EQ(slab.New().index, 1u);
}

#ifndef ROOST_SLAB_POISONS
TEST(SlabTest, AFreedCellIsOverwritten) {
  Slab<Pinned> slab;
  const auto keep = slab.New();
  const auto ref = slab.New();
  ASSERT_TRUE(keep);
  std::memset(ref->rest, 0x5a, sizeof(ref->rest));
  const auto* bytes = reinterpret_cast<const volatile unsigned char*>(ref.cell);
  slab.Free(ref.index);
  for (size_t i = 0; i < sizeof(Pinned); ++i) ASSERT_EQ(bytes[i], 0);
}
#endif

TEST(SlabTest, ObjectsAreDestroyedWhenFreedAndWithTheSlab) {
  auto held = std::make_shared<int>(1);
  {
    Slab<std::shared_ptr<int>> slab;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(slab.New(held));
    EXPECT_EQ(held.use_count(), 11);
    slab.Free(4);
    EXPECT_EQ(held.use_count(), 10);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(SlabTest, BehavesLikeAMapUnderRandomUse) {
  Slab<Pinned> slab(5000);
  std::map<uint32_t, std::pair<uint32_t, uint32_t>> model;  // index -> generation, number
  Rng rng(3);
  for (uint32_t step = 0; step < 50'000; ++step) {
    const bool grow = rng.Chance(step / 10'000 % 2 == 0 ? 0.7 : 0.3);
    if (grow) {
      const auto ref = slab.New();
      ASSERT_EQ(static_cast<bool>(ref), model.size() < 5000);
      if (!ref) continue;
      ref->number = step;
      ASSERT_TRUE(model.emplace(ref.index, std::pair(ref.generation, step)).second);
    } else if (!model.empty()) {
      auto it = model.lower_bound(static_cast<uint32_t>(rng.Below(5000)));
      if (it == model.end()) it = model.begin();
      slab.Free(it->first);
      model.erase(it);
    }
  }
  ASSERT_EQ(slab.size(), model.size());
  auto it = model.begin();
  slab.ForEach([&](uint32_t index, Pinned& cell) {
    ASSERT_NE(it, model.end());
    ASSERT_EQ(index, it->first);
    ASSERT_EQ(cell.generation, it->second.first);
    ASSERT_EQ(cell.number, it->second.second);
    ++it;
  });
  EXPECT_EQ(it, model.end());
}

TEST(SlabTest, VisitorsMayFreeWhatTheyVisit) {
  Slab<Pinned> slab;
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(slab.New());
  slab.ForEach([&](uint32_t index, Pinned&) {
    if (index % 2 == 0) slab.Free(index);
  });
  EXPECT_EQ(slab.size(), 300u);
  EXPECT_EQ(slab.NextLive(0), 1u);
  EXPECT_EQ(slab.NextLive(2), 3u);
  EXPECT_EQ(slab.NextLive(600), kNoIndex);
}

TEST(IndexListTest, KeepsOrderUnderRandomUse) {
  std::vector<ListLinks> cells(50);
  const auto links = [&](uint32_t i) -> ListLinks& { return cells[i]; };
  IndexList list;
  std::vector<uint32_t> model;
  Rng rng(5);
  for (int step = 0; step < 20'000; ++step) {
    const auto index = static_cast<uint32_t>(rng.Below(cells.size()));
    if (cells[index].linked()) {
      list.Remove(links, index);
      std::erase(model, index);
    } else {
      list.PushBack(links, index);
      model.push_back(index);
    }
    std::vector<uint32_t> seen;
    list.ForEach(links, [&](uint32_t i) { seen.push_back(i); });
    ASSERT_EQ(seen, model);
    ASSERT_EQ(list.empty(), model.empty());
    ASSERT_EQ(list.front(), model.empty() ? kNoIndex : model.front());
    ASSERT_EQ(list.back(), model.empty() ? kNoIndex : model.back());
  }
}

}  // namespace
}  // namespace roost
