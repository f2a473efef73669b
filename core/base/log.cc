#include "core/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>

#include "core/base/json.h"
#include "core/base/log_limit.h"

namespace roost {
namespace {

constexpr const char* kNames[] = {"error", "warning", "info", "debug"};

std::atomic<LogLevel> enabled_level{LogLevel::kError};
LogFormat format = LogFormat::kText;
std::mutex mutex;
int descriptor = STDERR_FILENO;
bool torn = false;  // the last line lacks its end
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

struct Moment {
  int64_t second = 0;
  std::string text;
};

Moment Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char stamp[40];
  const size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(stamp + length, sizeof stamp - length, ".%03ldZ", now.tv_nsec / 1'000'000);
  return {now.tv_sec, stamp};
}

// False: whoever reads it is behind. A pipe that can be written to takes a page, the journal's
// socket much more.
bool IsWritable() {
  pollfd log{descriptor, POLLOUT, 0};
  return poll(&log, 1, 0) != 0;
}

// False: it was left out, or what of it there is no room for. A full disk or a closed pipe costs
// the line, one that nobody reads as well: nobody is ever held up by it.
bool WriteLine(std::string line) {
  line += '\n';
  if (torn) line.insert(0, 1, '\n');
  for (size_t at = 0; at < line.size(); at += kPageBytes) {
    if (!IsWritable()) {
      torn = torn || at != 0;
      return false;
    }
    const size_t size = std::min(kPageBytes, line.size() - at);
    [[maybe_unused]] const ssize_t n = write(descriptor, line.data() + at, size);
    torn = false;
  }
  return true;
}

void SayLeftOut(const Moment& now) {
  if (!IsWritable()) return;
  for (const LogLimit::LeftOut& left_out : limit.Take(now.second)) {
    WriteLine(FormatLogLine(format, now.text, LogLevel::kWarning, "log_flood",
                            {{"of", left_out.event}, {"left_out", left_out.lines}}));
  }
}

}  // namespace

bool OpenLog(const LogOptions& options, std::string* error) {
  int fd = STDERR_FILENO;
  if (!options.file.empty()) {
    fd = open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  }
  if (fd < 0) {
    *error = "log.file: cannot open " + options.file + ": " + std::strerror(errno);
    return false;
  }
  static_cast<void>(fcntl(fd, F_SETPIPE_SZ, kPipeBytes));  // where it is one
  descriptor = fd;
  format = options.format;
  enabled_level = options.level;
  return true;
}

void SetLogLevel(LogLevel level) { enabled_level = level; }

bool LogEnabled(LogLevel level) { return level <= enabled_level.load(std::memory_order_relaxed); }

LogFormat CurrentLogFormat() { return format; }

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
  o.Text("time", Now().text);
  o.Text("event", event);
  if (session) o.Text("session", session.Text());
  AppendFields(fields, &o);
  o.End();
  return line;
}

void Log(LogLevel level, std::string_view event, LogFields fields, LogRate rate) {
  if (!LogEnabled(level)) return;
  const Moment now = Now();
  std::lock_guard lock(mutex);
  SayLeftOut(now);
  if (!limit.Admit(event, now.second, static_cast<int>(rate))) return;
  if (!WriteLine(FormatLogLine(format, now.text, level, event, fields))) {
    limit.NotWritten(event, now.second);
  }
}

void TendLog() {
  const Moment now = Now();
  std::lock_guard lock(mutex);
  SayLeftOut(now);
}

}  // namespace roost
