// A cursor over one logical line of IMAP: atoms, strings, numbers, lists, sequence sets (RFC 3501
// 9, RFC 9051 9).
//
// A logical line is what the framer's pieces of one message give when concatenated: text, and
// behind each `{n}CRLF` the n bytes of the literal. It may be cut off behind the announcement of a
// large literal, or anywhere in a response; what needs the missing part then fails and the cursor
// stays where it was.
//
// Nothing is copied: all views point into the text given at construction and live as long as it.
// Every reading function returns false and moves nothing when the text does not match.
#ifndef ROOST_PROTO_IMAP_TOKENS_H_
#define ROOST_PROTO_IMAP_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/ascii.h"

namespace roost {

// ASCII only; IMAP keywords are.
bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix);

// ATOM-CHAR; ASTRING-CHAR also allows "]".
bool IsAtomChar(char c);
bool IsAstringChar(char c);

// `text` without its LF or CRLF, when it has one.
std::string_view WithoutLineEnd(std::string_view text);

// A string as it was sent. `raw` still has the backslashes of a quoted string.
struct StringToken {
  enum class Form : uint8_t { kAtom, kQuoted, kLiteral, kNil };
  Form form = Form::kAtom;
  bool escaped = false;  // kQuoted with a backslash inside: raw is not the value
  bool binary = false;   // ~{n}
  std::string_view raw;  // content, without quotes or the literal's announcement

  bool nil() const { return form == Form::kNil; }
  void AppendTo(std::string* out) const;
  std::string ToString() const;
};

// One element of a sequence set. `*` is the largest number in the mailbox, written as kStar.
struct SequenceRange {
  static constexpr uint32_t kStar = 0xffffffff;
  uint32_t first = 0;
  uint32_t last = 0;
  bool star = false;  // one end (or both) was `*`; then first <= last does not hold necessarily
  friend bool operator==(const SequenceRange&, const SequenceRange&) = default;
};

// Walks over a sequence set "1,4:7,9:*". A literal 4294967295 and `*` look alike but for `star`.
// Ranges without star are ordered (7:4 comes as 4:7), those with it come as first = number, last =
// kStar.
class SequenceSetReader {
 public:
  explicit SequenceSetReader(std::string_view set) : rest_(set) {}
  // False at the end and at the first malformed element; malformed() tells which.
  bool Next(SequenceRange* range);
  bool malformed() const { return malformed_; }

 private:
  std::string_view rest_;
  bool malformed_ = false;
};

class TokenCursor {
 public:
  explicit TokenCursor(std::string_view line) : text_(line) {}

  // Nothing left but the line's end (or the text's).
  bool AtEnd() const;
  std::string_view Rest() const { return text_.substr(position_); }
  size_t position() const { return position_; }
  void SeekTo(size_t position) { position_ = position; }
  // The next byte; '\0' at the end.
  char Peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  // What was consumed since `from`, a value of position() before.
  std::string_view Since(size_t from) const { return text_.substr(from, position_ - from); }

  bool Char(char c);
  bool Space() { return Char(' '); }

  // 1*ATOM-CHAR. Flags ("\Seen") and sections ("BODY[…]") are not atoms; see Flag and FetchItem.
  bool Atom(std::string_view* atom);
  // An atom equal to `word`, ignoring case.
  bool Keyword(std::string_view word);
  // As Atom, and any other run of bytes without SP, parentheses, quotes, CR, LF and `{`: "\Seen",
  // "$x]", "%".
  bool Loose(std::string_view* word);
  // "\Seen", "$Forwarded", "\*".
  bool Flag(std::string_view* flag);
  // BODY, BODY.PEEK[HEADER.FIELDS (A B)]<0.100>, MODSEQ …: name up to where a SP or parenthesis
  // follows.
  bool FetchItem(std::string_view* item);

  bool Number(uint32_t* number);
  bool Number64(uint64_t* number);

  // quoted / literal
  bool String(StringToken* token);
  // atom with "]" / quoted / literal
  bool Astring(StringToken* token);
  // NIL / quoted / literal
  bool Nstring(StringToken* token);
  // LIST's pattern: Astring plus the wildcards % and *.
  bool ListMailbox(StringToken* token);
  // A mailbox name: Astring, decoded. Only INBOX ignores case (RFC 3501 5.1): it becomes "INBOX".
  bool Mailbox(std::string* name);

  // Digits, ":", "," and "*" that make a valid sequence set; or "$" where `saved` is given (set to
  // true then).
  bool SequenceSet(std::string_view* set, bool* saved = nullptr);

  // One value of any shape: atom, flag, item with section, string, literal, or a parenthesised list
  // of such. Depth is bounded by kMaxDepth, without recursion.
  bool Value(std::string_view* raw = nullptr);
  // "(" … ")" with the inside in *inner, without the parentheses.
  bool List(std::string_view* inner);

  static constexpr int kMaxDepth = 200;

 private:
  bool Quoted(StringToken* token);
  bool Literal(StringToken* token);

  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_TOKENS_H_
