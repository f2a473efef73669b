#include "core/admin/process_figures.h"

#include <malloc.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>

// jemalloc's, where the program is linked with it.
extern "C" __attribute__((weak)) int mallctl(const char*, void*, size_t*, void*, size_t);

namespace roost {
namespace {

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double StartSeconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

uint64_t ReadStatistic(const char* name) {
  size_t value = 0;
  size_t size = sizeof value;
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

}  // namespace

ProcessFigures ReadProcessFigures() {
  static const double start = StartSeconds();
  ProcessFigures p;
  p.start_seconds = start;
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    p.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  }
  uint64_t pages = 0, resident_pages = 0;
  if (std::ifstream("/proc/self/statm") >> pages >> resident_pages) {
    p.resident_bytes = resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  if (mallctl != nullptr) {
    uint64_t epoch = 1;  // statistics are of the last time that this was set
    mallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch);
    p.heap_allocated_bytes = ReadStatistic("stats.allocated");
    p.heap_resident_bytes = ReadStatistic("stats.resident");
  } else {
    const struct mallinfo2 info = mallinfo2();
    p.heap_allocated_bytes = info.uordblks + info.hblkhd;
    p.heap_resident_bytes = info.arena + info.hblkhd;
  }
  return p;
}

}  // namespace roost
