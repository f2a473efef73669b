// What processes and the machine use while a load runs, as /proc tells it.
//
// What it is not: no part of the load; it reads files and does arithmetic. Three moments are
// looked at: before the clients come, when all are idle (steady), and at the end.
//
// Memory of a process is its PSS (shared pages divided among those who share them); its growth from
// before to steady, divided by the connections, is what one costs in user space. The kernel does
// not say whose its memory is, so that is taken for the whole machine: its small objects (Slab:
// sockets, inodes, files, requests of io_uring, ...) and the buffers of TCP sockets. Whole pages
// that the kernel uses for other things are left out: beside other programs they move far more than
// sockets weigh, and no connection needs one. The figure holds both ends of every connection; what
// the load's own end costs is known from a bare run (see bare_server.h) and taken off. Whatever
// else goes on in the machine meanwhile is in it too; how much it moves while nothing happens is
// measured beside it and told as the uncertainty.
//
// Lifetime: none outlives another. Thread rule: one thread; Take sleeps a quarter of a second.
#ifndef ROOST_TOOLS_LOAD_WATCH_H_
#define ROOST_TOOLS_LOAD_WATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roost::load {

enum class Moment : uint8_t { kBefore, kSteady, kEnd };
inline constexpr size_t kMoments = 3;

struct ProcessUse {
  std::optional<uint64_t> pss_bytes;
  double user_s = 0, system_s = 0;
};

struct WatchedProcess {
  int pid = 0;
  std::string name;
  std::optional<uint64_t> peak_rss_bytes;  // of its whole life, as of the last look
  std::string note;  // what could not be read, and what to do about it; empty: all could
  std::array<std::optional<ProcessUse>, kMoments> use;  // none: it was gone, or nobody looked

  const std::optional<ProcessUse>& At(Moment moment) const {
    return use[static_cast<size_t>(moment)];
  }
  std::optional<double> PssPerConnection(uint64_t connections) const;
  // User and system time between two moments.
  std::optional<ProcessUse> Spent(Moment from, Moment to) const;
};

struct KernelUse {
  uint64_t bytes = 0;   // the median of some looks
  uint64_t spread = 0;  // the largest of these less the smallest
};

// Without which figures say little.
struct Host {
  std::string kernel, cpu;
  long cores = 0;
  double load = 0;  // average of the minute before
};

struct Watched {
  Host host;
  std::vector<WatchedProcess> processes;
  std::array<std::optional<KernelUse>, kMoments> kernel;

  // Both ends of each connection, and what stands behind it on this machine.
  std::optional<double> KernelPerConnection(uint64_t connections) const;
  std::optional<double> KernelUncertainty(uint64_t connections) const;
};

// ---- pure: texts of /proc ----

// "Pss:  12 kB" of smaps_rollup, in bytes.
std::optional<uint64_t> ParsePss(std::string_view smaps_rollup);
// "VmHWM:  12 kB" of status, in bytes.
std::optional<uint64_t> ParsePeak(std::string_view status);
// The first "model name" of cpuinfo; empty: it has none.
std::string ParseCpuName(std::string_view cpuinfo);
// Of /proc/PID/stat; pss_bytes is not set.
std::optional<ProcessUse> ParseCpu(std::string_view stat, long ticks_per_second);
// Slab of /proc/meminfo and TCP's pages of /proc/net/sockstat.
std::optional<uint64_t> ParseKernelBytes(std::string_view meminfo, std::string_view sockstat,
                                         long page_bytes);

class Watch {
 public:
  // root: of another place than /proc in tests.
  explicit Watch(std::string root = "/proc") : root_(std::move(root)) {}

  // False: there is no such process; *error says so.
  bool Add(int pid, std::string* error);
  void Take(Moment moment);
  void LookAtHost();
  const Watched& watched() const { return watched_; }

 private:
  std::optional<std::string> Read(const std::string& file, int* problem) const;
  std::optional<ProcessUse> Look(WatchedProcess* process) const;
  std::optional<KernelUse> LookAtKernel() const;

  const std::string root_;
  Watched watched_;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_WATCH_H_
