// What a store says in answers that no client gets and people must be shown (RFC 3501, 7.1).
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/client/relay.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Lines = std::vector<std::string>;

class AlertsTest : public ::testing::Test {
 protected:
  // A client's NOOP has the driver, session 0, flush; NOOP is answered so.
  void Flush(size_t client, const std::string& answer) {
    world_.Pass(5);
    world_.Say(client, "n NOOP");
    EXPECT_EQ(world_.NextAsked(0), "DONE");
    const std::string noop = world_.Asked(0, "NOOP");
    world_.Asked(0, "IDLE");
    const int before = std::stoi(noop.substr(1)) - 1;
    world_.Tell(0, "R" + std::to_string(before) + " OK done");
    world_.Tell(0, noop + " " + answer);
    world_.Tell(0, "+ idling");
  }

  ScriptedWorld world_;
};

TEST_F(AlertsTest, OfADriversCommandsGoToAllSubscribersOnce) {
  const size_t idling = world_.LogInAndPark({1, 2});
  const size_t other = world_.LogInAndJoin({1, 2});
  world_.EndIdle(other);
  Flush(other, "OK [ALERT] Going down at noon");
  EXPECT_EQ(world_.HearUntil(other, "n"),
            Lines({"* OK [ALERT] Going down at noon", "n OK NOOP completed."}));
  EXPECT_EQ(world_.Hear(idling), "* OK [ALERT] Going down at noon");
  Flush(other, "OK [ALERT] Going down at noon");  // as some say with each answer
  EXPECT_EQ(world_.HearUntil(other, "n"), Lines({"n OK NOOP completed."}));
  Flush(other, "OK [ALERT] Going down at one");
  EXPECT_EQ(world_.HearUntil(other, "n"),
            Lines({"* OK [ALERT] Going down at one", "n OK NOOP completed."}));
  EXPECT_EQ(world_.Hear(idling), "* OK [ALERT] Going down at one");
  world_.HearsNothing(idling, 1);
}

TEST_F(AlertsTest, OfAClientsLoginComeBeforeItsAnswer) {
  world_.AlertAtLogins("Your password will expire");
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  EXPECT_EQ(world_.Hear(client), "* OK [ALERT] Your password will expire");
  world_.HearsBeginning(client, "l OK [CAPABILITY ");
}

TEST_F(AlertsTest, OfLaterLoginsAreToldWhoWakesUnlessTheyAreTheSameAgain) {
  world_.config().parking.quiet_park_s = 5;
  const size_t client = world_.LogIn();
  const auto wake = [&](size_t session) {
    world_.Pass(6);
    EXPECT_EQ(world_.figures().parked, 1u);
    world_.Say(client, "w LIST \"\" %");
    EXPECT_EQ(world_.NextAsked(session), "w LIST \"\" %");
    world_.Tell(session, "w OK done");
    return world_.HearUntil(client, "w");
  };
  world_.AlertAtLogins("Your password will expire");
  EXPECT_EQ(wake(1), Lines({"* OK [ALERT] Your password will expire", "w OK done"}));
  EXPECT_EQ(wake(2), Lines({"w OK done"}));
  world_.AlertAtLogins("Your password has expired");
  EXPECT_EQ(wake(3), Lines({"* OK [ALERT] Your password has expired", "w OK done"}));
}

TEST_F(AlertsTest, OfTheClientsOwnLoginAreNotRepeatedWhenItWakes) {
  world_.AlertAtLogins("Your password will expire");
  const size_t client = world_.Connect();
  world_.Say(client, "l LOGIN ann secret");
  world_.HearUntil(client, "l");
  world_.StartIdle(client);
  world_.EndIdle(client);
  world_.Say(client, "w LIST \"\" %");
  EXPECT_EQ(world_.NextAsked(1), "w LIST \"\" %");
  world_.Tell(1, "w OK done");
  EXPECT_EQ(world_.Hear(client), "w OK done");
}

TEST_F(AlertsTest, OfASelectThatWakesAreToldTheOthersAsWell) {
  const size_t idling = world_.LogInAndPark({1, 2});
  const size_t client = world_.LogInAndJoin({1, 2});
  world_.EndIdle(client);
  world_.Say(client, "u UID FETCH 1 (FLAGS)");
  const std::string select = world_.Asked(2, "SELECT INBOX");
  world_.Tell(2, "* 2 EXISTS");
  world_.Tell(2, "* OK [UIDVALIDITY 7] x");
  world_.Tell(2, "* OK [UIDNEXT 3] x");
  world_.Tell(2, "* NO [ALERT] Mailbox is at 95% of its quota");
  world_.Tell(2, "* OK [PERMANENTFLAGS (\\Seen \\*)] x");
  world_.Tell(2, select + " OK [READ-WRITE] done");
  world_.AnswerFlush(0);
  EXPECT_EQ(world_.Hear(client), "* NO [ALERT] Mailbox is at 95% of its quota");
  EXPECT_EQ(world_.NextAsked(2), "u UID FETCH 1 (FLAGS)");
  EXPECT_EQ(world_.Hear(idling), "* NO [ALERT] Mailbox is at 95% of its quota");
  world_.HearsNothing(client, 1);
}

TEST_F(AlertsTest, OfARecoverysSessionGoToTheSubscribers) {
  const size_t client = world_.LogInAndPark({1, 2});
  world_.AlertAtLogins("This is the spare machine");
  world_.Cut(0);
  world_.AnswerEnable(1, "CONDSTORE");
  world_.AnswerSelect(1, "EXAMINE INBOX", {.uids = {1, 2}});
  EXPECT_EQ(world_.Hear(client), "* OK [ALERT] This is the spare machine");
  world_.AnswerList(1, {1, 2});
  world_.Answer(1, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
  world_.Asked(1, "IDLE");
  world_.HearsNothing(client, 1);
}

TEST_F(AlertsTest, OfListingForAClientThatParksAreToldInItsIdle) {
  const size_t client = world_.LogInAndSelect({.uids = {1, 2}});
  world_.StartIdle(client);
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, noop + " OK [ALERT] Going down at noon");
  EXPECT_EQ(world_.Hear(client), "* OK [ALERT] Going down at noon");
  const std::string list = world_.AskedList(0);
  world_.TellList(0, list, "1:2");
  world_.Asked(0, "IDLE");
  world_.Tell(0, "+ idling");
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().parked, 1u);
}

TEST_F(AlertsTest, OfListingForAQuietClientWaitUntilItSpeaks) {
  world_.config().parking.quiet_park_s = 10;
  const size_t client = world_.LogInAndSelect({.uids = {1, 2}});
  world_.Pass(9);
  const std::string noop = world_.Asked(0, "NOOP");
  world_.Tell(0, noop + " OK [ALERT] Going down at noon");
  const std::string list = world_.AskedList(0);
  world_.TellList(0, list, "1:2");
  world_.HearsNothing(client, 60);
  world_.Say(client, "n NOOP");
  EXPECT_EQ(world_.Hear(client), "* OK [ALERT] Going down at noon");
  EXPECT_EQ(world_.NextAsked(0), "n NOOP");
}

}  // namespace
}  // namespace roost
