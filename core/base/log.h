// The log: one line per event, to standard error or a file, limited under floods.
//
// What it is not: it formats nothing but strings and numbers, and must never be given a secret or
// content of a message. Text that came from outside is made harmless. Any thread; a lock is held
// for one write. At most kLinesPerSecond lines are written in a second; how many were left out is
// said in the next.
#ifndef ROOST_CORE_BASE_LOG_H_
#define ROOST_CORE_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace roost {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

inline constexpr int kLogLinesPerSecond = 200;

struct LogField {
  std::string_view name;
  std::string value;
};

// Before threads start. An empty path: standard error. False with *error set when the file cannot
// be opened.
bool OpenLog(LogLevel level, const std::string& path, std::string* error);
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

// "2026-01-31T12:00:00.123Z warning login_unavailable store=main reason="connection refused""
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// What Log writes for the fields: quoted where needed, control characters replaced, 400 bytes each
// at most.
std::string FormatLogFields(std::initializer_list<LogField> fields);

}  // namespace roost

#endif  // ROOST_CORE_BASE_LOG_H_
