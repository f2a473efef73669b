#include "core/base/cleanse.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(CleanseSpare, LeavesNothingBehindTheEnd) {
  std::string text(100, 'x');
  text.erase(0, 90);
  CleanseSpare(&text);
  EXPECT_EQ(text, std::string(10, 'x'));
  const char* const begin = text.data();
  EXPECT_EQ(std::find(begin + text.size(), begin + text.capacity(), 'x'), begin + text.capacity());
}

TEST(AppendSecret, HoldsWhatAPlainStringWould) {
  std::string secret, plain;
  for (size_t size : {0, 1, 14, 1, 1, 100, 0, 1000}) {
    const std::string more(size, static_cast<char>('a' + size % 26));
    AppendSecret(&secret, more);
    plain += more;
    EXPECT_EQ(secret, plain);
  }
}

}  // namespace
}  // namespace roost
