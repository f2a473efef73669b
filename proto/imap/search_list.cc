// SearchListParser of proto/imap/response.h: one byte after the other, so that a line of many
// megabytes needs no buffer.
#include <utility>

#include "proto/imap/command.h"
#include "proto/imap/response.h"
#include "proto/imap/tokens.h"

namespace roost {
namespace {

constexpr size_t kMaxWord = 64;
// "(TAG "…")" and what RFC 7377 puts behind it.
constexpr size_t kMaxCorrelator = 2 * kMaxTagBytes + 1000;
constexpr uint64_t kMaxNumber = 0xffffffff;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool SearchListParser::Fail(SetParse why) {
  state_ = why;
  return false;
}

bool SearchListParser::Feed(std::string_view text) {
  for (char c : text) {
    if (state_ != SetParse::kOk || !Byte(c)) return false;
  }
  return state_ == SetParse::kOk;
}

bool SearchListParser::Finish() { return state_ == SetParse::kOk && where_ == Where::kDone; }

bool SearchListParser::Byte(char c) {
  switch (where_) {
    case Where::kKeyword:
      return KeywordByte(c);
    case Where::kList:
      return ListByte(c);
    case Where::kListModseq:
      if (c == ')') where_ = Where::kLineEnd;
      return c != '\n' || Fail(SetParse::kMalformed);
    case Where::kVanished:
      return VanishedByte(c);
    case Where::kItems:
      return ItemByte(c);
    case Where::kCorrelator:
      return CorrelatorByte(c);
    case Where::kSet:
      return SetByte(c);
    case Where::kValue:
      return ValueByte(c);
    case Where::kLineEnd:
      if (c == '\n') where_ = Where::kDone;
      return c == '\n' || c == '\r' || c == ' ' || Fail(SetParse::kMalformed);
    case Where::kDone:
      return Fail(SetParse::kMalformed);
  }
  return false;
}

// "* SEARCH", "* ESEARCH" or "* VANISHED", up to a SP or the line's end.
bool SearchListParser::KeywordByte(char c) {
  bool end = (c == ' ' && word_ != "*") || c == '\r' || c == '\n';
  if (!end) {
    if (word_.size() == kMaxWord) return Fail(SetParse::kMalformed);
    word_.push_back(c);
    return true;
  }
  std::string keyword = std::exchange(word_, {});
  if (EqualsIgnoreCase(keyword, "* SEARCH")) {
    where_ = Where::kList;
  } else if (EqualsIgnoreCase(keyword, "* ESEARCH")) {
    kind_ = Kind::kEsearch;
    where_ = Where::kItems;
  } else if (EqualsIgnoreCase(keyword, "* VANISHED") && c == ' ') {
    kind_ = Kind::kVanished;
    where_ = Where::kVanished;
  } else {
    return Fail(SetParse::kMalformed);
  }
  return c == ' ' || EndOfLine(c);
}

bool SearchListParser::EndOfLine(char c) {
  where_ = c == '\n' ? Where::kDone : Where::kLineEnd;
  return true;
}

bool SearchListParser::Digit(char c) {
  number_ = number_ * 10 + static_cast<uint64_t>(c - '0');
  in_number_ = true;
  return number_ <= kMaxNumber || Fail(SetParse::kMalformed);
}

// A number or the second half of a range is over.
bool SearchListParser::EndElement() {
  if (!in_number_ || number_ == 0) return Fail(SetParse::kMalformed);
  uint32_t last = static_cast<uint32_t>(number_);
  uint32_t first = in_range_ ? range_first_ : last;
  if (first > last) std::swap(first, last);
  number_ = 0;
  in_number_ = false;
  in_range_ = false;
  listed_ += uint64_t{last} - first + 1;
  return set_->InsertRange(first, last) || Fail(SetParse::kTooLarge);
}

// Behind "* SEARCH ": "1 2 3 (MODSEQ 9)", with SP as generously as stores send them.
bool SearchListParser::ListByte(char c) {
  if (IsDigit(c)) return Digit(c);
  if (in_number_ && !EndElement()) return false;
  if (c == ' ') return true;
  if (c == '(') {
    where_ = Where::kListModseq;
    return true;
  }
  return c == '\r' || c == '\n' ? EndOfLine(c) : Fail(SetParse::kMalformed);
}

// Behind "* VANISHED ": "(EARLIER) " or the set's first digit.
bool SearchListParser::VanishedByte(char c) {
  if (word_.empty() && IsDigit(c)) {
    where_ = Where::kSet;
    return Digit(c);
  }
  constexpr std::string_view kEarlier = "(EARLIER) ";
  word_.push_back(c);
  if (!StartsWithIgnoreCase(kEarlier, word_)) return Fail(SetParse::kMalformed);
  if (word_.size() == kEarlier.size()) {
    if (std::exchange(earlier_, true)) return Fail(SetParse::kMalformed);
    word_.clear();
  }
  return true;
}

// Behind "* ESEARCH ": "(TAG "a") UID ALL 1:5 COUNT 5".
bool SearchListParser::ItemByte(char c) {
  if (c == '(' && word_.empty()) {
    where_ = Where::kCorrelator;
    return true;
  }
  if (c != ' ' && c != '\r' && c != '\n') {
    if (!IsAtomChar(c) || word_.size() == kMaxWord) return Fail(SetParse::kMalformed);
    word_.push_back(c);
    return true;
  }
  std::string word = std::exchange(word_, {});
  bool uid = EqualsIgnoreCase(word, "UID");
  uid_ = uid_ || uid;
  if (c != ' ') return word.empty() || uid ? EndOfLine(c) : Fail(SetParse::kMalformed);
  if (!word.empty() && !uid) where_ = EqualsIgnoreCase(word, "ALL") ? Where::kSet : Where::kValue;
  return true;
}

// Whether the next byte belongs to a quoted string, its quotes included.
bool SearchListParser::InQuotes(char c) {
  if (!in_quotes_) return in_quotes_ = c == '"';
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_quotes_ = false;
  }
  return true;
}

bool SearchListParser::CorrelatorByte(char c) {
  if (!InQuotes(c) && c == ')') {
    std::string correlator = "(" + std::exchange(word_, {}) + ")";
    EsearchInfo info = ParseEsearch(correlator);
    if (!info.whole) return Fail(SetParse::kMalformed);
    tag_ = info.tag;
    where_ = Where::kItems;
    return true;
  }
  if (word_.size() == kMaxCorrelator || c == '\n') return Fail(SetParse::kMalformed);
  word_.push_back(c);
  return true;
}

bool SearchListParser::SetByte(char c) {
  if (IsDigit(c)) return Digit(c);
  if (c == ':') {
    if (!in_number_ || in_range_ || number_ == 0) return Fail(SetParse::kMalformed);
    range_first_ = static_cast<uint32_t>(number_);
    number_ = 0;
    in_number_ = false;
    in_range_ = true;
    return true;
  }
  if (!EndElement()) return false;
  if (c == ',') return true;
  if (c == ' ' && kind_ == Kind::kEsearch) {
    where_ = Where::kItems;
    return true;
  }
  return c == '\r' || c == '\n' ? EndOfLine(c) : Fail(SetParse::kMalformed);
}

// The value of an item that is of no interest: a word or a list of such.
bool SearchListParser::ValueByte(char c) {
  if (InQuotes(c)) return c != '\n' || Fail(SetParse::kMalformed);
  if (c == '(') {
    ++depth_;
  } else if (c == ')') {
    if (--depth_ < 0) return Fail(SetParse::kMalformed);
  } else if (c == '\r' || c == '\n') {
    return depth_ == 0 ? EndOfLine(c) : Fail(SetParse::kMalformed);
  } else if (c == ' ' && depth_ == 0) {
    where_ = Where::kItems;
  }
  return true;
}

}  // namespace roost
