#include "proto/imap/writer.h"

#include <algorithm>
#include <charconv>

#include "proto/check.h"
#include "proto/imap/tokens.h"

namespace roost {
namespace {

constexpr size_t kMaxQuotedBytes = 1000;

// "1", "1:5": what one range takes at most, with a comma.
constexpr size_t kMaxRangeBytes = 22;

void AppendRange(std::string* out, uint32_t first, uint32_t last) {
  AppendNumber(out, first);
  if (first == last) return;
  out->push_back(':');
  AppendNumber(out, last);
}

}  // namespace

void AppendNumber(std::string* out, uint64_t number) {
  char digits[20];
  auto result = std::to_chars(digits, digits + sizeof(digits), number);
  out->append(digits, static_cast<size_t>(result.ptr - digits));
}

StringForm AstringFormOf(std::string_view value) {
  bool atom = !value.empty() && !EqualsIgnoreCase(value, "NIL");
  bool literal = value.size() > kMaxQuotedBytes;
  for (char c : value) {
    if (c == '\0') return StringForm::kImpossible;
    if (c == '\r' || c == '\n' || static_cast<uint8_t>(c) >= 0x80) literal = true;
    if (!IsAtomChar(c)) atom = false;
  }
  if (literal) return StringForm::kLiteral;
  return atom ? StringForm::kAtom : StringForm::kQuoted;
}

void AppendLiteral(std::string* out, std::string_view value, LiteralStyle style) {
  out->push_back('{');
  AppendNumber(out, value.size());
  out->append(style == LiteralStyle::kNonSync ? "+}\r\n" : "}\r\n");
  out->append(value);
}

void AppendQuoted(std::string* out, std::string_view value) {
  out->push_back('"');
  for (char c : value) {
    ROOST_CHECK(c != '\r' && c != '\n' && c != '\0' && static_cast<uint8_t>(c) < 0x80);
    if (c == '"' || c == '\\') out->push_back('\\');
    out->push_back(c);
  }
  out->push_back('"');
}

bool AppendString(std::string* out, std::string_view value, LiteralStyle style) {
  switch (AstringFormOf(value)) {
    case StringForm::kImpossible:
      return false;
    case StringForm::kLiteral:
      AppendLiteral(out, value, style);
      return true;
    case StringForm::kAtom:
    case StringForm::kQuoted:
      break;
  }
  AppendQuoted(out, value);
  return true;
}

bool AppendAstring(std::string* out, std::string_view value, LiteralStyle style) {
  if (AstringFormOf(value) != StringForm::kAtom) return AppendString(out, value, style);
  out->append(value);
  return true;
}

void AppendText(std::string* out, std::string_view text, size_t max) {
  for (char c : text.substr(0, max)) {
    bool harmless = c >= 0x20 && static_cast<uint8_t>(c) < 0x7f;
    out->push_back(harmless ? c : '?');
  }
}

uint32_t AppendUidSetPart(std::string* out, const UidSet& set, uint32_t from, size_t max_bytes) {
  size_t begin = out->size();
  UidSet::Reader reader(set, from);
  UidRange range;
  while (reader.Next(&range)) {
    if (out->size() != begin) {
      if (out->size() - begin + kMaxRangeBytes > max_bytes) return range.first;
      out->push_back(',');
    }
    AppendRange(out, range.first, range.last);
  }
  return 0;
}

void AppendUidSet(std::string* out, const UidSet& set) {
  AppendUidSetPart(out, set, 1, static_cast<size_t>(-1));
}

std::string FormatUidSet(const UidSet& set) {
  std::string text;
  AppendUidSet(&text, set);
  return text;
}

}  // namespace roost
