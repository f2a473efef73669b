#include "tools/store/mail_date.h"

#include <array>
#include <chrono>
#include <cstdio>

#include "proto/imap/tokens.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
constexpr int64_t kDaySeconds = 86400;

struct Civil {
  int year;
  unsigned month, day, hour, minute, second, weekday;
};

Civil ToCivil(int64_t seconds) {
  const std::chrono::sys_days day{std::chrono::days{DayOfTime(seconds)}};
  const std::chrono::year_month_day date{day};
  const auto rest = static_cast<unsigned>(seconds - DayOfTime(seconds) * kDaySeconds);
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .hour = rest / 3600,
          .minute = rest / 60 % 60,
          .second = rest % 60,
          .weekday = std::chrono::weekday{day}.c_encoding()};
}

}  // namespace

std::optional<unsigned> MonthNumber(std::string_view name) {
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (EqualsIgnoreCase(kMonths[i], name)) return i + 1;
  }
  return std::nullopt;
}

std::optional<int64_t> DayNumber(int year, unsigned month, unsigned day) {
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count();
}

int64_t DayOfTime(int64_t seconds) {
  const int64_t day = seconds / kDaySeconds;
  return seconds % kDaySeconds < 0 ? day - 1 : day;
}

std::string FormatDateTime(int64_t seconds) {
  const Civil c = ToCivil(seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%2u-%s-%04d %02u:%02u:%02u +0000", c.day,
                kMonths[c.month - 1].data(), c.year, c.hour, c.minute, c.second);
  return text;
}

std::string FormatHeaderDate(int64_t seconds) {
  const Civil c = ToCivil(seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %u %s %04d %02u:%02u:%02u +0000",
                kWeekdays[c.weekday].data(), c.day, kMonths[c.month - 1].data(), c.year, c.hour,
                c.minute, c.second);
  return text;
}

std::optional<int64_t> ParseDate(std::string_view text) {
  const size_t first = text.find('-');
  const size_t second = first == std::string_view::npos ? first : text.find('-', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  std::string_view day_text = text.substr(0, first);
  if (day_text.starts_with(' ')) day_text.remove_prefix(1);
  const std::optional<uint64_t> day = ParseDigits(day_text, 31);
  const std::optional<unsigned> month = MonthNumber(text.substr(first + 1, second - first - 1));
  const std::optional<uint64_t> year = ParseDigits(text.substr(second + 1), 9999);
  if (!day || !month || !year) return std::nullopt;
  return DayNumber(static_cast<int>(*year), *month, static_cast<unsigned>(*day));
}

std::optional<int64_t> ParseDateTime(std::string_view text) {
  // dd-Mon-yyyy SP hh:mm:ss SP +zzzz
  constexpr size_t kLength = 26;
  if (text.size() != kLength || text[11] != ' ' || text[14] != ':' || text[17] != ':' ||
      text[20] != ' ' || (text[21] != '+' && text[21] != '-')) {
    return std::nullopt;
  }
  const std::optional<int64_t> day = ParseDate(text.substr(0, 11));
  const std::optional<uint64_t> hour = ParseDigits(text.substr(12, 2), 23);
  const std::optional<uint64_t> minute = ParseDigits(text.substr(15, 2), 59);
  const std::optional<uint64_t> second = ParseDigits(text.substr(18, 2), 60);
  const std::optional<uint64_t> zone = ParseDigits(text.substr(22), 9999);
  if (!day || !hour || !minute || !second || !zone) return std::nullopt;
  const auto offset = static_cast<int64_t>(*zone / 100 * 3600 + *zone % 100 * 60);
  const auto local =
      *day * kDaySeconds + static_cast<int64_t>(*hour * 3600 + *minute * 60 + *second);
  return text[21] == '+' ? local - offset : local + offset;
}

}  // namespace roost::embedded
