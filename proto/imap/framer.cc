#include "proto/imap/framer.h"

#include <algorithm>
#include <utility>

#include "proto/check.h"
#include "proto/imap/tokens.h"

namespace roost {
namespace {

// "~{9223372036854775807+}" CRLF is 25 bytes; an overlong line is cut this far before what is
// there.
constexpr size_t kHeldBack = 32;
static_assert(kFramerMinLine >= 4 * kHeldBack);

constexpr size_t kMaxLiteralDigits = 19;
constexpr uint64_t kLiteralSizeLimit = uint64_t{1} << 63;

enum class MarkParse : uint8_t { kNone, kMark, kTooLarge };

// Reads an announcement at the end of `text` (a line without its end). *begin: where it starts.
MarkParse ReadMark(std::string_view text, LiteralMark* mark, size_t* begin) {
  size_t i = text.size();
  if (i == 0 || text[i - 1] != '}') return MarkParse::kNone;
  --i;
  if (i > 0 && text[i - 1] == '+') {
    mark->non_sync = true;
    --i;
  }
  size_t digits_end = i;
  while (i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9') --i;
  size_t digits = digits_end - i;
  if (digits == 0 || i == 0 || text[i - 1] != '{') return MarkParse::kNone;
  if (digits > kMaxLiteralDigits) return MarkParse::kTooLarge;
  uint64_t size = 0;
  for (char c : text.substr(i, digits)) size = size * 10 + static_cast<uint64_t>(c - '0');
  if (size >= kLiteralSizeLimit) return MarkParse::kTooLarge;
  --i;
  if (i > 0 && text[i - 1] == '~') {
    mark->binary = true;
    --i;
  }
  mark->size = size;
  mark->present = true;
  *begin = i;
  return MarkParse::kMark;
}

bool IsFreeTextResponse(std::string_view begin) {
  if (begin.empty() || begin[0] != '*') return true;  // tagged, or "+"
  if (begin.size() < 2 || begin[1] != ' ') return false;
  std::string_view word = begin.substr(2);
  word = word.substr(0, word.find_first_of(" \r\n"));
  for (std::string_view status : {"OK", "NO", "BAD", "BYE", "PREAUTH"}) {
    if (EqualsIgnoreCase(word, status)) return true;
  }
  return false;
}

bool MayPrecedeString(char c) { return c == ' ' || c == '('; }
bool MayFollowString(char c) { return c == ' ' || c == ')' || c == ']'; }

}  // namespace

Framer::Framer(Direction direction, FramerLimits limits)
    : max_line_(static_cast<uint32_t>(
          std::clamp<size_t>(limits.max_line, kFramerMinLine, size_t{1} << 30))),
      direction_(direction) {}

Piece Framer::Fail(const char* error) {
  error_ = error;
  Piece piece;
  piece.kind = Piece::Kind::kError;
  piece.error = error;
  return piece;
}

void Framer::CancelLiteral() {
  ROOST_CHECK(direction_ == Direction::kCommands);
  literal_left_ = 0;
  in_message_ = false;
}

Piece Framer::Next(std::string_view buffered) {
  if (error_ != nullptr) return Fail(error_);
  if (literal_left_ > 0) return LiteralBytes(buffered);

  std::string_view window = buffered.substr(0, max_line_);
  scanned_ = std::min<size_t>(scanned_, window.size());
  std::string_view unseen = window.substr(scanned_);
  size_t end = unseen.find('\n');
  if (direction_ == Direction::kCommands && unseen.substr(0, end).find('\0') != unseen.npos) {
    return Fail("NUL in a command");
  }
  if (end != unseen.npos) {
    size_t length = scanned_ + end + 1;
    scanned_ = 0;
    return Line(buffered.substr(0, length));
  }
  if (window.size() < max_line_) {
    scanned_ = window.size();
    return Piece{};
  }
  if (direction_ == Direction::kCommands) return Fail("command line too long");
  return PartOfLine(buffered);
}

Piece Framer::LiteralBytes(std::string_view buffered) {
  Piece piece;
  if (buffered.empty()) return piece;
  piece.kind = Piece::Kind::kLiteral;
  piece.bytes = buffered.substr(0, std::min<uint64_t>(literal_left_, buffered.size()));
  literal_left_ -= piece.bytes.size();
  return piece;
}

Piece Framer::Line(std::string_view line) {
  Piece piece;
  piece.kind = Piece::Kind::kText;
  piece.bytes = line;
  piece.ends_line = true;
  piece.begins_message = !in_message_;

  bool raw = std::exchange(raw_line_, false);
  if (piece.begins_message && direction_ == Direction::kResponses) ClassifyResponse(line);
  if (!raw && syntax_ == Syntax::kStructured) {
    std::string_view text = WithoutLineEnd(line);
    LiteralMark mark;
    size_t begin = 0;
    MarkParse parse = ReadMark(text, &mark, &begin);
    if (parse != MarkParse::kNone) {
      Quoting quoting = in_line_ ? quoting_ : Quoting{};
      // A size too large to read is as bad wherever it stands outside quotes.
      ScanQuotes(text.substr(0, parse == MarkParse::kMark ? begin : text.rfind('{')), &quoting);
      bool commands = direction_ == Direction::kCommands;
      bool misplaced = quoting.open || quoting.odd || !MayPrecedeString(quoting.last);
      if (!quoting.open && parse == MarkParse::kTooLarge) return Fail("literal too large");
      if (commands && mark.non_sync && misplaced) return Fail("literal where no string may begin");
      if (!quoting.open) piece.literal = mark;
    }
  }
  in_line_ = false;
  piece.ends_message = !piece.literal.present;
  in_message_ = piece.literal.present;
  literal_left_ = piece.literal.size;
  return piece;
}

// A response line that does not fit: all of it but the end, which might be half an announcement.
Piece Framer::PartOfLine(std::string_view buffered) {
  Piece piece;
  piece.kind = Piece::Kind::kText;
  piece.bytes = buffered.substr(0, max_line_ - kHeldBack);
  piece.begins_message = !in_message_;
  if (piece.begins_message) ClassifyResponse(piece.bytes);
  if (!in_line_) quoting_ = Quoting{};
  if (syntax_ == Syntax::kStructured) ScanQuotes(piece.bytes, &quoting_);
  in_message_ = true;
  in_line_ = true;
  scanned_ = kHeldBack;
  return piece;
}

void Framer::ClassifyResponse(std::string_view begin) {
  syntax_ = IsFreeTextResponse(begin) ? Syntax::kFreeText : Syntax::kStructured;
}

void Framer::ScanQuotes(std::string_view text, Quoting* quoting) {
  Quoting q = *quoting;
  for (char c : text) {
    if (q.open) {
      if (q.escaped) {
        q.escaped = false;
      } else if (c == '\\') {
        q.escaped = true;
      } else if (c == '"') {
        q.open = false;
        q.last = '"';
      }
      continue;
    }
    if (q.last == '"' && !MayFollowString(c)) q.odd = true;
    if (c == '"') {
      if (!MayPrecedeString(q.last)) q.odd = true;
      q.open = true;
      continue;
    }
    q.last = c;
  }
  *quoting = q;
}

}  // namespace roost
