// The log: one line per event, as text or JSON, to standard error or a file, limited under floods.
//
// What it is not: it must never be given a secret or content of a message. Text that came from
// outside is made harmless and cut: a line is one line, and nothing in a value can pass for another
// field. Any thread; a lock is held for one write. A pipe or socket that nobody reads holds nobody
// up; a file takes as long as its disk.
//
// Of each event so many lines are written in a second (LogRate); how many were left out is said
// once that second is over: "warning log_flood of=EVENT left_out=N".
#ifndef ROOST_CORE_BASE_LOG_H_
#define ROOST_CORE_BASE_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/connection_id.h"

namespace roost {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };
enum class LogFormat : uint8_t { kText, kJson };

// Lines of one event in a second.
enum class LogRate : int {
  kOrdinary = 50,
  // For what programs read, and whoever may not hide among others.
  kAudit = 2000,
};

// Text is not copied: a field lives as long as the call that it is given to.
struct LogField {
  using Value = std::variant<std::string_view, uint64_t, bool>;

  LogField(std::string_view field, std::string_view text) : name(field), value(text) {}
  LogField(std::string_view field, const std::string& text)
      : name(field), value(std::string_view(text)) {}
  LogField(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
  LogField(std::string_view field, std::unsigned_integral auto number)
      : name(field), value(uint64_t{number}) {}
  LogField(std::string_view field, bool flag) : name(field), value(flag) {}

  std::string_view name;
  Value value;
};
using LogFields = std::initializer_list<LogField>;

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string file;  // empty: standard error
};

// Before threads start. False with *error set when the file cannot be opened.
bool OpenLog(const LogOptions& options, std::string* error);
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);
// The log goes there, as JSON: text has no place among its lines.
bool StandardErrorIsJson();

void Log(LogLevel level, std::string_view event, LogFields fields = {},
         LogRate rate = LogRate::kOrdinary);

// Says what was left out in seconds that are over; to be called now and then, as the next line may
// be long in coming.
void TendLog();

// A line without its end.
//   2026-01-31T12:00:00.123Z warning session_lost store=main reason="connection refused"
//   {"time": "2026-01-31T12:00:00.123Z", "level": "warning", "event": "session_lost", ...}
// Texts are cut after kMaxLogText bytes; control characters are escaped, and in text whatever is
// not plain is quoted, as JSON does.
inline constexpr size_t kMaxLogText = 400;
std::string FormatLogLine(LogFormat as, std::string_view time, LogLevel level,
                          std::string_view event, LogFields fields);

// The same in JSON of this moment, without a level: for whoever follows something (trace.h).
std::string FormatTraceLine(std::string_view event, ConnectionId session, LogFields fields);

}  // namespace roost

#endif  // ROOST_CORE_BASE_LOG_H_
