// Dates as IMAP writes them (RFC 3501, section 9: date, date-time). UTC inside; no clock, no
// locale.
#ifndef ROOST_TOOLS_STORE_MAIL_DATE_H_
#define ROOST_TOOLS_STORE_MAIL_DATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roost::embedded {

// "Jan" to "Dec" in any case: 1 to 12.
std::optional<unsigned> MonthNumber(std::string_view name);
// Days since 1970-01-01, nothing when there is no such day.
std::optional<int64_t> DayNumber(int year, unsigned month, unsigned day);

// The day a moment belongs to, as days since 1970.
int64_t DayOfTime(int64_t seconds);

// "17-Jul-1996 02:44:25 +0000", the day padded with a space, as INTERNALDATE wants it.
std::string FormatDateTime(int64_t seconds);
// The same with any zone, as APPEND sends it.
std::optional<int64_t> ParseDateTime(std::string_view text);
// "1-Feb-1994", as SEARCH sends it: days since 1970.
std::optional<int64_t> ParseDate(std::string_view text);
// "Wed, 17 Jul 1996 02:44:25 +0000" for Received and Date fields.
std::string FormatHeaderDate(int64_t seconds);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_MAIL_DATE_H_
