// Small helpers for the ASCII text of mail, beside those of proto/imap/tokens.h. No locale, no
// UTF-8.
#ifndef ROOST_TOOLS_STORE_TEXT_H_
#define ROOST_TOOLS_STORE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace roost::embedded {

// Ignoring case. An empty part is in everything.
bool ContainsIgnoreCase(std::string_view text, std::string_view part);

// Without blanks and line ends around it.
std::string_view Trim(std::string_view text);

// Decimal digits only, at most `max`.
std::optional<uint64_t> ParseDigits(std::string_view text, uint64_t max = UINT64_MAX);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_TEXT_H_
