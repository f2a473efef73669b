#include "core/base/json.h"

#include <cstddef>

namespace roost {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Bytes of the UTF-8 character that `text` begins with; 0: it is none (RFC 3629).
size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Too long a form, a surrogate, or beyond the last character.
  const unsigned char second = byte(1);
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : bytes;
}

void AppendEscaped(unsigned char c, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->append("\\u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
}

}  // namespace

void AppendJsonText(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    const char c = text.front();
    if (bytes == 0) {
      *out += kReplacement;
    } else if (c == '"' || c == '\\') {
      out->append(1, '\\').append(1, c);
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      AppendEscaped(static_cast<unsigned char>(c), out);
    } else if (bytes == 2 && c == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0) {
      AppendEscaped(static_cast<unsigned char>(text[1]), out);  // U+0080 to U+009F
    } else {
      out->append(text.substr(0, bytes));
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  *out += '"';
}

}  // namespace roost
