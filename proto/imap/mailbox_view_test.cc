#include "proto/imap/mailbox_view.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "proto/imap/writer.h"

namespace roost {
namespace {

MailboxView Listed(UidSet uids) { return MailboxView(std::move(uids)); }

TEST(MailboxView, IsWhatWasListed) {
  MailboxView view = Listed({{3, 5}, {9, 9}});
  EXPECT_EQ(view.size(), 4u);
  EXPECT_EQ(view.horizon(), 10u);
  EXPECT_EQ(view.UidOf(4), 9u);
  EXPECT_EQ(view.UidOf(5), 0u);
  EXPECT_EQ(view.UidOf(0), 0u);
  EXPECT_EQ(view.NumberOf(5), 3u);
  EXPECT_EQ(view.NumberOf(6), 0u);
  EXPECT_EQ(view.tail_unknown(), 0u);
  EXPECT_EQ(MailboxView().horizon(), 1u);
}

TEST(MailboxView, ExistsAnnouncesMessagesOfUnknownUid) {
  MailboxView view = Listed({{1, 3}});
  EXPECT_TRUE(view.Exists(5));
  EXPECT_EQ(view.size(), 5u);
  EXPECT_EQ(view.tail_unknown(), 2u);
  EXPECT_TRUE(view.CommitTail().empty());
  EXPECT_TRUE(view.FetchedUid(5, 9));
  EXPECT_TRUE(view.CommitTail().empty()) << "number 4 is not known yet";
  EXPECT_EQ(view.UidOf(5), 9u);
  EXPECT_EQ(view.NumberOf(9), 5u);
  EXPECT_EQ(view.tail_unknown(), 1u);
  EXPECT_TRUE(view.FetchedUid(4, 7));
  EXPECT_EQ(view.horizon(), 4u) << "not before it is committed";
  EXPECT_EQ(FormatUidSet(view.CommitTail()), "7,9");
  EXPECT_EQ(FormatUidSet(view.known()), "1:3,7,9");
  EXPECT_EQ(view.horizon(), 10u);
  EXPECT_TRUE(view.CommitTail().empty());
  EXPECT_TRUE(view.ok());
}

TEST(MailboxView, ExistsNeverShrinks) {
  MailboxView view = Listed({{1, 3}});
  EXPECT_TRUE(view.Exists(3));
  EXPECT_FALSE(view.Exists(2));
  EXPECT_FALSE(view.ok());
}

TEST(MailboxView, ExpungeInsideTheTailShiftsIt) {
  MailboxView view = Listed({{1, 2}});
  ASSERT_TRUE(view.Exists(6));  // 3 4 5 6 unknown
  ASSERT_TRUE(view.FetchedUid(5, 15));
  MailboxView::Expunged gone = view.Expunge(4);
  EXPECT_TRUE(gone.ok);
  EXPECT_EQ(gone.uid, 0u);
  EXPECT_FALSE(gone.was_known);
  EXPECT_EQ(view.UidOf(4), 15u);
  EXPECT_EQ(view.UidOf(5), 0u);
  gone = view.Expunge(1);
  EXPECT_EQ(gone.uid, 1u);
  EXPECT_TRUE(gone.was_known);
  EXPECT_EQ(view.UidOf(3), 15u);
  gone = view.Expunge(2);
  EXPECT_EQ(gone.uid, 0u);
  EXPECT_EQ(FormatUidSet(view.CommitTail()), "15") << "what was in front of it is gone";
  EXPECT_EQ(view.size(), 3u);
  EXPECT_EQ(view.tail_unknown(), 1u);
  EXPECT_FALSE(view.Expunge(4).ok);
  EXPECT_FALSE(view.ok());
}

TEST(MailboxView, AMessageGoneBeforeItsUidWasCommittedIsNotKnown) {
  MailboxView view = Listed({{1, 2}});
  ASSERT_TRUE(view.Exists(3));
  ASSERT_TRUE(view.FetchedUid(3, 8));
  MailboxView::Expunged gone = view.Expunge(3);
  EXPECT_EQ(gone.uid, 8u);
  EXPECT_FALSE(gone.was_known);
  EXPECT_TRUE(view.CommitTail().empty());
  EXPECT_EQ(view.size(), 2u);
}

TEST(MailboxView, UidsThatContradictAreRefused) {
  auto with_tail = [] {
    MailboxView view = Listed({{1, 5}});
    EXPECT_TRUE(view.Exists(10));
    EXPECT_TRUE(view.FetchedUid(8, 20));
    return view;
  };
  EXPECT_TRUE(with_tail().FetchedUid(3, 3));
  EXPECT_TRUE(with_tail().FetchedUid(8, 20));
  EXPECT_TRUE(with_tail().FetchedUid(7, 19));
  EXPECT_TRUE(with_tail().FetchedUid(6, 18));
  EXPECT_TRUE(with_tail().FetchedUid(10, 22));
  for (auto [n, uid] : {std::pair{0, 1},
                        {11, 99},
                        {3, 4},
                        {8, 21},
                        {7, 20},
                        {7, 6},
                        {6, 19},
                        {6, 5},
                        {9, 20},
                        {10, 21},
                        {9, 0}}) {
    MailboxView view = with_tail();
    EXPECT_FALSE(view.FetchedUid(static_cast<uint32_t>(n), static_cast<uint32_t>(uid))) << n;
    EXPECT_FALSE(view.ok());
  }
}

TEST(MailboxView, VanishedRemovesByUid) {
  MailboxView view = Listed({{1, 10}});
  MailboxView::VanishedResult result = view.Vanished({{3, 4}, {8, 8}, {50, 60}});
  EXPECT_TRUE(result.exact);
  EXPECT_EQ(FormatUidSet(result.removed), "3:4,8");
  EXPECT_EQ(view.size(), 7u);
  ASSERT_TRUE(view.Exists(9));
  ASSERT_TRUE(view.FetchedUid(8, 20));
  result = view.Vanished({{20, 20}});
  EXPECT_TRUE(result.exact);
  EXPECT_TRUE(result.removed.empty());
  EXPECT_EQ(result.removed_from_tail, 1u);
  EXPECT_EQ(view.size(), 8u);
  EXPECT_EQ(view.tail_unknown(), 1u);
  result = view.Vanished({{5, 5}, {2, 2}});
  EXPECT_TRUE(result.exact) << "below every message of unknown UID";
  result = view.Vanished({{21, 21}});
  EXPECT_FALSE(result.exact) << "it may be the one of unknown UID, or never have been there";
  EXPECT_FALSE(view.ok());
}

TEST(MailboxView, UidNextMovesTheHorizon) {
  MailboxView view = Listed({{1, 5}});
  view.NoteUidNext(100);
  EXPECT_EQ(view.horizon(), 100u);
  view.NoteUidNext(50);
  EXPECT_EQ(view.horizon(), 100u) << "never back";
  ASSERT_TRUE(view.Exists(6));
  EXPECT_FALSE(MailboxView(view).FetchedUid(6, 99)) << "below the horizon all is decided";
  EXPECT_TRUE(view.FetchedUid(6, 100));
  view.CommitTail();
  EXPECT_EQ(view.horizon(), 101u);
  view.Expunge(6);
  EXPECT_EQ(view.horizon(), 101u);
}

TEST(MailboxView, UidNextCountsOnlyWhenTheTailBeforeItIsDecided) {
  MailboxView view = Listed({{1, 5}});
  ASSERT_TRUE(view.Exists(7));
  view.NoteUidNext(100);
  ASSERT_TRUE(view.Exists(8));
  EXPECT_EQ(view.horizon(), 6u);
  EXPECT_FALSE(MailboxView(view).FetchedUid(7, 100));
  EXPECT_FALSE(MailboxView(view).FetchedUid(6, 99)) << "no room for number 7";
  EXPECT_FALSE(MailboxView(view).FetchedUid(8, 99));
  ASSERT_TRUE(view.FetchedUid(6, 50));
  view.CommitTail();
  EXPECT_EQ(view.horizon(), 51u);
  view.Expunge(7);
  EXPECT_EQ(view.horizon(), 100u) << "the last one it spoke of is gone";
  EXPECT_EQ(view.tail_unknown(), 1u);
  EXPECT_TRUE(view.FetchedUid(7, 100));
}

TEST(MailboxView, DecidesTheVeryLastUidToo) {
  MailboxView view(UidSet{{7, 7}, {UidSet::kMaxUid, UidSet::kMaxUid}});
  EXPECT_EQ(view.horizon(), uint64_t{1} << 32);
  EXPECT_TRUE(view.Expunge(2).was_known);
  EXPECT_EQ(view.horizon(), uint64_t{1} << 32);
  MailboxView empty;
  empty.NoteUidNext(uint64_t{1} << 32);
  EXPECT_EQ(empty.horizon(), uint64_t{1} << 32);
  EXPECT_TRUE(empty.Exists(1));
  EXPECT_FALSE(empty.FetchedUid(1, UidSet::kMaxUid)) << "there are no more UIDs";
}

TEST(MailboxView, IsSmall) {
  EXPECT_LE(sizeof(MailboxView), 48u);
  EXPECT_EQ(Listed({{1, 1000}}).memory_bytes(), 0u);
  MailboxView view = Listed({{1, 1000}});
  ASSERT_TRUE(view.Exists(4000000000u));
  EXPECT_EQ(view.memory_bytes(), 0u) << "a count is all that is known";
}

TEST(MailboxView, UidsLearnedOutOfOrderAreRememberedUpToABound) {
  constexpr uint32_t kCount = MailboxView::kMaxScattered + 1000;
  MailboxView view;
  ASSERT_TRUE(view.Exists(2 * kCount));
  for (uint32_t n = 2; n <= 2 * kCount; n += 2) ASSERT_TRUE(view.FetchedUid(n, n + 5));
  EXPECT_EQ(view.tail_unknown(), 2 * kCount - MailboxView::kMaxScattered);
  EXPECT_EQ(view.UidOf(2 * kCount), 0u) << "forgotten, not wrong";
  EXPECT_TRUE(view.ok());
  EXPECT_LT(view.memory_bytes(), 512u * 1024u);
}

// ---- Against a store that nobody doubts ----

// A store's session, and a view that is told of it in random order.
class ModelSession {
 public:
  explicit ModelSession(uint32_t seed) : random_(seed) {}

  void Step() {
    switch (random_() % 8) {
      case 0:
      case 1:
        Deliver();
        break;
      case 2:
        Expunge();
        break;
      case 3:
        Vanish();
        break;
      case 4:
      case 5:
        Fetch();
        break;
      case 6:
        Commit();
        break;
      default:
        if (random_() % 4 == 0) view_.NoteUidNext(uid_next_);
        break;
    }
    Check();
  }

 private:
  struct Message {
    uint32_t uid;
    bool learned;
  };

  void Deliver() {
    for (int i = 1 + random_() % 4; i > 0; --i) {
      uid_next_ += random_() % 3;
      messages_.push_back({uid_next_++, false});
    }
    ASSERT_TRUE(view_.Exists(static_cast<uint32_t>(messages_.size())));
  }
  void Expunge() {
    if (messages_.empty()) return;
    uint32_t index = random_() % messages_.size();
    Message gone = messages_[index];
    messages_.erase(messages_.begin() + index);
    MailboxView::Expunged result = view_.Expunge(index + 1);
    ASSERT_TRUE(result.ok);
    ASSERT_EQ(result.uid, gone.learned ? gone.uid : 0);
    ASSERT_EQ(result.was_known, committed_.erase(gone.uid) == 1);
  }
  // Names only messages whose UID was learned, and others that are long gone.
  void Vanish() {
    UidSet uids;
    uint32_t known = 0, in_tail = 0;
    for (size_t i = 0; i < messages_.size();) {
      if (!messages_[i].learned || random_() % 6 != 0) {
        ++i;
        continue;
      }
      uids.Insert(messages_[i].uid);
      (committed_.erase(messages_[i].uid) == 1 ? known : in_tail) += 1;
      messages_.erase(messages_.begin() + static_cast<ptrdiff_t>(i));
    }
    uint32_t decided = view_.horizon();
    for (uint32_t uid = 1; uid < decided; ++uid) {
      bool there = std::any_of(messages_.begin(), messages_.end(),
                               [&](const Message& m) { return m.uid == uid; });
      if (!there && random_() % 20 == 0) uids.Insert(uid);
    }
    MailboxView::VanishedResult result = view_.Vanished(uids);
    ASSERT_TRUE(result.exact);
    ASSERT_EQ(result.removed.size(), known);
    ASSERT_EQ(result.removed_from_tail, in_tail);
  }
  void Fetch() {
    if (messages_.empty()) return;
    uint32_t index = random_() % messages_.size();
    // Mostly the first that is not known.
    if (random_() % 2 == 0) {
      index = 0;
      while (index + 1 < messages_.size() && messages_[index].learned) ++index;
    }
    messages_[index].learned = true;
    ASSERT_TRUE(view_.FetchedUid(index + 1, messages_[index].uid));
  }
  void Commit() {
    std::vector<uint32_t> expected;
    for (const Message& message : messages_) {
      if (!message.learned) break;
      if (committed_.insert(message.uid).second) expected.push_back(message.uid);
    }
    std::vector<uint32_t> news;
    view_.CommitTail().ForEach([&](uint32_t uid) { news.push_back(uid); });
    ASSERT_EQ(news, expected);
  }
  void Check() {
    ASSERT_TRUE(view_.ok());
    ASSERT_EQ(view_.size(), messages_.size());
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < messages_.size(); ++i) {
      const Message& message = messages_[i];
      unknown += !message.learned;
      ASSERT_EQ(view_.UidOf(i + 1), message.learned ? message.uid : 0);
      ASSERT_EQ(view_.NumberOf(message.uid), message.learned ? i + 1 : 0);
      if (message.uid < view_.horizon()) {
        ASSERT_TRUE(view_.known().Contains(message.uid));
      }
    }
    ASSERT_EQ(view_.tail_unknown(), unknown);
    ASSERT_EQ(view_.known().size(), committed_.size());
    for (uint32_t uid : committed_) ASSERT_TRUE(view_.known().Contains(uid));
    ASSERT_LE(view_.horizon(), uid_next_);
    ASSERT_GE(view_.horizon(), horizon_);
    horizon_ = view_.horizon();
    view_.known().CheckInvariants();
  }

  std::mt19937 random_;
  std::vector<Message> messages_;
  std::set<uint32_t> committed_;
  uint32_t uid_next_ = 1;
  uint32_t horizon_ = 1;
  MailboxView view_;
};

TEST(MailboxView, IsExactUnderRandomInterleavings) {
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    ModelSession session(seed);
    for (int step = 0; step < 150; ++step) {
      session.Step();
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace roost
