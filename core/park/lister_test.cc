#include "core/park/lister.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr std::string_view kList = "UID SEARCH RETURN (ALL) ALL";

// A client in IDLE on INBOX with UIDs 2, 4 and 6, whose session is listed.
class ListerTest : public ::testing::Test {
 protected:
  explicit ListerTest(std::string_view capabilities = ScriptedWorld::kCapabilities)
      : world_(capabilities) {
    client_ = world_.LogInAndSelect({.uids = {2, 4, 6}});
    world_.StartIdle(client_);
  }

  void TellList(const std::string& tag, std::string_view uids) {
    world_.Tell(0, "* ESEARCH (TAG \"" + tag + "\") UID ALL " + std::string(uids));
  }
  // NOOP, and a list that says `uids`.
  void List(std::string_view uids) {
    world_.Answer(0, "NOOP");
    const std::string tag = world_.Asked(0, kList);
    TellList(tag, uids);
    world_.Tell(0, tag + " OK done");
  }
  // Two more were announced: these are they.
  void ShowTwoMore(const std::string& fourth, const std::string& fifth) {
    EXPECT_EQ(world_.Hear(client_), "* 5 EXISTS");
    const std::string fetch = world_.Asked(0, "UID FETCH 7:* (UID)");
    world_.Tell(0, "* 4 FETCH (UID " + fourth + ")");
    world_.Tell(0, "* 5 FETCH (UID " + fifth + ")");
    world_.Tell(0, fetch + " OK done");
    world_.HearsNothing(client_, 0.1);
  }
  // UIDs 2, 4 and 6, and one that is announced behind them.
  void ListsBeforeAFourth() {
    world_.Answer(0, "NOOP");
    const std::string tag = world_.Asked(0, kList);
    TellList(tag, "2,4,6");
    world_.Tell(0, "* 4 EXISTS");
    world_.Tell(0, tag + " OK done");
    EXPECT_EQ(world_.Hear(client_), "* 4 EXISTS");
  }
  // What the feed believes is what a second client with `uids` need not be told.
  void Watches(const std::vector<uint32_t>& uids) {
    world_.Asked(0, "IDLE");
    world_.Tell(0, "+ idling");
    world_.Pass(0.1);
    EXPECT_EQ(world_.figures().parked, 1u);
    const size_t second = world_.LogInAndSelect({.uids = uids});
    world_.Join(second, 1, 0, uids);
    world_.HearsNothing(second, 0.2);
    EXPECT_EQ(world_.figures().parked, 2u);
  }
  void KeepsItsSession() {
    world_.Asked(0, "IDLE");  // for this client alone
    EXPECT_EQ(world_.figures().parked, 0u);
    EXPECT_EQ(world_.figures().feeds.feeds, 0u);
  }

  ScriptedWorld world_;
  size_t client_ = 0;
};

TEST_F(ListerTest, CountsAListOnlyIfItsSizeIsWhatExists) {
  List("2,4");
  List("2,4,6,8");
  List("2,4,6");
  Watches({2, 4, 6});
}

// The sizes add up, and yet message 3 of the list is not the third that was announced.
TEST_F(ListerTest, CountsNoListBeforeWhichAnythingCame) {
  world_.Answer(0, "NOOP");
  const std::string tag = world_.Asked(0, kList);
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, "* 3 EXISTS");
  TellList(tag, "2,4,6");  // made before both
  world_.Tell(0, tag + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 3 EXISTS");
  List("4,6,8");
  Watches({4, 6, 8});
}

TEST_F(ListerTest, AppliesWhatComesBehindTheListInOrder) {
  world_.Answer(0, "NOOP");
  const std::string tag = world_.Asked(0, kList);
  TellList(tag, "2,4,6");
  world_.Tell(0, "* 1 EXPUNGE");
  world_.Tell(0, "* 2 EXPUNGE");
  world_.Tell(0, tag + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(client_), "* 2 EXPUNGE");
  Watches({4});
}

TEST_F(ListerTest, AsksByNumberWhenNoListAddsUp) {
  for (int i = 0; i < 3; ++i) List("2,4");
  const std::string tag = world_.Asked(0, "FETCH 1:* (UID)");
  world_.Tell(0, "* 1 FETCH (UID 2)");
  world_.Tell(0, "* 3 FETCH (UID 6)");
  world_.Tell(0, "* 2 FETCH (UID 4)");
  world_.Tell(0, tag + " OK done");
  world_.HearsNothing(client_, 0.1);  // asked for by nobody but Roost
  Watches({2, 4, 6});
}

// Without the indicator it may be of numbers (RFC 4731, 3.1), and the store says so each time.
TEST_F(ListerTest, TakesNoListThatDoesNotSayItIsOfUids) {
  world_.Answer(0, "NOOP");
  const std::string list = world_.Asked(0, kList);
  world_.Tell(0, "* ESEARCH (TAG \"" + list + "\") ALL 1:3");
  world_.Tell(0, list + " OK done");
  const std::string fetch = world_.Asked(0, "FETCH 1:* (UID)");
  world_.Tell(0, "* 1 FETCH (UID 2)\r\n* 2 FETCH (UID 4)\r\n* 3 FETCH (UID 6)");
  world_.Tell(0, fetch + " OK done");
  Watches({2, 4, 6});
}

TEST_F(ListerTest, AsksForWhatIsAnnouncedBehindNumbers) {
  for (int i = 0; i < 3; ++i) List("2,4");
  const std::string tag = world_.Asked(0, "FETCH 1:* (UID)");
  world_.Tell(0, "* 1 FETCH (UID 2)");
  world_.Tell(0, "* 2 FETCH (UID 4)");
  world_.Tell(0, "* 5 EXISTS");
  world_.Tell(0, "* 3 FETCH (UID 6)");
  world_.Tell(0, tag + " OK done");
  ShowTwoMore("9", "12");
  Watches({2, 4, 6, 9, 12});
}

TEST_F(ListerTest, BelievesNoNumbersThatDoNotAddUp) {
  for (int i = 0; i < 3; ++i) List("2,4");
  const std::string tag = world_.Asked(0, "FETCH 1:* (UID)");
  world_.Tell(0, "* 1 FETCH (UID 2)");
  world_.Tell(0, "* 3 FETCH (UID 6)");
  world_.Tell(0, tag + " OK done");
  KeepsItsSession();
}

TEST_F(ListerTest, LearnsTheUidsOfWhatCameBehindTheList) {
  world_.Answer(0, "NOOP");
  const std::string tag = world_.Asked(0, kList);
  TellList(tag, "2,4,6");
  world_.Tell(0, "* 5 EXISTS");
  world_.Tell(0, tag + " OK done");
  ShowTwoMore("11", "13");
  Watches({2, 4, 6, 11, 13});
}

// `7:*` means the last message at least, whatever its UID.
TEST_F(ListerTest, TakesNoMessageBelowForOneThatCame) {
  ListsBeforeAFourth();
  std::string fetch = world_.Asked(0, "UID FETCH 7:* (UID)");
  world_.Tell(0, "* 3 FETCH (UID 6)");  // the fourth is gone already: not told yet
  world_.Tell(0, fetch + " OK done");
  fetch = world_.Asked(0, "UID FETCH 7:* (UID)");
  world_.Tell(0, "* 3 FETCH (UID 6)");
  world_.Tell(0, "* 4 EXPUNGE");
  world_.Tell(0, fetch + " OK done");
  EXPECT_EQ(world_.Hear(client_), "* 4 EXPUNGE");
  Watches({2, 4, 6});
}

TEST_F(ListerTest, GoesOnWhileEachAnswerNamesSomething) {
  ListsBeforeAFourth();
  for (int n = 4; n < 12; ++n) {
    const std::string fetch = world_.Asked(0, "UID FETCH " + std::to_string(n + 3) + ":* (UID)");
    world_.Tell(0, "* " + std::to_string(n) + " FETCH (UID " + std::to_string(n + 3) + ")");
    if (n < 11) {
      world_.Tell(0, "* " + std::to_string(n + 1) + " EXISTS");
      EXPECT_EQ(world_.Hear(client_), "* " + std::to_string(n + 1) + " EXISTS");
    }
    world_.Tell(0, fetch + " OK done");
  }
  Watches({2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14});
}

TEST_F(ListerTest, EndsWhenTheClientGoesOnThoughMailKeepsComingIn) {
  ListsBeforeAFourth();
  const std::string fetch = world_.Asked(0, "UID FETCH 7:* (UID)");
  world_.Say(client_, "DONE");
  world_.Tell(0, "* 4 FETCH (UID 7)");
  world_.Tell(0, "* 5 EXISTS");
  EXPECT_EQ(world_.Hear(client_), "* 5 EXISTS");
  world_.Tell(0, fetch + " OK done");
  world_.HearsBeginning(client_, "i OK");
  world_.AsksNothing(0, 0.2);
}

TEST_F(ListerTest, GivesUpWhenAUidIsNeverTold) {
  ListsBeforeAFourth();
  for (int i = 0; i < 5; ++i) world_.Answer(0, "UID FETCH 7:* (UID)");
  KeepsItsSession();
}

}  // namespace
}  // namespace roost
