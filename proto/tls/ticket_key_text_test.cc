#include "proto/tls/ticket_key_text.h"

#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

std::string Key(char c) { return std::string(64, c); }

std::string ErrorOf(const std::string& text) {
  TicketKeys keys;
  std::string error;
  EXPECT_FALSE(ParseTicketKeys(text, &keys, &error)) << text;
  EXPECT_EQ(keys.current, TicketKey{});
  return error;
}

TEST(TicketKeyText, GivesUpToThreeKeysInAnyOrder) {
  TicketKeys keys;
  std::string error;
  ASSERT_TRUE(ParseTicketKeys(
      "# keys\n\n  current\t" + Key('B') + " \r\nprevious " + Key('C') + "\nnext " + Key('D'),
      &keys, &error))
      << error;
  EXPECT_EQ(keys.current[0], 0x04);  // BBBB…
  EXPECT_EQ(keys.previous[0], 0x08);
  EXPECT_EQ(keys.next[0], 0x0c);
  EXPECT_EQ(FormatTicketKeys(keys),
            "next " + Key('D') + "\ncurrent " + Key('B') + "\nprevious " + Key('C') + "\n");
  ASSERT_TRUE(ParseTicketKeys("current " + Key('B') + "\n", &keys, &error));
  EXPECT_EQ(keys.next, TicketKey{});
  EXPECT_EQ(keys.previous, TicketKey{});
}

TEST(TicketKeyText, SaysWhichLineIsWrongAndNothingOfAKey) {
  EXPECT_EQ(ErrorOf(""), "no line gives the current key");
  EXPECT_EQ(ErrorOf("next " + Key('B')), "no line gives the current key");
  EXPECT_EQ(ErrorOf("current " + Key('B') + "\ncurrent " + Key('C')),
            "line 2: gives a key that a line before has given");
  EXPECT_EQ(ErrorOf("\nfirst " + Key('B')),
            "line 2: begins with none of next, current and previous");
  for (const std::string& value : {std::string(), Key('B') + "BBBB", std::string(60, 'B'), Key('!'),
                                   Key('A'), std::string(62, 'B') + "=="}) {
    EXPECT_EQ(ErrorOf("current " + value), "line 1: does not hold 48 bytes in base64") << value;
  }
  EXPECT_EQ(
      ErrorOf("current " + Key('B') + "\nnext " + std::string(40, 'B') + std::string(24, 'C')),
      "two keys have the same first 16 bytes, which are their name");
  EXPECT_EQ(ErrorOf(std::string(5000, '\n')), "is too long for a file of ticket keys");
}

TEST(TicketKeyText, IsUnderstoodWholeOnly) {
  const std::string text = "current " + Key('B') + "\nnext " + Key('C') + "\n";
  const size_t first = text.find('\n');
  for (size_t size = 0; size < text.size(); ++size) {
    TicketKeys keys;
    std::string error;
    const bool whole = size == first || size == first + 1 || size == text.size() - 1;
    EXPECT_EQ(ParseTicketKeys(text.substr(0, size), &keys, &error), whole) << size;
  }
}

TEST(TicketKeyText, RotatesSoThatTheOldTextDecryptsWhatTheNewOneEncrypts) {
  const TicketKeys old = TicketKeys::Random();
  const TicketKeys rotated = Rotated(old);
  EXPECT_EQ(rotated.current, old.next);
  EXPECT_EQ(rotated.previous, old.current);
  EXPECT_NE(rotated.next, TicketKey{});
  EXPECT_NE(rotated.next, old.next);
  TicketKeys alone;
  alone.current = old.current;
  const TicketKeys more = Rotated(alone);
  EXPECT_EQ(more.previous, old.current);
  EXPECT_NE(more.current, TicketKey{});
  EXPECT_NE(more.next, more.current);
}

}  // namespace
}  // namespace roost
