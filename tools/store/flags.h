// Flags and keywords by name.
#ifndef ROOST_TOOLS_STORE_FLAGS_H_
#define ROOST_TOOLS_STORE_FLAGS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "proto/imap/tokens.h"
#include "tools/store/mailbox.h"

namespace roost::embedded {

inline constexpr std::array<std::pair<uint8_t, std::string_view>, 5> kSystemFlags = {{
    {kAnswered, "\\Answered"},
    {kFlagged, "\\Flagged"},
    {kDeleted, "\\Deleted"},
    {kSeen, "\\Seen"},
    {kDraft, "\\Draft"},
}};

// 0 when it is none (\Recent is none: it cannot be stored).
inline uint8_t SystemFlagOf(std::string_view name) {
  for (const auto& [bit, known] : kSystemFlags) {
    if (EqualsIgnoreCase(known, name)) return bit;
  }
  return 0;
}

// "(\Seen $Label)"
inline void FormatFlags(std::string* out, Flags flags, std::span<const std::string> keywords,
                        bool recent) {
  char separator = '(';
  auto add = [&](std::string_view name) {
    out->push_back(separator);
    out->append(name);
    separator = ' ';
  };
  for (const auto& [bit, name] : kSystemFlags) {
    if ((flags.system & bit) != 0) add(name);
  }
  if (recent) add("\\Recent");
  for (size_t i = 0; i < keywords.size(); ++i) {
    if ((flags.keywords >> i & 1) != 0) add(keywords[i]);
  }
  if (separator == '(') out->push_back('(');
  out->push_back(')');
}

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_FLAGS_H_
