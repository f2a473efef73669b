#include "core/client/entering.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

TEST(Entering, AnswersWhatNeedsNoLogin) {
  ScriptedWorld world;
  const size_t client = world.Connect();
  world.Say(client, "a CAPABILITY");
  EXPECT_EQ(world.HearUntil(client, "a").size(), 2u);
  world.Say(client, "b NOOP");
  world.HearsBeginning(client, "b OK");
  world.Say(client, "c ID NIL");
  EXPECT_EQ(world.HearUntil(client, "c").size(), 2u);
  world.Say(client, "d LOGOUT");
  world.HearsBeginning(client, "* BYE");
  world.HearsBeginning(client, "d OK");
  EXPECT_EQ(world.sessions_seen(), 0u);
}

// What a client is offered before login.
bool Offers(std::string_view name, std::string_view of_the_store, int poll_s = 0) {
  ScriptedWorld world(of_the_store);
  world.config().parking.poll_s = poll_s;
  const size_t client = world.Connect();
  world.Say(client, "a CAPABILITY");
  return world.Hear(client).find(" " + std::string(name)) != std::string::npos;
}

TEST(Entering, OffersIdleWhereNewsCanBeHad) {
  EXPECT_TRUE(Offers("IDLE", "IMAP4rev1 IDLE AUTH=PLAIN"));
  EXPECT_TRUE(Offers("IDLE", "IMAP4rev1 AUTH=PLAIN", 60));
  EXPECT_FALSE(Offers("IDLE", "IMAP4rev1 AUTH=PLAIN"));
}

// What it was: withdrawn by the answer to the login.
TEST(Entering, OffersIdleAfterTheLoginAsBefore) {
  for (const bool polls : {true, false}) {
    ScriptedWorld world("IMAP4rev1 AUTH=PLAIN SASL-IR");
    world.config().parking.poll_s = polls ? 60 : 0;
    world.config().parking.quiet_park_s = 5;
    const std::string offered = polls ? "IMAP4rev1 SASL-IR IDLE" : "IMAP4rev1 SASL-IR";
    const size_t client = world.Connect();
    const auto hears_offered = [&] {
      world.Say(client, "c CAPABILITY");
      EXPECT_EQ(world.Hear(client), "* CAPABILITY " + offered);
      world.HearsBeginning(client, "c OK");
    };
    world.Say(client, "l LOGIN ann secret");
    EXPECT_EQ(world.Hear(client), "l OK [CAPABILITY " + offered + "] Logged in");
    hears_offered();
    world.Tell(0, "* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE SASL-IR");
    EXPECT_EQ(world.Hear(client), "* CAPABILITY " + offered);
    hears_offered();
    world.Pass(7);
    EXPECT_EQ(world.figures().parked, polls ? 1u : 0u);
    hears_offered();
    world.Say(client, "n LIST \"\" *");  // polls: on another session
    EXPECT_EQ(world.NextAsked(polls ? 1 : 0), "n LIST \"\" *");
    world.Tell(polls ? 1 : 0, "n OK done");
    world.HearsBeginning(client, "n OK");
    hears_offered();
  }
}

TEST(Entering, OffersTheProtocolsThatTheStoresSpeak) {
  EXPECT_TRUE(Offers("IMAP4rev1", "IMAP4rev1 IMAP4rev2 AUTH=PLAIN"));
  EXPECT_TRUE(Offers("IMAP4rev1", "AUTH=PLAIN"));
  EXPECT_TRUE(Offers("IMAP4rev2", "IMAP4rev2 AUTH=PLAIN"));
  EXPECT_FALSE(Offers("IMAP4rev1", "IMAP4rev2 AUTH=PLAIN"));
}

TEST(Entering, TakesEveryFormOfALogin) {
  ScriptedWorld world;
  const size_t quoted = world.Connect();
  world.Say(quoted, "a LOGIN \"ann\" \"secret\"");
  world.HearsBeginning(quoted, "a OK");
  const size_t literal = world.Connect();
  world.Say(literal, "a LOGIN ann {6}");
  world.HearsBeginning(literal, "+ ");
  world.Say(literal, "secret");
  world.HearsBeginning(literal, "a OK");
  const size_t plain = world.Connect();
  world.Say(plain, "a AUTHENTICATE PLAIN");
  world.HearsBeginning(plain, "+");
  world.Say(plain, ToBase64(std::string("\0ann\0secret", 11)));
  world.HearsBeginning(plain, "a OK");
  EXPECT_EQ(world.sessions_seen(), 3u);
}

// RFC 7628, 3.1: the name may be left to the token, which nobody but the store can read.
TEST(Entering, SaysThatATokenNeedsAName) {
  ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + " AUTH=OAUTHBEARER");
  const size_t client = world.Connect();
  world.Say(client, "a AUTHENTICATE OAUTHBEARER " + ToBase64("n,,\x01"
                                                             "auth=Bearer t\x01\x01"));
  world.HearsBeginning(client, "a NO [CANNOT]");
  EXPECT_EQ(world.figures().client_stats.Logins(LoginResult::kNotAllowed), 1u);
  EXPECT_EQ(world.sessions_seen(), 0u);
}

// What it was: the store could not be sent them, which was taken for an address that cannot be
// reached. All new users were sent to others.
TEST(Entering, RefusesAPasswordThatNoLoginCarriesWithoutAskingTheStore) {
  for (const std::string_view offers :
       {ScriptedWorld::kCapabilities, std::string_view("IMAP4rev1 LITERAL+")}) {
    ScriptedWorld world(offers);
    std::vector<StoreAddress> two(2);
    ASSERT_TRUE(Address::Parse("127.0.0.2:143", &two[0].address));
    ASSERT_TRUE(Address::Parse("127.0.0.9:143", &two[1].address));  // nobody answers
    world.shard().SetStoreAddresses({two});
    const uint64_t before = world.figures().stores[0].opened;
    const size_t client = world.Connect();
    world.Say(client, "a LOGIN bob \"\"");
    world.HearsBeginning(client, "a NO [AUTHENTICATIONFAILED]");
    world.Say(client, std::string("b LOGIN bob {3+}\r\nx\0y", 21));
    world.HearsBeginning(client, "b NO [AUTHENTICATIONFAILED]");
    world.Say(client, "c LOGIN \"\" secret");
    world.HearsBeginning(client, "c NO [AUTHENTICATIONFAILED]");
    EXPECT_EQ(world.figures().client_stats.Logins(LoginResult::kRefused), 3u);
    EXPECT_EQ(world.figures().stores[0].opened - before, 0u);
    world.LogIn("ann");
    EXPECT_EQ(world.figures().stores[0].opened - before, 1u) << "where it was";
  }
}

TEST(Entering, SendsAwayWhoDoesNotLogInInTime) {
  ScriptedWorld world;
  world.config().timeouts.login_s = 20;
  const size_t silent = world.Connect();
  world.Pass(21);
  world.HearsBeginning(silent, "* BYE Autologout; not logged in in time");
  world.Pass(5);
  EXPECT_TRUE(world.closed(silent));
}

// Or a guess could be had for nothing: right ones are answered sooner than wrong ones.
TEST(Entering, AnswersALoginThatBeganInTime) {
  ScriptedWorld world;
  world.config().timeouts.login_s = 20;
  const size_t good = world.Connect();
  const size_t bad = world.Connect();
  world.Pass(19.5);
  world.HoldLogins(true);
  world.Say(good, "a LOGIN ann secret");
  world.Pass(5);
  world.HoldLogins(false);
  world.HearsBeginning(good, "a OK");
  const size_t third = world.Connect();
  world.Pass(19.5);
  EXPECT_TRUE(world.closed(bad));
  world.RefuseLogins("NO [AUTHENTICATIONFAILED] Who are you");
  world.HoldLogins(true);
  world.Say(third, "a LOGIN ann wrong");
  world.Pass(5);
  world.HoldLogins(false);
  world.HearsBeginning(third, "a NO [AUTHENTICATIONFAILED]");
  world.HearsBeginning(third, "* BYE Autologout");  // its time was over meanwhile
  EXPECT_FALSE(world.closed(good));
}

TEST(Entering, EndsALoginThatNobodyAnswers) {
  ScriptedWorld world;
  world.config().timeouts.login_s = 20;
  world.HoldLogins(true);
  const size_t client = world.Connect();
  world.Pass(15);
  world.Say(client, "a LOGIN ann secret");
  world.Pass(30);
  EXPECT_TRUE(world.closed(client));
}

// So many that their cells fill several pieces: the memory of one who goes may be gone at once.
TEST(Entering, SendsAwayManyWhoDoNotLogInInTime) {
  ScriptedWorld world;
  world.config().timeouts.login_s = 20;
  std::vector<size_t> silent;
  for (int i = 0; i < 1000; ++i) silent.push_back(world.Dial());
  world.Pass(10);
  EXPECT_EQ(world.figures().clients, silent.size());
  world.Pass(20);
  EXPECT_EQ(world.figures().clients, 0u);
  for (const size_t client : silent) ASSERT_TRUE(world.closed(client)) << client;
}

TEST(Entering, PassesTheStoresRefusalOn) {
  ScriptedWorld world;
  world.RefuseLogins("NO [AUTHENTICATIONFAILED] Who are you");
  const size_t client = world.Connect();
  world.Say(client, "a LOGIN ann secret");
  EXPECT_EQ(world.Hear(client), "a NO [AUTHENTICATIONFAILED] Who are you");
  world.Say(client, "b LOGIN ann secret");
  world.HearsBeginning(client, "b NO");
  world.Say(client, "c LOGIN ann secret");
  world.HearsBeginning(client, "c NO");
  world.HearsBeginning(client, "* BYE");  // enough
}

TEST(Entering, RefusesToActForAnotherUser) {
  ScriptedWorld world;
  const size_t client = world.Connect();
  world.Say(client, "a AUTHENTICATE PLAIN " + ToBase64(std::string("bob\0ann\0secret", 14)));
  world.HearsBeginning(client, "a NO [AUTHORIZATIONFAILED]");
  world.Say(client, "b AUTHENTICATE PLAIN " + ToBase64(std::string("bob\0ann\0secret", 14)));
  world.HearsBeginning(client, "b NO");
  world.Say(client, "c AUTHENTICATE PLAIN " + ToBase64(std::string("bob\0ann\0secret", 14)));
  world.HearsBeginning(client, "c NO");
  world.HearsBeginning(client, "* BYE");  // enough
  EXPECT_EQ(world.sessions_seen(), 0u);
}

TEST(Entering, EndsAfterThreeBadCommands) {
  ScriptedWorld world;
  const size_t client = world.Connect();
  world.Say(client, "GET / HTTP/1.1");
  world.HearsBeginning(client, "GET BAD");
  world.Say(client, "Host: here");
  world.Hear(client);
  world.Say(client, "Accept: */*");
  world.Hear(client);
  world.HearsBeginning(client, "* BYE");
}

// The world's store is at the last of these; nobody answers at the others.
std::vector<StoreAddress> ThreeAddresses() {
  std::vector<StoreAddress> three(3);
  EXPECT_TRUE(Address::Parse("127.0.0.9:143", &three[0].address));
  EXPECT_TRUE(Address::Parse("127.0.0.8:143", &three[1].address));
  EXPECT_TRUE(Address::Parse("127.0.0.2:143", &three[2].address));
  return three;
}

// What it was: the first, the second, and the first once more.
TEST(Entering, TriesEachAddressOfTheStoreOnce) {
  ScriptedWorld world;
  auto addresses = ThreeAddresses();
  const uint64_t before = world.figures().stores[0].opened;
  addresses[1].down = addresses[2].down = true;
  world.shard().SetStoreAddresses({addresses});
  const size_t client = world.Connect();
  world.Say(client, "l LOGIN ann secret");
  world.HearsBeginning(client, "l OK");
  EXPECT_EQ(world.figures().stores[0].opened - before, 3u);
}

// What it was: refused, while the drained one served all who were there.
TEST(Entering, TriesADrainedAddressLast) {
  ScriptedWorld world;
  auto addresses = ThreeAddresses();
  uint64_t before = world.figures().stores[0].opened;
  const auto tried = [&] {
    const uint64_t now = world.figures().stores[0].opened;
    return now - std::exchange(before, now);
  };
  addresses[2].drained = true;
  world.shard().SetStoreAddresses({addresses});
  const size_t client = world.Connect();
  world.Say(client, "l LOGIN ann secret");
  world.HearsBeginning(client, "l OK");
  EXPECT_EQ(tried(), 3u);
  addresses[0].down = addresses[1].down = true;
  world.shard().SetStoreAddresses({addresses});
  world.LogIn("bob");
  EXPECT_EQ(tried(), 1u) << "where somebody answers";
}

TEST(Entering, ExecutesWhatFollowsTheLoginAfterIt) {
  ScriptedWorld world;
  const size_t client = world.Connect();
  world.Say(client, "a LOGIN ann secret\r\nb SELECT INBOX");
  world.HearsBeginning(client, "a OK");
  EXPECT_EQ(world.NextAsked(0), "b SELECT INBOX");
}

}  // namespace
}  // namespace roost
