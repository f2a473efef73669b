#include "core/park/feeds.h"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};

class FeedsTest : public ::testing::Test {
 protected:
  // Logs in and selects `mailbox`; its session is the next one.
  size_t SelectIt(const std::string& mailbox, std::string_view user = "ann",
                  uint32_t validity = 7) {
    const size_t session = world_.sessions_seen();
    const size_t client = world_.LogIn(user);
    world_.Say(client, "s SELECT " + mailbox);
    world_.AnswerSelect(session, "SELECT " + mailbox, {.uids = kUids, .validity = validity});
    world_.HearUntil(client, "s");
    return client;
  }
  // As the first of its feed.
  size_t Park(const std::string& mailbox, std::string_view user = "ann") {
    const size_t session = world_.sessions_seen();
    const size_t client = SelectIt(mailbox, user);
    world_.ParkFirst(client, session, kUids);
    return client;
  }
  // As another of session 0's feed.
  size_t Join(const std::string& mailbox) {
    const size_t session = world_.sessions_seen();
    const size_t client = SelectIt(mailbox);
    world_.Join(client, session, 0, kUids);
    return client;
  }
  void Gone(size_t client) {
    world_.Hang(client);
    world_.Pass(0.5);
  }
  uint64_t feeds() { return world_.figures().feeds.feeds; }

  ScriptedWorld world_;
};

TEST_F(FeedsTest, AreFoundByTheMailboxAndItsUser) {
  Park("Lists");
  Join("Lists");
  EXPECT_EQ(feeds(), 1u);
  Park("Lists", "bob");
  EXPECT_EQ(feeds(), 2u);
}

TEST_F(FeedsTest, TakeNoTwoNamesForOneMailboxButThoseOfInbox) {
  Park("Lists");
  Park("lists");
  EXPECT_EQ(feeds(), 2u);
  Park("Lists/");
  EXPECT_EQ(feeds(), 3u);
  Park("INBOX");
  EXPECT_EQ(feeds(), 4u);
  const size_t session = world_.sessions_seen();
  const size_t client = world_.LogIn();
  world_.Say(client, "s SELECT inbox");
  const std::string line = world_.NextAsked(session);
  EXPECT_EQ(line.substr(0, 9), "s SELECT ");
  world_.Tell(session, "* 2 EXISTS");
  world_.Tell(session, "* OK [UIDVALIDITY 7] x");
  world_.Tell(session, "* OK [UIDNEXT 3] x");
  world_.Tell(session, "s OK [READ-WRITE] done");
  world_.HearUntil(client, "s");
  world_.Join(client, session, 3, kUids);
  EXPECT_EQ(feeds(), 4u);
  EXPECT_EQ(world_.figures().parked, 5u);
}

TEST_F(FeedsTest, AreDroppedWithTheirLastSubscriberAndNotBefore) {
  const size_t first = Park("INBOX");
  const size_t second = Join("INBOX");
  Gone(first);  // whose session drives
  EXPECT_EQ(feeds(), 1u);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second), "* 1 EXPUNGE");
  Gone(second);
  EXPECT_EQ(feeds(), 0u);
  EXPECT_EQ(world_.sessions_open(), 0u);
  EXPECT_EQ(world_.figures().users, 0u);
}

TEST_F(FeedsTest, StayForWhoIsAboutToJoin) {
  const size_t first = Park("INBOX");
  const size_t second = SelectIt("INBOX");
  world_.StartIdle(second);
  world_.Answer(1, "NOOP");
  Gone(first);
  EXPECT_EQ(feeds(), 1u);
  const std::string tag = world_.AskedList(1);
  world_.TellList(1, tag, "1:2");
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.figures().feeds.joined, 1u);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(second), "* 1 EXPUNGE");
}

TEST_F(FeedsTest, GoWhenWhoWasAboutToJoinGoes) {
  const size_t first = Park("INBOX");
  const size_t second = SelectIt("INBOX");
  world_.StartIdle(second);
  world_.Answer(1, "NOOP");
  Gone(first);
  EXPECT_EQ(feeds(), 1u);
  Gone(second);
  EXPECT_EQ(feeds(), 0u);
  EXPECT_EQ(world_.figures().users, 0u);
}

TEST_F(FeedsTest, AreDroppedInTheMiddleOfARecovery) {
  const size_t client = Park("INBOX");
  world_.Cut(0);
  world_.AwaitSession(1);
  EXPECT_EQ(world_.figures().feeds.recovering, 1u);
  Gone(client);
  EXPECT_EQ(feeds(), 0u);
  EXPECT_EQ(world_.figures().feeds.recovering, 0u);
  EXPECT_EQ(world_.sessions_open(), 0u);
}

// After RENAME and CREATE the name is another mailbox's, while the old one's IDLE stays silent.
TEST_F(FeedsTest, AreLookedAtAgainWhenSomebodySeesAnotherUidvalidity) {
  const size_t first = Park("INBOX");
  const size_t second = SelectIt("INBOX", "ann", 8);
  world_.StartIdle(second);
  EXPECT_EQ(world_.NextAsked(0), "DONE");  // the old driver is not believed any more
  world_.Cut(0);
  world_.AnswerEnable(2, "CONDSTORE");
  world_.AnswerSelect(2, "EXAMINE INBOX", {.uids = {1}, .validity = 8});
  world_.HearsBeginning(first, "* BYE [UNAVAILABLE] The mailbox was replaced");
  EXPECT_EQ(feeds(), 0u);
  world_.HearsNothing(second, 0.1);  // whose own view is of the new one
  EXPECT_FALSE(world_.closed(second));
  EXPECT_EQ(world_.figures().feeds.joined, 0u);
}

// The process ends while a feed is looked at again: what waits for its driver goes with it.
TEST_F(FeedsTest, GoInTheMiddleOfBeingLookedAtAgain) {
  Park("INBOX");
  const size_t second = SelectIt("INBOX", "ann", 8);
  world_.StartIdle(second);
  EXPECT_EQ(world_.NextAsked(0), "DONE");  // never answered
}

TEST_F(FeedsTest, GoOnWhenItWasTheOtherWhoSawWrongly) {
  const size_t first = Park("INBOX");
  const size_t second = SelectIt("INBOX", "ann", 8);
  world_.StartIdle(second);
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  world_.Cut(0);
  world_.AnswerEnable(2, "CONDSTORE");
  world_.AnswerSelect(2, "EXAMINE INBOX", {.uids = kUids});
  world_.AnswerList(2, kUids);
  world_.Answer(2, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Asked(2, "IDLE");
  world_.Tell(2, "+ idling");
  world_.Tell(2, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(first), "* 1 EXPUNGE");
  world_.HearsNothing(second, 0.1);
}

// The shard goes while a driver's DONE is unanswered and its user keeps a session.
TEST_F(FeedsTest, GoInOrderWithAUserWhoKeepsASession) {
  world_.config().parking.pool_keep_s = 600;
  world_.config().parking.pool_per_user = 1;
  Park("INBOX");
  const size_t client = Join("INBOX");
  world_.EndIdle(client);
  EXPECT_EQ(world_.sessions_open(), 2u);
  world_.Say(client, "u UID FETCH 1 (FLAGS)");
  world_.AnswerSelect(1, "SELECT INBOX", {.uids = kUids, .validity = 8});  // another mailbox
  world_.HearsBeginning(client, "* BYE");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
}

// A feed whose view is about as large as one that is shared may be; session 0 drives.
class LargeFeedTest : public ::testing::Test {
 protected:
  LargeFeedTest() {
    Uids uids;
    GrowTo(Feed::kMostViewBytes - 4096, [&](uint32_t uid) { uids.push_back(uid); });
    client_ = world_.LogInAndSelect({.uids = uids});
    driver_idle_ = world_.ParkFirst(client_, 0, uids);
    EXPECT_EQ(world_.figures().parked, 1u);
  }
  // EXISTS, and the UIDs of so many new messages that the view is too large with them.
  std::pair<std::string, std::string> TooMany() {
    std::string shown;
    GrowTo(Feed::kMostViewBytes / 8 * 9 + 65536, [&](uint32_t uid) {
      shown += "* " + std::to_string(view_.size()) + " FETCH (UID " + std::to_string(uid) + ")\r\n";
    });
    shown.resize(shown.size() - 2);
    return {"* " + std::to_string(view_.size()) + " EXISTS", shown};
  }
  void GrowTo(size_t bytes, const std::function<void(uint32_t)>& take) {
    while (view_.memory_bytes() < bytes) {
      const uint32_t uid = view_.Last() + 130;  // three bytes each
      ASSERT_TRUE(view_.Insert(uid));
      take(uid);
    }
  }

  static constexpr const char* kTooLarge = "* BYE [UNAVAILABLE] The mailbox has become too large";
  UidSet view_;
  ScriptedWorld world_;
  size_t client_ = 0;
  std::string driver_idle_;
};

TEST_F(LargeFeedTest, EndsWhenItGrowsTooLargeWhileItsOnlyClientTakesTheDriver) {
  world_.EndIdle(client_);
  world_.Say(client_, "u UID FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const auto [exists, shown] = TooMany();
  world_.Tell(0, exists);
  world_.Tell(0, shown);
  world_.Tell(0, driver_idle_ + " OK done");
  world_.HearsBeginning(client_, kTooLarge);
  EXPECT_EQ(world_.figures().feeds.feeds, 0u);
}

// Else it would wait for the flush for ever.
TEST_F(LargeFeedTest, LetsGoOfWhoIsAboutToJoinWhenItGrowsTooLarge) {
  const uint32_t next = view_.Last() + 1;
  const auto [exists, shown] = TooMany();
  world_.Tell(0, exists);
  EXPECT_EQ(world_.NextAsked(0), "DONE");
  const std::string fetch = world_.Asked(0, "UID FETCH " + std::to_string(next) + ":* (UID)");
  world_.Asked(0, "IDLE");
  const size_t joins = world_.LogInAndSelect({.uids = {1}});
  world_.StartIdle(joins);
  world_.AnswerList(1, {1});
  world_.Tell(0, driver_idle_ + " OK done");
  world_.Tell(0, shown);
  world_.Tell(0, fetch + " OK done");
  world_.HearsBeginning(client_, kTooLarge);
  world_.AnswerList(1, {1});
  world_.Asked(1, "IDLE");
  world_.Tell(1, "+ idling");
  world_.Tell(1, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(joins), "* 1 EXPUNGE");
}

}  // namespace
}  // namespace roost
