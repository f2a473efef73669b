#include "proto/imap/tokens.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace roost {
namespace {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

enum CharClass : uint8_t { kAtomClass = 1, kListWild = 2, kLooseClass = 4 };

constexpr std::array<uint8_t, 256> MakeCharTable() {
  std::array<uint8_t, 256> table = {};
  constexpr std::string_view kAtomSpecials = "(){%*\"\\]";
  constexpr std::string_view kNotLoose = "(){\"";
  for (int i = 0x21; i < 0x7f; ++i) {
    char c = static_cast<char>(i);
    if (kAtomSpecials.find(c) == kAtomSpecials.npos) table[i] |= kAtomClass;
    if (c == '%' || c == '*') table[i] |= kListWild;
    if (kNotLoose.find(c) == kNotLoose.npos) table[i] |= kLooseClass;
  }
  for (int i = 0x80; i < 0x100; ++i) table[i] |= kLooseClass;
  return table;
}
constexpr auto kChars = MakeCharTable();

uint8_t ClassOf(char c) { return kChars[static_cast<uint8_t>(c)]; }

// 8-bit bytes are not allowed outside of literals (or, with UTF8=ACCEPT, quotes), but clients send
// them, and stores take them.
bool IsAstringByte(char c) { return IsAstringChar(c) || static_cast<uint8_t>(c) >= 0x80; }

template <typename Integer>
bool ReadInteger(std::string_view text, size_t* position, Integer* number) {
  size_t i = *position;
  Integer value = 0;
  constexpr Integer kMax = std::numeric_limits<Integer>::max();
  while (i < text.size() && IsDigit(text[i])) {
    Integer digit = static_cast<Integer>(text[i] - '0');
    if (value > kMax / 10 || value * 10 > kMax - digit) return false;
    value = value * 10 + digit;
    ++i;
  }
  if (i == *position) return false;
  *position = i;
  *number = value;
  return true;
}

}  // namespace

bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix) {
  return EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

bool IsAtomChar(char c) { return (ClassOf(c) & kAtomClass) != 0; }
bool IsAstringChar(char c) { return IsAtomChar(c) || c == ']'; }

std::string_view WithoutLineEnd(std::string_view text) {
  if (text.empty() || text.back() != '\n') return text;
  text.remove_suffix(1);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

void StringToken::AppendTo(std::string* out) const {
  if (!escaped) {
    out->append(raw);
    return;
  }
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\\' && i + 1 < raw.size()) ++i;
    out->push_back(raw[i]);
  }
}

std::string StringToken::ToString() const {
  std::string value;
  value.reserve(raw.size());  // it may be a password: growing would leave a copy behind
  AppendTo(&value);
  return value;
}

bool SequenceSetReader::Next(SequenceRange* range) {
  if (rest_.empty() || malformed_) return false;
  size_t i = 0;
  auto element = [&](uint32_t* number, bool* star) {
    if (i < rest_.size() && rest_[i] == '*') {
      ++i;
      *star = true;
      *number = SequenceRange::kStar;
      return true;
    }
    return ReadInteger(rest_, &i, number) && *number != 0;
  };
  uint32_t first = 0, last = 0;
  bool first_star = false, last_star = false;
  malformed_ = true;
  if (!element(&first, &first_star)) return false;
  last = first;
  last_star = first_star;
  if (i < rest_.size() && rest_[i] == ':') {
    ++i;
    last_star = false;
    if (!element(&last, &last_star)) return false;
  }
  if (i < rest_.size()) {
    if (rest_[i] != ',' || i + 1 == rest_.size()) return false;
    ++i;
  }
  malformed_ = false;
  rest_.remove_prefix(i);
  range->star = first_star || last_star;
  if (first_star ? !last_star : (!last_star && first > last)) std::swap(first, last);
  range->first = first;
  range->last = last;
  return true;
}

bool TokenCursor::AtEnd() const {
  std::string_view rest = Rest();
  return rest.empty() || rest == "\r\n" || rest == "\n";
}

bool TokenCursor::Char(char c) {
  if (position_ >= text_.size() || text_[position_] != c) return false;
  ++position_;
  return true;
}

bool TokenCursor::Atom(std::string_view* atom) {
  size_t i = position_;
  while (i < text_.size() && IsAtomChar(text_[i])) ++i;
  if (i == position_) return false;
  *atom = text_.substr(position_, i - position_);
  position_ = i;
  return true;
}

bool TokenCursor::Keyword(std::string_view word) {
  size_t from = position_;
  std::string_view atom;
  if (Atom(&atom) && EqualsIgnoreCase(atom, word)) return true;
  position_ = from;
  return false;
}

bool TokenCursor::Loose(std::string_view* word) {
  size_t i = position_;
  while (i < text_.size() && (ClassOf(text_[i]) & kLooseClass) != 0) ++i;
  if (i == position_) return false;
  *word = text_.substr(position_, i - position_);
  position_ = i;
  return true;
}

bool TokenCursor::Flag(std::string_view* flag) {
  size_t from = position_;
  bool system = Char('\\');
  std::string_view name;
  if (!(system && Char('*')) && !Atom(&name)) {
    position_ = from;
    return false;
  }
  *flag = Since(from);
  return true;
}

bool TokenCursor::FetchItem(std::string_view* item) {
  size_t from = position_;
  bool section = false;
  while (position_ < text_.size()) {
    char c = text_[position_];
    if (!section) {
      if ((ClassOf(c) & kLooseClass) == 0) break;
      section = c == '[';
      ++position_;
      continue;
    }
    StringToken ignored;
    if (c == '"' ? Quoted(&ignored) : c == '{' && Literal(&ignored)) continue;
    if (c == '"' || c == '{' || c == '\r' || c == '\n') break;
    section = c != ']';
    ++position_;
  }
  if (section || position_ == from) {
    position_ = from;
    return false;
  }
  *item = Since(from);
  return true;
}

bool TokenCursor::Number(uint32_t* number) { return ReadInteger(text_, &position_, number); }
bool TokenCursor::Number64(uint64_t* number) { return ReadInteger(text_, &position_, number); }

bool TokenCursor::Quoted(StringToken* token) {
  if (Peek() != '"') return false;
  StringToken result;
  result.form = StringToken::Form::kQuoted;
  for (size_t i = position_ + 1; i < text_.size(); ++i) {
    char c = text_[i];
    if (c == '"') {
      result.raw = text_.substr(position_ + 1, i - position_ - 1);
      position_ = i + 1;
      *token = result;
      return true;
    }
    if (c == '\\') {
      result.escaped = true;
      if (++i == text_.size()) return false;
      c = text_[i];
    }
    if (c == '\r' || c == '\n' || c == '\0') return false;
  }
  return false;
}

bool TokenCursor::Literal(StringToken* token) {
  size_t from = position_;
  StringToken result;
  result.form = StringToken::Form::kLiteral;
  result.binary = Char('~');
  uint64_t size = 0;
  bool ok = Char('{') && Number64(&size);
  if (ok) Char('+');
  ok = ok && Char('}');
  if (ok) {
    Char('\r');
    ok = Char('\n') && size <= text_.size() - position_;
  }
  if (!ok) {
    position_ = from;
    return false;
  }
  result.raw = text_.substr(position_, size);
  position_ += size;
  *token = result;
  return true;
}

bool TokenCursor::String(StringToken* token) {
  return Peek() == '"' ? Quoted(token) : Literal(token);
}

bool TokenCursor::Astring(StringToken* token) {
  if (String(token)) return true;
  size_t i = position_;
  while (i < text_.size() && IsAstringByte(text_[i])) ++i;
  if (i == position_) return false;
  *token = StringToken{};
  token->raw = text_.substr(position_, i - position_);
  position_ = i;
  return true;
}

bool TokenCursor::Nstring(StringToken* token) {
  if (String(token)) return true;
  if (!Keyword("NIL")) return false;
  *token = StringToken{};
  token->form = StringToken::Form::kNil;
  return true;
}

bool TokenCursor::ListMailbox(StringToken* token) {
  if (String(token)) return true;
  size_t i = position_;
  while (i < text_.size() && (IsAstringByte(text_[i]) || (ClassOf(text_[i]) & kListWild) != 0)) ++i;
  if (i == position_) return false;
  *token = StringToken{};
  token->raw = text_.substr(position_, i - position_);
  position_ = i;
  return true;
}

bool TokenCursor::Mailbox(std::string* name) {
  StringToken token;
  if (!Astring(&token)) return false;
  name->clear();
  token.AppendTo(name);
  if (EqualsIgnoreCase(*name, "INBOX")) *name = "INBOX";
  return true;
}

bool TokenCursor::SequenceSet(std::string_view* set, bool* saved) {
  if (saved != nullptr && Peek() == '$') {
    *set = text_.substr(position_, 1);
    ++position_;
    *saved = true;
    return true;
  }
  size_t i = position_;
  while (i < text_.size() &&
         (IsDigit(text_[i]) || text_[i] == ':' || text_[i] == ',' || text_[i] == '*')) {
    ++i;
  }
  std::string_view found = text_.substr(position_, i - position_);
  if (found.empty()) return false;
  SequenceSetReader reader(found);
  SequenceRange range;
  while (reader.Next(&range)) {
  }
  if (reader.malformed()) return false;
  if (saved != nullptr) *saved = false;
  *set = found;
  position_ = i;
  return true;
}

bool TokenCursor::Value(std::string_view* raw) {
  size_t from = position_;
  int depth = 0;
  do {
    StringToken string;
    std::string_view item;
    if (depth > 0) {
      while (Char(' ')) {
      }
    }
    if (Char('(')) {
      ++depth;
    } else if (depth > 0 && Char(')')) {
      --depth;
    } else if (!String(&string) && !FetchItem(&item)) {
      depth = kMaxDepth + 1;
    }
  } while (depth > 0 && depth <= kMaxDepth);
  if (depth != 0) {
    position_ = from;
    return false;
  }
  if (raw != nullptr) *raw = Since(from);
  return true;
}

bool TokenCursor::List(std::string_view* inner) {
  if (Peek() != '(') return false;
  std::string_view raw;
  if (!Value(&raw)) return false;
  *inner = raw.substr(1, raw.size() - 2);
  return true;
}

}  // namespace roost
