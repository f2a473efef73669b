#include "proto/imap/framer.h"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

using Kind = Piece::Kind;

// What came out, with literals put together and their chunks forgotten.
struct Message {
  std::string text;                // text pieces and literals, as the stream had them
  std::vector<uint64_t> literals;  // announced sizes
  bool operator==(const Message&) const = default;
};

struct Outcome {
  std::vector<Message> messages;
  std::string relayed;  // all pieces, concatenated
  std::string error;
  bool unfinished = false;
  bool operator==(const Outcome&) const = default;
};

// Feeds `stream` in steps of `step` bytes and checks what every piece promises.
Outcome Frame(Direction direction, std::string_view stream, size_t step, FramerLimits limits = {}) {
  Framer framer(direction, limits);
  Outcome outcome;
  size_t consumed = 0;
  bool open = false;
  for (size_t given = std::min(step, stream.size());;
       given = std::min(given + step, stream.size())) {
    while (true) {
      EXPECT_EQ(framer.AtMessageStart(), !open);
      // A copy of exactly these bytes, so that a sanitizer sees any look beyond.
      std::vector<char> exact(stream.begin() + consumed, stream.begin() + given);
      Piece piece = framer.Next(std::string_view(exact.data(), exact.size()));
      if (piece.kind == Kind::kNeedMore) {
        EXPECT_TRUE(piece.bytes.empty());
        break;
      }
      if (piece.kind == Kind::kError) {
        EXPECT_NE(piece.error, nullptr);
        EXPECT_EQ(framer.Next("x\r\n").kind, Kind::kError) << "errors last";
        outcome.error = piece.error;
        outcome.unfinished = open;
        return outcome;
      }
      EXPECT_FALSE(piece.bytes.empty());
      EXPECT_EQ(piece.begins_message, !open);
      if (piece.begins_message) outcome.messages.emplace_back();
      if (piece.kind == Kind::kLiteral) {
        EXPECT_FALSE(piece.begins_message);
        EXPECT_FALSE(piece.ends_message);
      } else {
        EXPECT_EQ(piece.ends_line, piece.bytes.back() == '\n');
        if (piece.literal.present) {
          EXPECT_TRUE(piece.ends_line);
          EXPECT_EQ(framer.literal_left(), piece.literal.size);
          outcome.messages.back().literals.push_back(piece.literal.size);
        }
      }
      open = !piece.ends_message;
      outcome.messages.back().text += piece.bytes;
      outcome.relayed += piece.bytes;
      consumed += piece.bytes.size();
    }
    if (given == stream.size()) break;
  }
  outcome.unfinished = open;
  return outcome;
}

// The same, whatever the step.
Outcome FrameAll(Direction direction, std::string_view stream, FramerLimits limits = {}) {
  Outcome whole = Frame(direction, stream, stream.size(), limits);
  for (size_t step : {1, 2, 3, 7, 16}) {
    EXPECT_EQ(Frame(direction, stream, step, limits), whole) << "in steps of " << step;
  }
  EXPECT_TRUE(stream.starts_with(whole.relayed));
  return whole;
}

std::vector<std::string> Texts(const Outcome& outcome) {
  std::vector<std::string> texts;
  for (const Message& message : outcome.messages) texts.push_back(message.text);
  return texts;
}

using Strings = std::vector<std::string>;

TEST(Framer, CutsCommandsAtLineEnds) {
  Outcome out = FrameAll(Direction::kCommands, "a NOOP\r\nb IDLE\r\nDONE\r\n\r\nc LOGOUT\n");
  EXPECT_EQ(Texts(out), (Strings{"a NOOP\r\n", "b IDLE\r\n", "DONE\r\n", "\r\n", "c LOGOUT\n"}));
  EXPECT_EQ(out.error, "");
  EXPECT_FALSE(out.unfinished);
}

TEST(Framer, KeepsLiteralsInsideTheirCommand) {
  using std::string_view_literals::operator""sv;
  constexpr std::string_view kStream =
      "a LOGIN {3}\r\nfoo {4+}\r\nb\r\nr\r\nb APPEND x ~{2}\r\n\0\n\r\nc X\r\n"
      "d Y {0}\r\n\r\ne Z {0+}\r\n {0000000000000000002}\r\nab\n"sv;
  Outcome out = FrameAll(Direction::kCommands, kStream);
  EXPECT_EQ(out.error, "");
  ASSERT_EQ(out.messages.size(), 5u);
  EXPECT_EQ(out.messages[0].literals, (std::vector<uint64_t>{3, 4}));
  EXPECT_EQ(out.messages[1].literals, (std::vector<uint64_t>{2}));
  EXPECT_EQ(out.messages[2].text, "c X\r\n");
  EXPECT_EQ(out.messages[3].text, "d Y {0}\r\n\r\n");
  EXPECT_EQ(out.messages[4].literals, (std::vector<uint64_t>{0, 2}));
  EXPECT_FALSE(out.unfinished);
}

TEST(Framer, TellsWhatKindOfLiteralIsAnnounced) {
  auto announced = [](std::string_view line) {
    return Framer(Direction::kCommands).Next(line).literal;
  };
  LiteralMark sync = announced("a X {12}\r\n");
  EXPECT_TRUE(sync.present);
  EXPECT_FALSE(sync.non_sync);
  EXPECT_FALSE(sync.binary);
  EXPECT_EQ(sync.size, 12u);
  LiteralMark binary = announced("a X ~{12+}\r\n");
  EXPECT_TRUE(binary.present);
  EXPECT_TRUE(binary.non_sync);
  EXPECT_TRUE(binary.binary);
  EXPECT_EQ(announced("a X ({9223372036854775807}\r\n").size, 9223372036854775807u);
  for (std::string_view line : {"a X {}\r\n", "a X {+}\r\n", "a X {1 }\r\n", "a X {1}x\r\n",
                                "a X {-1}\r\n", "a X {1++}\r\n", "a X 1}\r\n", "}\r\n", "{1}y\r\n",
                                "a X \"{1}\"\r\n", "a X {1}\r\r\n", "a X {0x1}\r\n"}) {
    EXPECT_FALSE(announced(line).present) << line;
  }
}

TEST(Framer, SizesThatDoNotFitAreErrors) {
  for (std::string_view line :
       {"a X {9223372036854775808}\r\n", "a X {18446744073709551616}\r\n",
        "a X {99999999999999999999999999999999999999}\r\n", "a X {00000000000000000001}\r\n",
        "a X ~{9223372036854775808+}\r\n"}) {
    EXPECT_EQ(Frame(Direction::kCommands, line, 3).error, "literal too large") << line;
  }
  EXPECT_EQ(Frame(Direction::kResponses, "* X {9223372036854775808}\r\n", 3).error,
            "literal too large");
  EXPECT_EQ(Frame(Direction::kCommands, "a X \"{99999999999999999999999}\r\n", 3).error, "")
      << "inside quotes it is no size";
}

TEST(Framer, NothingInsideQuotesIsALiteral) {
  Outcome out = FrameAll(Direction::kCommands,
                         "a LOGIN \"x {3}\r\nb SEARCH TEXT \"\\\" {3}\r\nc SEARCH \"\\\\\" {1}\r\n"
                         "xd LOGOUT\r\n");
  EXPECT_EQ(out.error, "");
  EXPECT_EQ(Texts(out), (Strings{"a LOGIN \"x {3}\r\n", "b SEARCH TEXT \"\\\" {3}\r\n",
                                 "c SEARCH \"\\\\\" {1}\r\nxd LOGOUT\r\n"}));
}

TEST(Framer, ANonSyncLiteralWhereNoStringMayBeginIsAnError) {
  for (std::string_view line : {"a LOGIN \"x {3+}\r\n", "a X foo{3+}\r\n", "a X \"foo\"{3+}\r\n",
                                "a X fo\"o {3+}\r\n", "a X fo\"o\" {3+}\r\n", "a X \"a\"b {3+}\r\n",
                                "{3+}\r\n", "a X foo~{3+}\r\n", "a X ~~{3+}\r\n"}) {
    EXPECT_EQ(Frame(Direction::kCommands, line, 100).error, "literal where no string may begin")
        << line;
  }
  EXPECT_EQ(Frame(Direction::kCommands, "a X {3}\r\nabc{3+}\r\n", 100).error,
            "literal where no string may begin")
      << "right behind a literal";
  for (std::string_view line :
       {"a X {3+}\r\n", "a X ({3+}\r\n", "a X ~{3+}\r\n", "a X \"foo\" (\"a\") {3+}\r\n",
        "a X \"\" {3+}\r\n", "a X BODY[HEADER.FIELDS (\"a\")] {3+}\r\n"}) {
    EXPECT_EQ(Frame(Direction::kCommands, line, 100).error, "") << line;
  }
  // The store says whether it wants a {3} in a wrong place, so that may pass.
  EXPECT_TRUE(Framer(Direction::kCommands).Next("a X foo{3}\r\n").literal.present);
}

TEST(Framer, NulInACommandLineIsAnError) {
  using std::string_view_literals::operator""sv;
  EXPECT_EQ(Frame(Direction::kCommands, "a NOOP\0\r\n"sv, 1).error, "NUL in a command");
  EXPECT_EQ(Frame(Direction::kCommands, "a NOOP\0"sv, 1).error, "NUL in a command")
      << "before the line is over";
  Outcome later = Frame(Direction::kCommands, "a NOOP\r\nb\0"sv, 100);
  EXPECT_EQ(Texts(later), (Strings{"a NOOP\r\n"})) << "what came before it still counts";
  EXPECT_EQ(later.error, "NUL in a command");
  EXPECT_EQ(Frame(Direction::kResponses, "* OK \0\r\n"sv, 1).error, "");
}

TEST(Framer, CommandLinesHaveALimit) {
  FramerLimits limits{.max_line = 200};
  std::string fits = "a " + std::string(196, 'x') + "\r\n";
  ASSERT_EQ(fits.size(), 200u);
  EXPECT_EQ(FrameAll(Direction::kCommands, fits, limits).error, "");
  EXPECT_EQ(FrameAll(Direction::kCommands, "x" + fits, limits).error, "command line too long");
  EXPECT_EQ(FrameAll(Direction::kCommands, std::string(200, 'x'), limits).error,
            "command line too long")
      << "also while it is not over";
  // The limit is on lines, not on commands.
  std::string many = "a " + std::string(150, 'x') + " {2}\r\nab" + std::string(150, 'y') + "\r\n";
  EXPECT_EQ(FrameAll(Direction::kCommands, many, limits).error, "");
}

TEST(Framer, OverlongResponseLinesComeInParts) {
  FramerLimits limits{.max_line = 128};
  std::string flags = "* FLAGS (" + std::string(1000, 'x') + ")\r\n";
  std::string fetch = "* 1 FETCH (X \"" + std::string(500, 'y') + "\" BODY[] {3}\r\nabc)\r\n";
  Outcome out = FrameAll(Direction::kResponses, flags + fetch + "* 3 EXISTS\r\n", limits);
  EXPECT_EQ(out.error, "");
  EXPECT_EQ(Texts(out), (Strings{flags, fetch, "* 3 EXISTS\r\n"}));
  EXPECT_EQ(out.messages[1].literals, (std::vector<uint64_t>{3}));
  // A quoted string that goes on over the cut.
  for (size_t length = 60; length < 300; ++length) {
    std::string line = "* 1 FETCH (X \"" + std::string(length, '\\') + "\\\" {3}\r\n";
    if (length % 2 == 1) line = "* 1 FETCH (X \"" + std::string(length + 1, '\\') + "\" {3}\r\n";
    bool open = length % 2 == 0;
    Outcome quoted = Frame(Direction::kResponses, line, 1000, limits);
    ASSERT_EQ(quoted.messages.size(), 1u);
    ASSERT_EQ(quoted.messages[0].literals.empty(), open) << length;
  }
}

TEST(Framer, AnAnnouncementIsNeverCutInTwo) {
  FramerLimits limits{.max_line = 128};
  for (size_t length = 50; length < 400; ++length) {
    std::string line = "* X " + std::string(length, 'z') + " ~{12}\r\nabcdefghijkl\r\n* Y\r\n";
    Outcome out = Frame(Direction::kResponses, line, 5, limits);
    ASSERT_EQ(out.messages.size(), 2u) << length;
    ASSERT_EQ(out.messages[0].literals, (std::vector<uint64_t>{12})) << length;
  }
}

TEST(Framer, TextOfStatusResponsesAnnouncesNothing) {
  constexpr std::string_view kStream =
      "* OK hello {3}\r\n* no {3}\r\n* BAD {3}\r\n* BYE {3}\r\n* PREAUTH {3}\r\n+ {3}\r\n+{3}\r\n"
      "a1 OK {3}\r\nOK {3}\r\n* OKAY {3}\r\nabc\r\n* LIST () \"/\" {3}\r\nabc\r\n*OK "
      "{3}\r\nabc\r\n";
  Outcome out = FrameAll(Direction::kResponses, kStream);
  EXPECT_EQ(out.error, "");
  ASSERT_EQ(out.messages.size(), 12u);
  for (size_t i = 0; i < 9; ++i) EXPECT_TRUE(out.messages[i].literals.empty()) << i;
  for (size_t i = 9; i < 12; ++i) EXPECT_EQ(out.messages[i].literals.size(), 1u) << i;
}

TEST(Framer, ARefusedLiteralEndsTheCommand) {
  Framer framer(Direction::kCommands);
  Piece piece = framer.Next("a APPEND x {100}\r\n");
  ASSERT_TRUE(piece.literal.present);
  EXPECT_FALSE(piece.ends_message);
  EXPECT_EQ(framer.literal_left(), 100u);
  EXPECT_EQ(framer.Next("").kind, Kind::kNeedMore);
  framer.CancelLiteral();
  EXPECT_TRUE(framer.AtMessageStart());
  piece = framer.Next("b NOOP\r\n");
  EXPECT_TRUE(piece.begins_message);
  EXPECT_TRUE(piece.ends_message);
  EXPECT_EQ(piece.bytes, "b NOOP\r\n");

  piece = framer.Next("c X {0}\r\n");
  EXPECT_FALSE(framer.AtMessageStart());
  framer.CancelLiteral();
  EXPECT_TRUE(framer.Next("d NOOP\r\n").begins_message);
}

TEST(Framer, ARawLineAnnouncesNoLiteral) {
  Framer framer(Direction::kCommands);
  framer.ExpectRawLine();
  Piece piece = framer.Next("AGFiYw {3+}\r\nb X {3}\r\n");
  EXPECT_EQ(piece.bytes, "AGFiYw {3+}\r\n");
  EXPECT_TRUE(piece.begins_message);
  EXPECT_TRUE(piece.ends_message);
  EXPECT_FALSE(piece.literal.present);
  EXPECT_TRUE(framer.Next("b X {3}\r\n").literal.present) << "only one line is raw";
}

TEST(Framer, ALiteralIsRelayedAsItComes) {
  Framer framer(Direction::kResponses);
  framer.Next("* 1 FETCH (BODY[] {10}\r\n");
  EXPECT_EQ(framer.Next("abc").bytes, "abc");
  EXPECT_EQ(framer.literal_left(), 7u);
  Piece piece = framer.Next("defghij)\r\n");
  EXPECT_EQ(piece.kind, Kind::kLiteral);
  EXPECT_EQ(piece.bytes, "defghij");
  piece = framer.Next(")\r\n");
  EXPECT_EQ(piece.kind, Kind::kText);
  EXPECT_TRUE(piece.ends_message);
}

TEST(Framer, ALineThatComesByteByByteIsSearchedOnce) {
  // Quadratic work on 8 MiB would take minutes.
  FramerLimits limits{.max_line = 16 << 20};
  std::string line(8 << 20, 'x');
  Framer framer(Direction::kCommands, limits);
  for (size_t size = 0; size <= line.size(); ++size) {
    ASSERT_EQ(framer.Next(std::string_view(line).substr(0, size)).kind, Kind::kNeedMore);
  }
}

TEST(Framer, RandomBytesCutAnywhereGiveTheSamePieces) {
  constexpr std::string_view kAlphabet[] = {"a", " ",  "\"", "\\",      "{",       "}",    "+",
                                            "~", "1",  "3",  "\r",      "\n",      "\r\n", "(",
                                            ")", "* ", "OK", "{2}\r\n", "{2+}\r\n"};
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string stream;
    for (int i = random() % 60; i > 0; --i) stream += kAlphabet[random() % std::size(kAlphabet)];
    FrameAll(Direction::kCommands, stream);
    FrameAll(Direction::kResponses, stream);
    if (HasFailure()) FAIL() << stream;
  }
}

}  // namespace
}  // namespace roost
