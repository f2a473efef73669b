#include "core/client/news.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace roost {
namespace {

std::vector<Handle> Cells(uint32_t first, size_t count) {
  std::vector<Handle> cells;
  for (size_t i = 0; i < count; ++i) {
    cells.emplace_back(uint8_t{2}, first + static_cast<uint32_t>(i), 1u);
  }
  return cells;
}

TEST(News, KeepsTheOrderOfAnEventAndTellsItsEnd) {
  News news;
  EXPECT_TRUE(news.empty());
  news.Push({}, 7);
  EXPECT_TRUE(news.empty());
  news.Push(Cells(0, 3), 7);
  for (uint32_t i = 0; i < 3; ++i) {
    const News::Next next = news.Take();
    EXPECT_EQ(next.cell.index(), i);
    EXPECT_EQ(next.ends_event, i == 2);
    EXPECT_EQ(next.ends_row, i == 2);
    EXPECT_EQ(next.heard_ns, 7u);
  }
  EXPECT_TRUE(news.empty());
}

TEST(News, ThoseWhoComeLaterWaitForARowOfACrowdAndNotForAll) {
  News news;
  const size_t crowd = 3 * News::kInARow;
  news.Push(Cells(0, crowd), 7);
  news.Push(Cells(1000, 2), 7);
  uint32_t of_crowd = 0;
  std::vector<size_t> others_at;
  for (size_t taken = 0; !news.empty(); ++taken) {
    const News::Next next = news.Take();
    if (next.cell.index() >= 1000) {
      EXPECT_EQ(next.cell.index(), 1000 + others_at.size());
      others_at.push_back(taken);
      EXPECT_EQ(next.ends_event, others_at.size() == 2);
      continue;
    }
    EXPECT_EQ(next.cell.index(), of_crowd++);
    EXPECT_EQ(next.ends_row, of_crowd % News::kInARow == 0);
    EXPECT_EQ(next.ends_event, of_crowd == crowd);
  }
  EXPECT_EQ(of_crowd, crowd);
  EXPECT_EQ(others_at, (std::vector<size_t>{News::kInARow, News::kInARow + 1}));
}

TEST(News, CrowdsTakeTurns) {
  News news;
  news.Push(Cells(0, 2 * News::kInARow), 7);
  news.Push(Cells(1000, 2 * News::kInARow), 7);
  std::vector<bool> first;
  while (!news.empty()) {
    const News::Next next = news.Take();
    if (next.ends_row) first.push_back(next.cell.index() < 1000);
  }
  EXPECT_EQ(first, (std::vector<bool>{true, false, true, false}));
}

}  // namespace
}  // namespace roost
