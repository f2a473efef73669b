// Text of protocols: letters are those of ASCII, numbers are decimal. No locale.
#ifndef ROOST_PROTO_ASCII_H_
#define ROOST_PROTO_ASCII_H_

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace roost {

constexpr char ToLowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char ToUpperAscii(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

inline std::string ToLowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ToLowerAscii(c);
  return lower;
}

inline std::string ToUpperAscii(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = ToUpperAscii(c);
  return upper;
}

inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToLowerAscii(x) == ToLowerAscii(y); });
}

// Digits alone, up to `most`. False: *number means nothing.
inline bool ParseDecimal(std::string_view text, uint64_t most, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && *number <= most;
}

}  // namespace roost

#endif  // ROOST_PROTO_ASCII_H_
