#include "core/base/resident.h"

#include <malloc.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>

// jemalloc's, where the program is linked with it.
extern "C" __attribute__((weak)) int mallctl(const char*, void*, size_t*, void*, size_t);

namespace roost {

uint64_t ResidentBytes() {
  uint64_t pages = 0, resident_pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages >> resident_pages)) return 0;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void GiveBackFreed() {
  if (mallctl == nullptr) {
    malloc_trim(0);
    return;
  }
  static constexpr char kAllArenas[] = "arena.4096.purge";  // MALLCTL_ARENAS_ALL
  mallctl(kAllArenas, nullptr, nullptr, nullptr, 0);
}

}  // namespace roost
