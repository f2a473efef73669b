#include "tools/load/watch.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <thread>

namespace roost::load {
namespace {

constexpr int kKernelLooks = 9;
constexpr std::chrono::milliseconds kBetweenLooks{30};

std::optional<uint64_t> NumberAt(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  uint64_t number = 0;
  const auto [end, problem] =
      std::from_chars(text.data() + begin, text.data() + text.size(), number);
  if (problem != std::errc()) return std::nullopt;
  return number;
}

// Of lines "Name:   123 kB".
std::optional<uint64_t> BytesOf(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      const std::optional<uint64_t> number = NumberAt(line.substr(name.size() + 1));
      if (!number) return std::nullopt;
      return *number * 1024;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

std::optional<double> Growth(const std::optional<uint64_t>& from, const std::optional<uint64_t>& to,
                             uint64_t connections) {
  if (!from || !to || connections == 0) return std::nullopt;
  return (static_cast<double>(*to) - static_cast<double>(*from)) / static_cast<double>(connections);
}

}  // namespace

std::optional<uint64_t> ParsePss(std::string_view smaps_rollup) {
  return BytesOf(smaps_rollup, "Pss");
}

std::optional<uint64_t> ParsePeak(std::string_view status) { return BytesOf(status, "VmHWM"); }

std::string ParseCpuName(std::string_view cpuinfo) {
  size_t at = cpuinfo.find("model name");
  at = cpuinfo.find(": ", at);
  if (at == std::string_view::npos) return {};
  return std::string(cpuinfo.substr(at + 2, cpuinfo.find('\n', at) - at - 2));
}

// "PID (comm) S ppid ...": comm may hold anything, the fields count from its last parenthesis.
// utime and stime are the 14th and 15th field.
std::optional<ProcessUse> ParseCpu(std::string_view stat, long ticks_per_second) {
  const size_t end = stat.rfind(')');
  if (end == std::string_view::npos || ticks_per_second <= 0) return std::nullopt;
  std::string_view rest = stat.substr(end + 1);
  std::optional<uint64_t> times[2];
  for (int field = 3; field <= 15; ++field) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const size_t size = std::min(rest.find(' '), rest.size());
    if (field >= 14) times[field - 14] = NumberAt(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  if (!times[0] || !times[1]) return std::nullopt;
  const auto tick = static_cast<double>(ticks_per_second);
  ProcessUse use;
  use.user_s = static_cast<double>(*times[0]) / tick;
  use.system_s = static_cast<double>(*times[1]) / tick;
  return use;
}

// "TCP: inuse 1 orphan 0 tw 2 alloc 1 mem 17"
std::optional<uint64_t> ParseKernelBytes(std::string_view meminfo, std::string_view sockstat,
                                         long page_bytes) {
  const std::optional<uint64_t> slab = BytesOf(meminfo, "Slab");
  const size_t line = sockstat.find("TCP: ");
  if (!slab || line == std::string_view::npos) return std::nullopt;
  const std::string_view tcp = sockstat.substr(line, sockstat.find('\n', line) - line);
  const size_t place = tcp.find(" mem ");
  if (place == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> pages = NumberAt(tcp.substr(place + 5));
  if (!pages) return std::nullopt;
  return *slab + *pages * static_cast<uint64_t>(page_bytes);
}

std::optional<double> WatchedProcess::PssPerConnection(uint64_t connections) const {
  if (!At(Moment::kBefore) || !At(Moment::kSteady)) return std::nullopt;
  return Growth(At(Moment::kBefore)->pss_bytes, At(Moment::kSteady)->pss_bytes, connections);
}

std::optional<ProcessUse> WatchedProcess::Spent(Moment from, Moment to) const {
  if (!At(from) || !At(to)) return std::nullopt;
  ProcessUse use;
  use.user_s = At(to)->user_s - At(from)->user_s;
  use.system_s = At(to)->system_s - At(from)->system_s;
  return use;
}

std::optional<double> Watched::KernelPerConnection(uint64_t connections) const {
  const auto& before = kernel[static_cast<size_t>(Moment::kBefore)];
  const auto& steady = kernel[static_cast<size_t>(Moment::kSteady)];
  if (!before || !steady) return std::nullopt;
  return Growth(before->bytes, steady->bytes, connections);
}

std::optional<double> Watched::KernelUncertainty(uint64_t connections) const {
  const auto& before = kernel[static_cast<size_t>(Moment::kBefore)];
  const auto& steady = kernel[static_cast<size_t>(Moment::kSteady)];
  if (!before || !steady || connections == 0) return std::nullopt;
  return static_cast<double>(before->spread + steady->spread) / static_cast<double>(connections);
}

std::optional<std::string> Watch::Read(const std::string& file, int* problem) const {
  const int fd = open((root_ + "/" + file).c_str(), O_RDONLY | O_CLOEXEC);
  *problem = fd < 0 ? errno : 0;
  if (fd < 0) return std::nullopt;
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  if (n < 0) *problem = errno;
  close(fd);
  if (n < 0) return std::nullopt;
  return text;
}

bool Watch::Add(int pid, std::string* error) {
  int problem = 0;
  std::optional<std::string> name = Read(std::to_string(pid) + "/comm", &problem);
  if (!name) {
    *error = "cannot watch process " + std::to_string(pid) + ": " +
             (problem == ENOENT ? "there is none" : std::strerror(problem));
    return false;
  }
  while (name->ends_with('\n')) name->pop_back();
  watched_.processes.push_back(
      {.pid = pid, .name = *name, .peak_rss_bytes = {}, .note = {}, .use = {}});
  return true;
}

std::optional<ProcessUse> Watch::Look(WatchedProcess* process) const {
  const std::string directory = std::to_string(process->pid);
  int problem = 0;
  const std::optional<std::string> stat = Read(directory + "/stat", &problem);
  std::optional<ProcessUse> use;
  if (stat) use = ParseCpu(*stat, sysconf(_SC_CLK_TCK));
  if (!use) {
    process->note = "process " + directory + " (" + process->name + ") has ended";
    return std::nullopt;
  }
  const std::optional<std::string> status = Read(directory + "/status", &problem);
  if (status) process->peak_rss_bytes = ParsePeak(*status);
  const std::optional<std::string> memory = Read(directory + "/smaps_rollup", &problem);
  if (memory) use->pss_bytes = ParsePss(*memory);
  if (!use->pss_bytes && process->note.empty()) {
    process->note = "the memory of process " + directory + " (" + process->name +
                    ") cannot be read: " + std::strerror(problem != 0 ? problem : ENODATA);
    if (problem == EACCES || problem == EPERM) {
      process->note +=
          "; roost-load must run as the same user or root, and roostd with \"dumpable: true\"";
    }
  }
  return use;
}

std::optional<KernelUse> Watch::LookAtKernel() const {
  std::vector<uint64_t> looks;
  for (int i = 0; i < kKernelLooks; ++i) {
    if (i > 0) std::this_thread::sleep_for(kBetweenLooks);
    int problem = 0;
    const std::optional<std::string> meminfo = Read("meminfo", &problem);
    const std::optional<std::string> sockstat = Read("net/sockstat", &problem);
    if (!meminfo || !sockstat) return std::nullopt;
    const auto bytes = ParseKernelBytes(*meminfo, *sockstat, sysconf(_SC_PAGESIZE));
    if (!bytes) return std::nullopt;
    looks.push_back(*bytes);
  }
  std::sort(looks.begin(), looks.end());
  return KernelUse{.bytes = looks[looks.size() / 2], .spread = looks.back() - looks.front()};
}

void Watch::LookAtHost() {
  int problem = 0;
  utsname name{};
  if (uname(&name) == 0) watched_.host.kernel = name.release;
  watched_.host.cpu = ParseCpuName(Read("cpuinfo", &problem).value_or(""));
  watched_.host.cores = sysconf(_SC_NPROCESSORS_ONLN);
  const std::string load = Read("loadavg", &problem).value_or("");
  std::from_chars(load.data(), load.data() + load.size(), watched_.host.load);
}

void Watch::Take(Moment moment) {
  for (WatchedProcess& process : watched_.processes) {
    process.use[static_cast<size_t>(moment)] = Look(&process);
  }
  watched_.kernel[static_cast<size_t>(moment)] = LookAtKernel();
}

}  // namespace roost::load
