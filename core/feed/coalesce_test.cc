// Coalescing against a naive model: what a client at each cursor believes after it was told what
// the log holds, before and after.
#include "core/feed/coalesce.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/rng.h"
#include "core/feed/render.h"

namespace roost {
namespace {

struct Believed {
  uint32_t uid = 0;
  std::string flags;
  uint64_t modseq = 0;
  friend bool operator==(const Believed&, const Believed&) = default;
};

// A client that believes what it is told, and holds the teller to the protocol.
class Believer {
 public:
  explicit Believer(std::vector<Believed> messages) : messages_(std::move(messages)) {}

  // `arrived`: UIDs that the EXISTS in it stands for; a client would ask.
  void Hear(const std::string& told, const UidSet& arrived) {
    std::istringstream lines(told);
    std::string line;
    while (std::getline(lines, line)) {
      ASSERT_EQ(line.back(), '\r');
      line.pop_back();
      HearLine(line, arrived);
    }
  }

  const std::vector<Believed>& messages() const { return messages_; }

 private:
  void HearLine(const std::string& line, const UidSet& arrived) {
    std::istringstream words(line);
    std::string star, first, kind;
    words >> star >> first >> kind;
    if (first == "VANISHED") {
      for (uint32_t uid : Expand(kind)) {
        ASSERT_EQ(std::erase_if(messages_, [uid](const Believed& b) { return b.uid == uid; }), 1u)
            << line;
      }
    } else if (kind == "EXPUNGE") {
      const size_t number = std::stoul(first);
      ASSERT_TRUE(number >= 1 && number <= messages_.size()) << line;
      messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(number - 1));
    } else if (kind == "EXISTS") {
      const size_t count = std::stoul(first);
      ASSERT_EQ(count, messages_.size() + arrived.size()) << line;
      arrived.ForEach([&](uint32_t uid) { messages_.push_back({uid, "?", 0}); });
    } else if (kind == "FETCH") {
      const size_t number = std::stoul(first);
      ASSERT_TRUE(number >= 1 && number <= messages_.size()) << line;
      Believed& b = messages_[number - 1];
      const size_t flags = line.find("FLAGS (") + 7;
      b.flags = line.substr(flags, line.find(')', flags) - flags);
      if (const size_t at = line.find("MODSEQ ("); at != std::string::npos) {
        b.modseq = std::stoull(line.substr(at + 8));
        EXPECT_EQ(std::stoul(line.substr(line.find("UID ") + 4)), b.uid) << line;
      }
    }
  }

  static std::vector<uint32_t> Expand(const std::string& set) {
    std::vector<uint32_t> uids;
    std::istringstream parts(set);
    std::string part;
    while (std::getline(parts, part, ',')) {
      const size_t colon = part.find(':');
      const auto first = static_cast<uint32_t>(std::stoul(part));
      const auto last = colon == std::string::npos
                            ? first
                            : static_cast<uint32_t>(std::stoul(part.substr(colon + 1)));
      for (uint32_t uid = first; uid <= last; ++uid) uids.push_back(uid);
    }
    return uids;
  }

  std::vector<Believed> messages_;
};

UidSet ViewAt(const std::vector<FeedLog::Numbered>& log, uint64_t cursor, UidSet view) {
  for (auto it = log.rbegin(); it != log.rend() && it->seq >= cursor; ++it) {
    if (it->entry.kind == FeedEvent::Kind::kExists) view.RemoveSet(it->entry.uids);
    if (it->entry.kind == FeedEvent::Kind::kExpunge) view.InsertSet(it->entry.uids);
  }
  return view;
}

std::string RenderFrom(const std::vector<FeedLog::Numbered>& log, uint64_t cursor,
                       EnabledSet enabled) {
  std::string out;
  for (const FeedLog::Numbered& n : log) {
    if (n.seq >= cursor) RenderEvent(n.entry, enabled, false, &out);
  }
  return out;
}

// A mailbox that lives for a while, its log, and the truth at every point of it.
class World {
 public:
  explicit World(uint64_t seed) : rng_(seed) {
    for (uint32_t i = 0; i < 8; ++i) {
      truth_.push_back({next_uid_, "", 1});
      view_.Insert(next_uid_);
      next_uid_ += 1 + static_cast<uint32_t>(rng_.Below(3));
    }
    Remember();
  }

  void Step() {
    const uint64_t what = rng_.Below(10);
    if (what < 2) return Arrive();
    if (what < 4 && !truth_.empty()) return Expunge();
    if (what == 4) return Line();
    if (!truth_.empty()) Flag();
  }

  uint64_t head() const { return next_seq_; }
  Rng& rng() { return rng_; }
  const UidSet& view() const { return view_; }
  // What a client whose cursor is there believes.
  const std::vector<Believed>& TruthAt(uint64_t cursor) const { return past_.at(cursor); }
  const std::vector<Believed>& truth() const { return truth_; }
  std::vector<FeedLog::Numbered> log;

 private:
  void Add(FeedEvent event) {
    log.push_back({next_seq_, std::move(event)});
    next_seq_ += 1 + rng_.Below(2);  // numbers may have been left out before
    Remember();
  }
  void Remember() {
    for (uint64_t seq = past_.empty() ? 1 : past_.rbegin()->first + 1; seq <= next_seq_; ++seq) {
      past_[seq] = truth_;
    }
  }
  void Arrive() {
    FeedEvent event;
    event.kind = FeedEvent::Kind::kExists;
    for (uint64_t n = 1 + rng_.Below(3); n > 0; --n) {
      event.uids.Insert(next_uid_);
      view_.Insert(next_uid_);
      truth_.push_back({next_uid_, "?", 0});
      next_uid_ += 1 + static_cast<uint32_t>(rng_.Below(3));
    }
    event.number = view_.size();
    Add(std::move(event));
  }
  void Expunge() {
    FeedEvent event;
    event.kind = FeedEvent::Kind::kExpunge;
    for (uint64_t n = 1 + rng_.Below(3); n > 0; --n) event.uids.Insert(Any().uid);
    event.numbers = NumbersOf(event.uids, view_);
    view_.RemoveSet(event.uids);
    std::erase_if(truth_, [&](const Believed& b) { return event.uids.Contains(b.uid); });
    event.number = view_.size();
    Add(std::move(event));
  }
  void Flag() {
    static const char* const kFlags[] = {"", "\\Seen", "\\Seen \\Flagged", "$x"};
    FeedEvent event;
    event.kind = FeedEvent::Kind::kFlags;
    event.text = kFlags[rng_.Below(4)];
    event.modseq = ++modseq_;
    for (uint64_t n = 1 + rng_.Below(2); n > 0; --n) event.uids.Insert(Any().uid);
    if (event.uids.size() > 1 && rng_.Chance(0.5)) {
      event.modseqs = {modseq_, modseq_ + 1};
      ++modseq_;
    }
    event.numbers = NumbersOf(event.uids, view_);
    event.ForEachFlagged([&](uint32_t uid, uint64_t modseq) {
      for (Believed& b : truth_) {
        if (b.uid == uid) b = {uid, event.text, modseq};
      }
    });
    Add(std::move(event));
  }
  void Line() {
    FeedEvent event;
    event.text = rng_.Chance(0.5) ? "* FLAGS (\\Seen $x" + std::to_string(next_seq_) + ")\r\n"
                                  : "* OK [ALERT] " + std::to_string(rng_.Below(3)) + "\r\n";
    Add(std::move(event));
  }
  const Believed& Any() { return truth_[rng_.Below(truth_.size())]; }

  Rng rng_;
  uint32_t next_uid_ = 1;
  uint64_t next_seq_ = 1;
  uint64_t modseq_ = 1;
  UidSet view_;
  std::vector<Believed> truth_;
  std::map<uint64_t, std::vector<Believed>> past_;
};

void ExpectSame(const World& world, const std::vector<FeedLog::Numbered>& coalesced,
                uint64_t cursor, const char* names) {
  const EnabledSet enabled = EnabledSet::Parse(names);
  Believer client(world.TruthAt(cursor));
  for (const FeedLog::Numbered& n : coalesced) {
    if (n.seq < cursor) continue;
    std::string told;
    RenderEvent(n.entry, enabled, false, &told);
    client.Hear(told, n.entry.uids);
  }
  std::vector<Believed> truth = world.truth();
  if (!enabled.condstore()) {  // it hears of no MODSEQ: what it knew stays
    std::map<uint32_t, uint64_t> had;
    for (const Believed& b : world.TruthAt(cursor)) had[b.uid] = b.modseq;
    for (Believed& b : truth) b.modseq = had[b.uid];
  }
  EXPECT_EQ(client.messages(), truth);
}

class CoalesceProperty : public ::testing::TestWithParam<int> {};

TEST_P(CoalesceProperty, TellsEveryCursorTheSameByLess) {
  for (uint64_t round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    World world(static_cast<uint64_t>(GetParam()) * 1000 + round);
    const uint64_t steps = 1 + world.rng().Below(60);
    for (uint64_t i = 0; i < steps; ++i) world.Step();
    std::set<uint64_t> chosen;
    for (uint64_t n = 1 + world.rng().Below(5); n > 0; --n) {
      chosen.insert(world.rng().Between(1, world.head()));
    }
    const std::vector<uint64_t> cursors(chosen.begin(), chosen.end());
    const auto coalesced = Coalesce(world.log, cursors, world.view());
    ASSERT_TRUE(coalesced);
    ASSERT_LE(coalesced->size(), world.log.size());
    uint64_t least = cursors.front();
    for (const FeedLog::Numbered& n : *coalesced) {
      ASSERT_GE(n.seq, least);
      ASSERT_LT(n.seq, world.head());
      least = n.seq + 1;
    }
    for (uint64_t cursor : cursors) {
      SCOPED_TRACE("cursor " + std::to_string(cursor));
      EXPECT_EQ(ViewAt(*coalesced, cursor, world.view()), ViewAt(world.log, cursor, world.view()));
      for (const char* names : {"", "CONDSTORE", "QRESYNC"}) {
        ExpectSame(world, *coalesced, cursor, names);
      }
    }
    // Twice is as good as once.
    const auto again = Coalesce(*coalesced, cursors, world.view());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->size(), coalesced->size());
  }
}

TEST_P(CoalesceProperty, TellsNoModseqBeforeAnExpungeThatIsOwedWithIt) {
  for (uint64_t round = 0; round < 60; ++round) {
    World world(static_cast<uint64_t>(GetParam()) * 777 + round);
    for (int i = 0; i < 40; ++i) world.Step();
    const auto coalesced = Coalesce(world.log, {1}, world.view());
    ASSERT_TRUE(coalesced);
    // From one cursor: all expunges, then arrivals, then lines, then flags, each kind of event at
    // most once but flags.
    int rank = -1, expunges = 0, exists = 0;
    for (const FeedLog::Numbered& n : *coalesced) {
      const auto kind = n.entry.kind;
      expunges += kind == FeedEvent::Kind::kExpunge ? 1 : 0;
      exists += kind == FeedEvent::Kind::kExists ? 1 : 0;
      const int now = kind == FeedEvent::Kind::kExpunge  ? 0
                      : kind == FeedEvent::Kind::kExists ? 1
                      : kind == FeedEvent::Kind::kLine   ? 2
                                                         : 3;
      EXPECT_GE(now, rank);
      rank = now;
    }
    EXPECT_LE(expunges, 1);
    EXPECT_LE(exists, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CoalesceProperty, ::testing::Range(0, 10));

FeedEvent Flags(uint32_t uid, uint32_t number, std::string text) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kFlags;
  event.uids = {{uid, uid}};
  event.numbers = {{number, number}};
  event.text = std::move(text);
  return event;
}

TEST(Coalesce, KeepsOneEventForManyMessagesWithTheSameFlags) {
  std::vector<FeedLog::Numbered> log;
  UidSet view;
  for (uint32_t uid = 1; uid <= 1000; ++uid) {
    view.Insert(uid);
    log.push_back({uid, Flags(uid, uid, "\\Seen")});
    log.back().entry.modseq = uid % 2 == 0 ? 7 : 8;
  }
  const auto coalesced = Coalesce(std::move(log), {1}, view);
  ASSERT_TRUE(coalesced);
  ASSERT_EQ(coalesced->size(), 1u);
  std::string out;
  RenderEvent(coalesced->front().entry, EnabledSet::Parse("CONDSTORE"), false, &out);
  EXPECT_TRUE(
      out.starts_with("* 1 FETCH (UID 1 MODSEQ (8) FLAGS (\\Seen))\r\n"
                      "* 2 FETCH (UID 2 MODSEQ (7) FLAGS (\\Seen))\r\n"));
}

TEST(Coalesce, TellsAnAlertOnceAndOfFlagsTheLast) {
  std::vector<FeedLog::Numbered> log(4);
  log[0].entry.text = "* OK [ALERT] Disk\r\n";
  log[1].entry.text = "* FLAGS ($a)\r\n";
  log[2].entry.text = "* OK [ALERT] Disk\r\n";
  log[3].entry.text = "* FLAGS ($a $b)\r\n";
  for (uint64_t i = 0; i < 4; ++i) log[i].seq = i + 1;
  const auto coalesced = Coalesce(std::move(log), {1}, {});
  ASSERT_TRUE(coalesced);
  EXPECT_EQ(RenderFrom(*coalesced, 1, {}), "* OK [ALERT] Disk\r\n* FLAGS ($a $b)\r\n");
}

TEST(Coalesce, DropsWhatNobodyReads) {
  std::vector<FeedLog::Numbered> log;
  log.push_back({1, Flags(1, 1, "\\Seen")});
  EXPECT_TRUE(Coalesce(log, {2}, {{1, 1}})->empty());
  EXPECT_TRUE(Coalesce(log, {}, {{1, 1}})->empty());
}

TEST(GroupFlags, TakesTheLastOfEachMessageThatIsThere) {
  const std::vector<FlagChange> changes = {
      {1, 5, "\\Seen"}, {2, 6, ""}, {1, 7, ""}, {3, 8, "$x"}, {9, 9, ""}};
  const std::vector<FeedEvent> events = GroupFlags(changes, {{1, 3}});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].uids, (UidSet{{1, 2}}));
  EXPECT_EQ(events[0].modseqs, (std::vector<uint64_t>{7, 6}));
  EXPECT_EQ(events[1].text, "$x");
  EXPECT_EQ(events[1].numbers, (UidSet{{3, 3}}));
}

}  // namespace
}  // namespace roost
