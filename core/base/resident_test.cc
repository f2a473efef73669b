#include "core/base/resident.h"

#include <sys/resource.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#ifdef ROOST_JEMALLOC
extern "C" int mallctl(const char*, void*, size_t*, void*, size_t);
#endif

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

// What it was: 0, and a process that is short of memory, as of descriptors, took it for plenty.
TEST(ResidentBytes, AreToldWhenNoDescriptorIsLeft) {
  EXPECT_GT(ResidentBytes(), 0u);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const uint64_t bytes = ResidentBytes();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(bytes, 0u);
}

#ifdef ROOST_JEMALLOC
// Of all threads.
size_t KeptBytes() {
  uint64_t epoch = 1;
  EXPECT_EQ(mallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch), 0);
  size_t bytes = 0, size = sizeof bytes;
  EXPECT_EQ(mallctl("stats.arenas.4096.tcache_bytes", &bytes, &size, nullptr, 0), 0);
  return bytes;
}

TEST(KeptBlocks, AreGivenBackByTheThreadThatFreedThem) {
  std::thread([] {
    const size_t before = KeptBytes();
    std::vector<std::unique_ptr<char[]>> blocks(1000);
    for (auto& block : blocks) block = std::make_unique<char[]>(1000);
    blocks.clear();
    EXPECT_GT(KeptBytes(), before + 10'000);
    GiveBackKept();
    EXPECT_LE(KeptBytes(), before);
  }).join();
}
#endif

}  // namespace
}  // namespace roost
