#include "core/base/log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>

namespace roost {
namespace {

constexpr size_t kMaxValue = 400;
constexpr const char* kNames[] = {"error", "warning", "info", "debug"};

std::atomic<LogLevel> enabled_level{LogLevel::kError};
std::mutex mutex;
int descriptor = STDERR_FILENO;
time_t this_second = 0;
int lines_this_second = 0;
uint64_t left_out = 0;

void AppendValue(std::string_view value, std::string* out) {
  bool plain = !value.empty() && value.size() <= kMaxValue;
  for (char c : value) plain = plain && c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
  if (plain) {
    out->append(value);
    return;
  }
  *out += '"';
  for (char c : value.substr(0, kMaxValue)) {
    if (c == '"' || c == '\\') *out += '\\';
    *out += c < ' ' || c == 0x7f ? '?' : c;
  }
  *out += '"';
}

void WriteLine(std::string_view line) {
  // A full disk or a closed pipe costs the line, nothing else.
  [[maybe_unused]] const ssize_t n = write(descriptor, line.data(), line.size());
}

}  // namespace

bool OpenLog(LogLevel level, const std::string& path, std::string* error) {
  enabled_level = level;
  if (path.empty()) return true;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) {
    *error = "log.file: cannot open " + path + ": " + std::strerror(errno);
    return false;
  }
  descriptor = fd;
  return true;
}

void SetLogLevel(LogLevel level) { enabled_level = level; }

bool LogEnabled(LogLevel level) { return level <= enabled_level.load(std::memory_order_relaxed); }

std::string FormatLogFields(std::initializer_list<LogField> fields) {
  std::string out;
  for (const LogField& field : fields) {
    out.append(" ").append(field.name).append("=");
    AppendValue(field.value, &out);
  }
  return out;
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char stamp[40];
  const size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(stamp + length, sizeof stamp - length, ".%03ldZ ", now.tv_nsec / 1'000'000);
  std::string line = stamp;
  line.append(kNames[static_cast<size_t>(level)]).append(" ").append(event);
  line += FormatLogFields(fields);
  line += '\n';
  std::lock_guard lock(mutex);
  if (now.tv_sec != this_second) {
    this_second = now.tv_sec;
    lines_this_second = 0;
    if (left_out != 0) {
      std::string said = stamp;
      said += "warning log_flood left_out=" + std::to_string(left_out) + "\n";
      left_out = 0;
      WriteLine(said);
    }
  }
  if (++lines_this_second > kLogLinesPerSecond) {
    ++left_out;
    return;
  }
  WriteLine(line);
}

}  // namespace roost
