#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "core/base/connection_id.h"
#include "core/testing/scripted_world.h"

namespace roost {
namespace {

constexpr std::string_view kWithId =
    "IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE ID LITERAL+ SASL-IR AUTH=PLAIN";
// What a client might say to pass for another, or for one that stands in front of others.
constexpr std::string_view kBold =
    "ID (\"name\" \"Mail\" \"X-Originating-IP\" \"192.0.2.1\" \"x-session-id\" \"1\" "
    "\"Forwarded-For\" \"192.0.2.2\" \"version\" \"3\")";

// Who a client is and where it comes from, as stores are told.
class SessionId : public ::testing::Test {
 protected:
  SessionId() { world_.config().stores[0].send_id_originating_ip = true; }

  // What the client said, less what only a proxy says, and then what is true of the client.
  void IsOfTheClient(const std::string& id) {
    const std::string said = "ID (\"name\" \"Mail\" \"version\" \"3\" \"x-originating-ip\" ";
    EXPECT_EQ(id.substr(0, said.size()), said) << id;
    EXPECT_EQ(id.find("192.0.2."), id.npos) << id;
    EXPECT_EQ(id.find("orward"), id.npos) << id;
    const size_t at = id.find("\"x-session-id\" \"");
    ASSERT_NE(at, id.npos) << id;
    EXPECT_EQ(at, id.rfind("\"x-session-id\"")) << "the client's own: " << id;
    EXPECT_EQ(id.substr(at + 16).size(), ConnectionId::kTextBytes + 2) << id;
  }
  // Parks on INBOX; its session drives.
  void Park(size_t client) {
    world_.Select(client, 0, {.uids = {1}});
    world_.ParkFirst(client, 0, {1});
  }

  ScriptedWorld world_{kWithId};
};

TEST_F(SessionId, CarriesNothingOfAClientThatOnlyAProxySays) {
  const size_t client = world_.Connect();
  world_.Say(client, std::string("i ") + std::string(kBold));
  world_.HearUntil(client, "i");
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l OK");
  IsOfTheClient(world_.IdOf(0));
}

TEST_F(SessionId, IsNeverTheClientsOwnCommand) {
  const size_t client = world_.LogIn();
  world_.Say(client, std::string("i ") + std::string(kBold));
  EXPECT_EQ(world_.Hear(client), "* ID (\"name\" \"Roost\" \"support-url\" NIL)");
  world_.HearsBeginning(client, "i OK");
  world_.AsksNothing(0, 0.5);
}

TEST_F(SessionId, IsSaidAgainByLaterSessionsOfTheClient) {
  const size_t other = world_.LogIn();
  Park(other);
  const size_t client = world_.LogIn();
  EXPECT_EQ(world_.IdOf(1).substr(0, 18), "ID (\"name\" \"Roost\"");
  world_.Select(client, 1, {.uids = {1}});
  world_.Join(client, 1, 0, {1});
  world_.EndIdle(client);
  world_.Say(client, std::string("n ") + std::string(kBold));  // parked, and without a session
  world_.HearUntil(client, "n");
  world_.Say(client, "f FETCH 1 (FLAGS)");
  world_.AwaitSession(2);
  IsOfTheClient(world_.IdOf(2));
}

TEST_F(SessionId, OfAFeedIsNobodysInParticular) {
  const size_t client = world_.Connect();
  world_.Say(client, std::string("i ") + std::string(kBold));
  world_.HearUntil(client, "i");
  world_.Say(client, "l LOGIN ann secret");
  world_.HearsBeginning(client, "l OK");
  Park(client);
  world_.Cut(0);
  world_.AwaitSession(1);
  EXPECT_EQ(world_.IdOf(1), "ID (\"name\" \"Roost\")");
}

}  // namespace
}  // namespace roost
