#include "core/admin/process_figures.h"

#include <malloc.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "core/base/resident.h"

// jemalloc's, where the program is linked with it.
extern "C" __attribute__((weak)) int mallctl(const char*, void*, size_t*, void*, size_t);

namespace roost {
namespace {

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double ClockSeconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Of this process, since 1970; 0: the kernel does not say. Its ticks count from the boot.
double StartSeconds() {
  constexpr int kStartTicks = 22;  // of the fields of stat, from 1; the second is "(name)"
  std::ifstream file("/proc/self/stat");
  std::string stat;
  std::getline(file, stat);
  const size_t name_end = stat.rfind(')');
  if (name_end == stat.npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= kStartTicks; ++i) fields >> field;
  const double ticks = std::strtod(field.c_str(), nullptr);
  const double up = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  return ClockSeconds(CLOCK_REALTIME) - ClockSeconds(CLOCK_BOOTTIME) + up;
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
  p.resident_bytes = ResidentBytes();
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
