#include "core/feed/render.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

EnabledSet Class(std::string_view names) { return EnabledSet::Parse(names); }

std::string Rendered(const FeedEvent& event, std::string_view names, bool no_modseq = false) {
  std::string out;
  RenderEvent(event, Class(names), no_modseq, &out);
  return out;
}

FeedEvent Expunge(UidSet uids, UidSet numbers) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExpunge;
  event.uids = std::move(uids);
  event.numbers = std::move(numbers);
  return event;
}

TEST(Render, TellsPlainClientsExpungesInDescendingOrder) {
  EXPECT_EQ(Rendered(Expunge({{11, 12}, {20, 20}}, {{2, 3}, {7, 7}}), ""),
            "* 7 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n");
}

TEST(Render, TellsCondstoreClientsExpungesAsPlainOnes) {
  EXPECT_EQ(Rendered(Expunge({{11, 11}}, {{2, 2}}), "CONDSTORE"), "* 2 EXPUNGE\r\n");
}

TEST(Render, TellsQresyncClientsVanished) {
  EXPECT_EQ(Rendered(Expunge({{11, 12}, {20, 20}}, {{2, 3}, {7, 7}}), "QRESYNC"),
            "* VANISHED 11:12,20\r\n");
}

TEST(Render, TellsQresyncClientsOfAMailboxWithoutModseqExpunges) {
  EXPECT_EQ(Rendered(Expunge({{11, 11}}, {{2, 2}}), "QRESYNC", true), "* 2 EXPUNGE\r\n");
}

TEST(Render, CutsVeryLongVanishedIntoLines) {
  UidSet uids, numbers;
  for (uint32_t i = 1; i <= 4000; ++i) uids.Insert(i * 1000), numbers.Insert(i);
  const std::string out = Rendered(Expunge(uids, numbers), "QRESYNC");
  size_t begin = 0, lines = 0;
  for (size_t end; (end = out.find("\r\n", begin)) != std::string::npos; begin = end + 2, ++lines) {
    EXPECT_LE(end - begin, 8100u);
    EXPECT_TRUE(out.substr(begin).starts_with("* VANISHED "));
  }
  EXPECT_GT(lines, 1u);
}

TEST(Render, TellsFlagsWithUidAndModseqOnlyToWhoEnabledThem) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kFlags;
  event.uids = {{44, 44}};
  event.numbers = {{4, 4}};
  event.modseq = 99;
  event.text = "\\Seen $x";
  EXPECT_EQ(Rendered(event, ""), "* 4 FETCH (FLAGS (\\Seen $x))\r\n");
  EXPECT_EQ(Rendered(event, "CONDSTORE"), "* 4 FETCH (UID 44 MODSEQ (99) FLAGS (\\Seen $x))\r\n");
  // RFC 7162, 3.2.4: the UID in any case.
  EXPECT_EQ(Rendered(event, "CONDSTORE", true), "* 4 FETCH (UID 44 FLAGS (\\Seen $x))\r\n");
  // RFC 9051, 7.5.2
  EXPECT_EQ(Rendered(event, "IMAP4REV2"), "* 4 FETCH (UID 44 FLAGS (\\Seen $x))\r\n");
  EXPECT_EQ(Rendered(event, "IMAP4REV2 CONDSTORE"),
            "* 4 FETCH (UID 44 MODSEQ (99) FLAGS (\\Seen $x))\r\n");
  EXPECT_EQ(Rendered(event, "UTF8=ACCEPT"), "* 4 FETCH (FLAGS (\\Seen $x))\r\n");
}

TEST(Render, TellsTheCountOfMessages) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExists;
  event.number = 12;
  EXPECT_EQ(Rendered(event, "QRESYNC"), "* 12 EXISTS\r\n");
}

TEST(Render, LeavesRecentOutOfCanonicalFlags) {
  EXPECT_EQ(CanonicalFlags("\\Seen \\Recent $x"), "\\Seen $x");
  EXPECT_EQ(CanonicalFlags("\\recent"), "");
  EXPECT_EQ(CanonicalFlags(""), "");
  EXPECT_EQ(CanonicalFlags("$Recent"), "$Recent");
}

TEST(Render, FindsNumbersInTheViewBefore) {
  EXPECT_EQ(NumbersOf({{12, 12}, {30, 30}}, {{10, 14}, {30, 31}}), (UidSet{{3, 3}, {6, 6}}));
  EXPECT_EQ(NumbersOf({{1, 20}, {31, 40}}, {{10, 14}, {30, 31}}), (UidSet{{1, 5}, {7, 7}}));
}

// It was walked message by message: a range of a few bytes took a minute.
TEST(Render, FindsTheNumbersOfBillionsAtOnce) {
  EXPECT_EQ(NumbersOf({{11, 4'000'000'000}}, {{10, 4'000'000'001}}), (UidSet{{2, 3'999'999'991}}));
}

// What is rendered is bounded by that: it must not be less, nor so much more that it bounds others.
TEST(Render, KnowsHowMuchItWillBeAtMost) {
  constexpr uint32_t kFirst = 1'000'000'000, kLast = kFirst + 9999;
  FeedEvent flags;
  flags.kind = FeedEvent::Kind::kFlags;
  flags.uids = flags.numbers = {{kFirst, kLast}};
  flags.modseq = UINT64_MAX;
  flags.text = "\\Seen $Forwarded";
  UidSet odd;
  for (uint32_t uid = kFirst; uid < kLast; uid += 2) odd.Insert(uid), odd.Insert(uid + 1), ++uid;
  FeedEvent line;
  line.text = "* OK [ALERT] Disk full\r\n";
  FeedEvent exists;
  exists.kind = FeedEvent::Kind::kExists;
  exists.number = UINT32_MAX;
  for (const FeedEvent& event :
       {Expunge(flags.uids, flags.uids), Expunge(odd, odd), flags, line, exists}) {
    for (const char* names : {"", "CONDSTORE", "QRESYNC", "IMAP4rev2"}) {
      const size_t bytes = Rendered(event, names).size();
      const size_t most = RenderedAtMost(event, Class(names), false);
      EXPECT_GE(most, bytes) << names;
      EXPECT_LE(most, 3 * bytes + 100) << names;
    }
  }
}

}  // namespace
}  // namespace roost
