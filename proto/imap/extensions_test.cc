#include "proto/imap/extensions.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(Extensions, AreKnownToAStoreThatOffersThem) {
  const auto offered = [](std::string_view line, std::string_view capabilities) {
    return IsOffered(ParseCommand(std::string(line) + "\r\n"), CapabilitySet::Parse(capabilities));
  };
  EXPECT_TRUE(offered("a CREATE x", ""));
  EXPECT_TRUE(offered("a UID COPY 1 x", ""));
  EXPECT_TRUE(offered("a SETMETADATA x (y z)", "METADATA-SERVER"));
  EXPECT_TRUE(offered("a UID THREAD REFS UTF-8 ALL", "THREAD=REFS"));
  EXPECT_TRUE(offered("a GETQUOTA x", "QUOTA=RES-STORAGE"));
  EXPECT_TRUE(offered("a MOVE 1 x", "IMAP4rev2"));
  EXPECT_TRUE(IsOffered(CommandKind::kIdle, CapabilitySet::Parse("IMAP4rev2")));
  EXPECT_TRUE(offered("a UID EXPUNGE 1", "UIDPLUS"));
  EXPECT_FALSE(offered("a SETMETADATA x (y z)", "IMAP4rev2 ACL"));
  EXPECT_FALSE(offered("a SORT (DATE) UTF-8 ALL", "THREAD=REFS"));
  EXPECT_FALSE(offered("a MOVE 1 x", "IMAP4rev1"));
  EXPECT_FALSE(offered("a UID EXPUNGE 1", "IMAP4rev1"));
  EXPECT_FALSE(offered("a XFROB", "XFROB"));
}

// Of the literals of a command, given line by line, the last.
bool LastIsOffered(std::vector<std::string_view> lines, std::string_view capabilities) {
  Framer framer(Direction::kCommands);
  LiteralsOf literals(ParseCommand(std::string(lines[0]) + "\r\n"));
  bool offered = false;
  for (std::string_view text : lines) {
    std::string line = std::string(text) + "\r\n";
    const Piece piece = framer.Next(line);
    EXPECT_TRUE(piece.literal.present) << line;
    offered = literals.NextIsOffered(line, piece.literal, CapabilitySet::Parse(capabilities));
    framer.Next(std::string(piece.literal.size, 'x'));
  }
  return offered;
}

TEST(Extensions, MakeBinaryLiteralsKnownWhereTheyMayStand) {
  EXPECT_TRUE(LastIsOffered({"a APPEND m ~{3+}"}, "BINARY"));
  EXPECT_TRUE(LastIsOffered({"a append {1+}", " (\\Seen) ~{3+}"}, "binary"));
  EXPECT_TRUE(LastIsOffered({"a APPEND ~/m ~{3+}"}, "BINARY"));
  EXPECT_TRUE(LastIsOffered({"a UID REPLACE 4 m ~{3+}"}, "REPLACE BINARY"));
  EXPECT_TRUE(LastIsOffered({"a APPEND m UTF8 (~{3+}"}, "UTF8=ACCEPT"));
  EXPECT_TRUE(LastIsOffered({"a APPEND m (\\Seen) utf8 (~{3+}"}, "UTF8=ONLY"));
  EXPECT_TRUE(LastIsOffered({"a SETMETADATA m (/private/x ~{3+}"}, "METADATA"));
  EXPECT_FALSE(LastIsOffered({"a APPEND m ~{3+}"}, "IMAP4rev2 UTF8=ACCEPT"));
  EXPECT_FALSE(LastIsOffered({"a APPEND ~{1+}"}, "BINARY"));
  EXPECT_FALSE(LastIsOffered({"a APPEND m UTF8 (~{3+}"}, "BINARY"));
  EXPECT_FALSE(LastIsOffered({"a CREATE ~{3+}"}, "BINARY UTF8=ACCEPT"));
  EXPECT_TRUE(LastIsOffered({"a CREATE {3+}"}, ""));
}

TEST(Extensions, MakeLiteralsBehindAMessageKnown) {
  EXPECT_TRUE(LastIsOffered({"a APPEND {1+}", " {3+}"}, ""));
  EXPECT_TRUE(LastIsOffered({"a REPLACE * {1+}", " {3+}"}, "REPLACE"));
  EXPECT_TRUE(LastIsOffered({"a APPEND m {3+}", " (\\Seen) {3+}", " {3+}"}, "MULTIAPPEND"));
  EXPECT_TRUE(LastIsOffered({"a APPEND m CATENATE (TEXT {3+}", " text {3+}"}, "CATENATE"));
  EXPECT_TRUE(LastIsOffered({"a APPEND {1+}", " catenate (URL {3+}", " TEXT {3+}"}, "CATENATE"));
  EXPECT_TRUE(LastIsOffered({"a APPEND m CATENATE (UTF8 (~{3+}"}, "CATENATE UTF8=ACCEPT"));
  EXPECT_FALSE(LastIsOffered({"a APPEND m CATENATE (TEXT {3+}"}, "MULTIAPPEND"));
  EXPECT_FALSE(LastIsOffered({"a APPEND m {3+}", " {3+}"}, "CATENATE UTF8=ACCEPT"));
  EXPECT_FALSE(LastIsOffered({"a APPEND {1+}", " {3+}", " {3+}"}, ""));
  EXPECT_FALSE(LastIsOffered({"a APPEND ~/m {3+}", " {3+}"}, ""));
  EXPECT_FALSE(LastIsOffered({"a REPLACE 4 m {3+}", " {3+}"}, "REPLACE MULTIAPPEND"));
  EXPECT_FALSE(LastIsOffered({"a UID SEARCH SUBJECT {3+}", " BODY ~{3+}"}, "BINARY"));
}

}  // namespace
}  // namespace roost
