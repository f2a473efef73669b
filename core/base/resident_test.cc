#include "core/base/resident.h"

#include <cstring>
#include <memory>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(ResidentBytes, GrowByWhatIsTouchedAndFallWhenItIsGivenBack) {
  constexpr size_t kBytes = 64 << 20;
  const uint64_t before = ResidentBytes();
  EXPECT_GT(before, 0u);
  auto touched = std::make_unique<char[]>(kBytes);
  std::memset(touched.get(), 1, kBytes);
  EXPECT_GE(ResidentBytes(), before + kBytes / 10 * 9);
  EXPECT_EQ(touched[kBytes - 1], 1);
  touched.reset();
  GiveBackFreed();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep it
  EXPECT_LT(ResidentBytes(), before + kBytes / 2);
#endif
}

}  // namespace
}  // namespace roost
