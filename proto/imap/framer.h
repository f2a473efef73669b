// Cuts one direction of an IMAP stream into lines and literals, without copying.
//
// What it is not: it understands no command and no response beyond what decides where a message
// ends. It does no I/O and owns no buffer: the caller keeps the bytes that were received and not
// yet consumed, and calls Next() with all of them.
//
//   stream ──► Framer ──► kText "a APPEND x {5}\r\n"   begins_message, literal{5}
//                         kLiteral "hel"               as it comes
//                         kLiteral "lo"
//                         kText "\r\n"                 ends_message
//
// Contract: Next(buffered) looks at the beginning of `buffered`. The caller consumes
// piece.bytes.size() bytes and calls again; on kNeedMore it calls again with the same bytes and
// more behind them. What was searched of a partial line is remembered, so a line that comes byte by
// byte costs no more than one that comes whole.
//
// Bounds: a command line longer than max_line (terminator included) is an error; a response line
// that long comes in several kText pieces, all but the last with ends_line false. The caller's
// buffer must be able to hold max_line bytes, else a long line never comes. Literals stream in
// chunks of any size.
//
// What is a literal (RFC 3501 4.3, RFC 7888, RFC 3516): `{n}`, `{n+}`, `~{n}`, `~{n+}` at the end
// of a line, outside quotes. In responses never in tagged lines, `+` lines and untagged OK, NO,
// BAD, BYE, PREAUTH, whose text is free. In commands a `{n+}` where no string may begin (inside an
// open quote, in the middle of an atom) is an error: stores differ in whether they consume its
// bytes, and a guess would run mail as commands.
//
// Invariants
//  1. The pieces' bytes, concatenated, are the stream, byte for byte.
//  2. Between begins_message and ends_message lies exactly one command or response.
//  3. After kError every call returns the same error.
#ifndef ROOST_PROTO_IMAP_FRAMER_H_
#define ROOST_PROTO_IMAP_FRAMER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roost {

enum class Direction : uint8_t { kCommands, kResponses };

struct FramerLimits {
  // Bytes of one text line, terminator included. At least kFramerMinLine.
  size_t max_line = 64 * 1024;
};

// Long enough that a literal's announcement is never cut in two.
inline constexpr size_t kFramerMinLine = 128;

// A literal announced at the end of a text line.
struct LiteralMark {
  bool present = false;
  bool non_sync = false;  // {n+}: its bytes come without being asked for
  bool binary = false;    // ~{n}
  uint64_t size = 0;      // below 2^63
};

struct Piece {
  enum class Kind : uint8_t { kNeedMore, kText, kLiteral, kError };
  Kind kind = Kind::kNeedMore;
  bool begins_message = false;  // the first piece of a command or response
  bool ends_message = false;    // the last
  bool ends_line = false;       // kText: the line is complete, `bytes` ends with its LF
  LiteralMark literal;          // kText with ends_line
  std::string_view bytes;       // what to relay for this piece; valid as long as the input is
  const char* error = nullptr;  // kError: a static text for logs and BAD answers
};

class Framer {
 public:
  explicit Framer(Direction direction, FramerLimits limits = {});

  Piece Next(std::string_view buffered);

  // Nothing of a message has been consumed that is not finished.
  bool AtMessageStart() const { return !in_message_; }

  // Bytes of the current literal that are still to come.
  uint64_t literal_left() const { return literal_left_; }

  // Commands: the store answered `{n}` with a tagged NO or BAD instead of `+`. The message is over
  // and the next byte begins a new command. Also right after a zero-length literal was announced.
  void CancelLiteral();

  // Commands: the next line is no command (DONE of IDLE, an answer to a SASL challenge). It comes
  // as one kText that begins and ends a message and announces no literal. Once; precondition:
  // AtMessageStart().
  void ExpectRawLine() { raw_line_ = true; }

 private:
  // What may follow in the line, decided by its first bytes.
  enum class Syntax : uint8_t { kStructured, kFreeText };
  struct Quoting {
    bool open = false;     // inside a quoted string
    bool escaped = false;  // behind its backslash
    bool odd = false;      // a quote where no string may begin or end
    char last = 'x';       // the byte before, outside of quotes: no string begins a line
  };

  Piece Fail(const char* error);
  Piece Line(std::string_view line);
  Piece PartOfLine(std::string_view buffered);
  Piece LiteralBytes(std::string_view buffered);
  void ClassifyResponse(std::string_view begin);
  static void ScanQuotes(std::string_view text, Quoting* quoting);

  uint64_t literal_left_ = 0;
  const char* error_ = nullptr;
  size_t scanned_ = 0;  // bytes of the partial line known to hold no LF
  uint32_t max_line_;
  Direction direction_;
  Syntax syntax_ = Syntax::kStructured;
  bool in_message_ = false;
  bool in_line_ = false;  // an overlong response line goes on
  bool raw_line_ = false;
  Quoting quoting_;  // of the overlong line so far
};

static_assert(sizeof(Framer) <= 48, "one per attached client and direction");

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_FRAMER_H_
