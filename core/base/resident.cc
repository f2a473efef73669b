#include "core/base/resident.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>

// jemalloc's, where the program is linked with it.
extern "C" __attribute__((weak)) int mallctl(const char*, void*, size_t*, void*, size_t);

namespace roost {
namespace {

// Kept open: it is asked for when there may be no descriptor left. -1: there was none so far.
int Statm() {
  static std::atomic<int> kept{-1};
  int none = kept.load();
  if (none >= 0) return none;
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || kept.compare_exchange_strong(none, fd)) return fd;
  close(fd);
  return none;  // another thread's by now
}

}  // namespace

uint64_t ResidentBytes() {
  char text[256];  // numbers of pages: all, resident, ...
  const ssize_t size = pread(Statm(), text, sizeof text, 0);
  if (size <= 0) return 0;
  const char* const end = text + size;
  const char* const blank = std::find<const char*>(text, end, ' ');
  uint64_t pages = 0;
  if (blank == end || std::from_chars(blank + 1, end, pages).ec != std::errc()) return 0;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void GiveBackFreed() {
  if (mallctl == nullptr) {
    malloc_trim(0);
    return;
  }
  static constexpr char kAllArenas[] = "arena.4096.purge";  // MALLCTL_ARENAS_ALL
  mallctl(kAllArenas, nullptr, nullptr, nullptr, 0);
}

void GiveBackKept() {
  if (mallctl != nullptr) mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
}

}  // namespace roost
