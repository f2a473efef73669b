#include "core/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>
#include <utility>

#include "core/base/json.h"
#include "core/base/log_limit.h"
#include "core/base/reopened_log.h"

namespace roost {
namespace {

constexpr const char* kNames[] = {"error", "warning", "info", "debug"};

std::atomic<LogLevel> enabled_level{LogLevel::kError};
LogFormat format = LogFormat::kText;
std::mutex mutex;
int descriptor = STDERR_FILENO;
std::string file_name;  // empty: standard error
bool torn = false;      // the last line lacks its end
LogLimit limit;
constexpr size_t kPageBytes = 4096;
constexpr int kPipeBytes = 1 << 20;  // some seconds of a storm of logins

std::string_view Cut(std::string_view text) {
  if (text.size() <= kMaxLogText) return text;
  size_t end = kMaxLogText;  // not within a character of UTF-8
  while (end > kMaxLogText - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

bool IsPlain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
  });
}

void AppendText(LogFormat as, std::string_view text, std::string* out) {
  text = Cut(text);
  if (as == LogFormat::kText && IsPlain(text)) {
    out->append(text);
  } else {
    AppendJsonText(text, out);
  }
}

void AppendValue(LogFormat as, const LogField::Value& value, std::string* out) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return AppendText(as, *text, out);
  if (const auto* number = std::get_if<uint64_t>(&value)) {
    out->append(std::to_string(*number));
  } else {
    out->append(std::get<bool>(value) ? "true" : "false");
  }
}

// As JSON.
void AppendFields(LogFields fields, JsonObject* o) {
  for (const LogField& field : fields) {
    AppendValue(LogFormat::kJson, field.value, &o->Key(std::string(field.name).c_str()));
  }
}

timespec Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

std::string TimeText(const timespec& time) {
  tm utc{};
  gmtime_r(&time.tv_sec, &utc);
  char text[40];
  const size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03ldZ", time.tv_nsec / 1'000'000);
  return text;
}

// False: whoever reads it is behind. A pipe that can be written to takes a page, the journal's
// socket much more.
bool IsWritable() {
  pollfd log{descriptor, POLLOUT, 0};
  return poll(&log, 1, 0) != 0;
}

// False: it was left out, or what of it there is no room for. A full disk or a closed pipe costs
// the line; so does a pipe that nobody reads, which therefore holds nobody up.
bool WriteLine(std::string line) {
  line += '\n';
  if (torn) line.insert(0, 1, '\n');
  for (size_t at = 0; at < line.size(); at += kPageBytes) {
    if (!IsWritable()) {
      torn = torn || at != 0;
      return false;
    }
    const size_t size = std::min(kPageBytes, line.size() - at);
    ssize_t written = -1;
    do {
      written = write(descriptor, line.data() + at, size);
    } while (written < 0 && errno == EINTR);
    if (written != static_cast<ssize_t>(size)) {
      torn = torn || at != 0 || written > 0;
      return false;
    }
    torn = false;
  }
  return true;
}

void SayLeftOut(const timespec& now) {
  if (!limit.any_left_out() || !IsWritable()) return;
  for (const LogLimit::LeftOut& left_out : limit.Take(now.tv_sec)) {
    WriteLine(FormatLogLine(format, TimeText(now), LogLevel::kWarning, "log_flood",
                            {{"of", left_out.event}, {"left_out", left_out.lines}}));
  }
}

// Below 0 with *error.
int OpenFile(const std::string& name, std::string* error) {
  const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) *error = "log.file: cannot open " + name + ": " + std::strerror(errno);
  return fd;
}

// What is at the path is not what is written to.
bool WasMovedAway() {
  struct stat written {};
  struct stat there {};
  if (fstat(descriptor, &written) != 0 || !S_ISREG(written.st_mode)) return false;
  if (stat(file_name.c_str(), &there) != 0) return true;
  return there.st_dev != written.st_dev || there.st_ino != written.st_ino;
}

}  // namespace

bool OpenLog(const LogOptions& options, std::string* error) {
  const int fd = options.file.empty() ? STDERR_FILENO : OpenFile(options.file, error);
  if (fd < 0) return false;
  static_cast<void>(fcntl(fd, F_SETPIPE_SZ, kPipeBytes));  // where it is one
  descriptor = fd;
  file_name = options.file;
  format = options.format;
  enabled_level = options.level;
  return true;
}

ReopenedLog::~ReopenedLog() {
  if (fd_ >= 0) close(fd_);
}

bool ReopenedLog::Open(std::string* error) {
  if (file_name.empty() || !WasMovedAway()) return true;
  fd_ = OpenFile(file_name, error);
  return fd_ >= 0;
}

void ReopenedLog::Take() {
  if (fd_ < 0) return;
  // The descriptor keeps its number: whoever compares it needs no lock.
  std::lock_guard lock(mutex);
  while (dup3(fd_, descriptor, O_CLOEXEC) < 0 && errno == EINTR) {
  }
  torn = false;
}

void SetLogLevel(LogLevel level) { enabled_level = level; }

bool LogEnabled(LogLevel level) { return level <= enabled_level.load(std::memory_order_relaxed); }

bool StandardErrorIsJson() { return format == LogFormat::kJson && descriptor == STDERR_FILENO; }

std::string FormatLogLine(LogFormat as, std::string_view time, LogLevel level,
                          std::string_view event, LogFields fields) {
  const char* name = kNames[static_cast<size_t>(level)];
  std::string line;
  if (as == LogFormat::kText) {
    line.append(time).append(" ").append(name).append(" ").append(event);
    for (const LogField& field : fields) {
      line.append(" ").append(field.name).append("=");
      AppendValue(as, field.value, &line);
    }
    return line;
  }
  JsonObject o(&line);
  o.Text("time", time);
  o.Text("level", name);
  o.Text("event", event);
  AppendFields(fields, &o);
  o.End();
  return line;
}

std::string FormatTraceLine(std::string_view event, ConnectionId session, LogFields fields) {
  std::string line;
  JsonObject o(&line);
  o.Text("time", TimeText(Now()));
  o.Text("event", event);
  if (session) o.Text("session", session.Text());
  AppendFields(fields, &o);
  o.End();
  return line;
}

void Log(LogLevel level, std::string_view event, LogFields fields, LogRate rate) {
  if (!LogEnabled(level)) return;
  const timespec now = Now();
  {
    std::lock_guard lock(mutex);
    SayLeftOut(now);
    if (!limit.Admit(event, now.tv_sec, static_cast<int>(rate))) return;
  }
  std::string line = FormatLogLine(format, TimeText(now), level, event, fields);
  std::lock_guard lock(mutex);
  if (!WriteLine(std::move(line))) limit.NotWritten(event, now.tv_sec);
}

void TendLog() {
  std::lock_guard lock(mutex);
  SayLeftOut(Now());
}

}  // namespace roost
