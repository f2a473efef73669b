// Logins where a service says which store a user belongs to, and perhaps who the user is.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_service.h"
#include "core/testing/scripted_world.h"
#include "proto/imap/sasl.h"

namespace roost {
namespace {

constexpr std::string_view kUnavailable =
    "a NO [UNAVAILABLE] The mail store cannot be reached now; please try again later";

std::string Plain(const std::string& user, const std::string& password,
                  const std::string& authzid = {}) {
  std::string message;
  FormatSaslPlain(authzid, user, password, &message);
  return "AUTHENTICATE PLAIN " + Base64Encode(message);
}

class LookupLoginTest : public ::testing::Test {
 protected:
  explicit LookupLoginTest(std::string_view capabilities = ScriptedWorld::kCapabilities)
      : world_(capabilities) {
    world_.config().route.kind = RouteConfig::Kind::kHttp;
    world_.config().lookup.servers = {{"127.0.0.3", 80}};
    world_.TakeRoute();
    Good();
  }

  void Verifies() {
    world_.config().lookup.verifies = true;
    world_.TakeRoute();
  }
  void ByProxy() {
    StoreConfig& store = world_.config().stores[0];
    store.login = StoreConfig::Login::kProxyAuthzid;
    store.master_user = "roost";
    store.master_password = "m";
  }
  // The service sends everybody to the store, with more fields.
  void Good(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"Auth-Status: OK", "Auth-Server: 127.0.0.2", "Auth-Port: 143"});
    service_.AnswerFields(more);
  }
  size_t Try(std::string_view user = "ann", std::string_view password = "secret") {
    const size_t client = world_.Connect();
    world_.Say(client, "a LOGIN " + std::string(user) + " " + std::string(password));
    return client;
  }
  size_t LogsIn(std::string_view user = "ann", std::string_view password = "secret") {
    const size_t client = Try(user, password);
    world_.HearsBeginning(client, "a OK");
    return client;
  }
  // Without a session having been opened.
  void Unavailable() {
    const size_t sessions = world_.sessions_seen();
    EXPECT_EQ(world_.Hear(Try()), kUnavailable);
    EXPECT_EQ(world_.sessions_seen(), sessions);
  }
  uint64_t unavailable() { return world_.figures().client_stats.Logins(LoginResult::kUnavailable); }

  ScriptedWorld world_;
  ScriptedService service_{world_.network(), world_.runner(), 3, "127.0.0.3:80"};
};

TEST_F(LookupLoginTest, GoesWhereTheServiceSaysAndTheStoreChecksIt) {
  LogsIn();
  EXPECT_EQ(world_.LoginOf(0), Plain("ann", "secret"));
  EXPECT_EQ(service_.Field(0, "Auth-User"), "ann");
  EXPECT_EQ(service_.Field(0, "Auth-Pass"), "secret");
  EXPECT_EQ(service_.Field(0, "Auth-Method"), "plain");
  EXPECT_EQ(service_.Field(0, "Auth-SSL"), "-");
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  EXPECT_EQ(world_.Hear(Try()), "a NO [AUTHENTICATIONFAILED] no");
}

TEST_F(LookupLoginTest, CountsTheTriesOfAConnection) {
  service_.AnswerFields({"Auth-Status: Wrong"});
  const size_t client = Try();
  EXPECT_EQ(world_.Hear(client), "a NO [AUTHENTICATIONFAILED] Wrong");
  world_.Say(client, "b LOGIN ann again");
  EXPECT_EQ(world_.Hear(client), "b NO [AUTHENTICATIONFAILED] Wrong");
  EXPECT_EQ(service_.Field(0, "Auth-Login-Attempt"), "1");
  EXPECT_EQ(service_.Field(1, "Auth-Login-Attempt"), "2");
  world_.Say(client, "c LOGIN ann again");
  world_.HearsBeginning(client, "c NO");
  world_.HearsBeginning(client, "* BYE");
  EXPECT_EQ(world_.sessions_seen(), 0u);
}

TEST_F(LookupLoginTest, TellsARefusalInTheServicesWordsAndNoMore) {
  service_.AnswerFields({"Auth-Status: [EXPIRED] Change it \xc3\xa4t home"});
  EXPECT_EQ(world_.Hear(Try()), "a NO [EXPIRED] Change it ??t home");
  world_.config().limits.failed_login_delay_s = 10;
  for (int i = 0; i < 5; ++i) {
    service_.AnswerFields({"Auth-Status: [UNAVAILABLE] later"});
    EXPECT_EQ(world_.Hear(Try()), "a NO [UNAVAILABLE] later");
  }
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 0u) << "nobody has guessed";
}

TEST_F(LookupLoginTest, HoldsARefusalBackAsLongAsTheServiceWants) {
  service_.AnswerFields({"Auth-Status: Wrong", "Auth-Wait: 3"});
  const size_t client = Try();
  world_.HearsNothing(client, 2.9);
  EXPECT_EQ(world_.Hear(client), "a NO [AUTHENTICATIONFAILED] Wrong");
  service_.AnswerFields({"Auth-Status: Wrong", "Auth-Wait: 999999"});
  world_.Say(client, "b LOGIN ann again");
  world_.HearsNothing(client, 29);  // half of the time for a login, and not more
  world_.Pass(2);
  EXPECT_EQ(world_.Hear(client), "b NO [AUTHENTICATIONFAILED] Wrong");
  Good();
  world_.Say(client, "c LOGIN ann secret");
  world_.HearsBeginning(client, "c OK");
}

TEST_F(LookupLoginTest, AsksAgainWhereTheServiceWantsTime) {
  service_.AnswerFields({"Auth-Status: WAIT", "Auth-Wait: 2"});
  const size_t client = Try();
  world_.HearsNothing(client, 1.9);
  EXPECT_EQ(service_.requests().size(), 1u);
  Good();
  world_.Pass(0.2);
  world_.HearsBeginning(client, "a OK");
  EXPECT_EQ(service_.requests().size(), 2u);
}

TEST_F(LookupLoginTest, IsAnsweredInTimeWhereTheServiceIsNot) {
  world_.config().lookup.timeout_s = 60;
  world_.config().lookup.queue_s = 600;
  world_.TakeRoute();
  service_.Answer("");
  const size_t client = Try();
  world_.HearsNothing(client, 29);
  world_.Pass(2);
  EXPECT_EQ(world_.Hear(client), kUnavailable);
  EXPECT_EQ(unavailable(), 1u);
  Good();
  world_.Say(client, "b LOGIN ann secret");
  world_.HearsBeginning(client, "b OK");
}

TEST_F(LookupLoginTest, IsUnavailableWhereTheServiceIs) {
  service_.Answer("garbage\r\n");
  Unavailable();
  service_.AnswerFields({"Auth-Status: OK", "Auth-Server: 127.0.0.2"});
  Unavailable();
  EXPECT_EQ(unavailable(), 2u);
  EXPECT_EQ(world_.figures().client_stats.Logins(LoginResult::kRefused), 0u);
  Good();
  LogsIn();
}

TEST_F(LookupLoginTest, GoesToNoAddressThatIsNoStores) {
  for (const char* server : {"127.0.0.9", "::1", "127.0.0.3"}) {
    service_.AnswerFields(
        {"Auth-Status: OK", std::string("Auth-Server: ") + server, "Auth-Port: 143"});
    Unavailable();
  }
  service_.AnswerFields({"Auth-Status: OK", "Auth-Server: 127.0.0.2", "Auth-Port: 144"});
  Unavailable();
}

TEST_F(LookupLoginTest, DoesNotBelieveAPasswordOfAServiceThatDoesNotVerify) {
  Good({"Auth-Pass: master"});
  Unavailable();
  Good({"Auth-Pass: secret"});  // many give back what they were told
  LogsIn();
  EXPECT_EQ(world_.LoginOf(0), Plain("ann", "secret"));
}

TEST_F(LookupLoginTest, UsesAnotherNameOnlyAsTheStoreTakesIt) {
  Good({"Auth-User: bob"});
  LogsIn("ann", "annspassword");
  EXPECT_EQ(world_.LoginOf(0), Plain("bob", "annspassword"));
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] not bob's");
  EXPECT_EQ(world_.Hear(Try("ann", "annspassword")), "a NO [AUTHENTICATIONFAILED] not bob's");
}

TEST_F(LookupLoginTest, RefusesANameThatNoMasterLoginMayCarry) {
  Verifies();
  ByProxy();
  world_.config().stores[0].login = StoreConfig::Login::kProxySeparator;
  Good({"Auth-User: bob*roost"});
  EXPECT_EQ(world_.Hear(Try()), "a NO [AUTHENTICATIONFAILED] Authentication failed.");
  EXPECT_EQ(world_.sessions_seen(), 0u);
}

// What a service repeats in its answer must not become lines of it.
TEST_F(LookupLoginTest, AsksNothingThatHasALineEnd) {
  const size_t client = world_.Connect();
  for (const char* message : {"a\r\nb", "a\x01"}) {
    const std::string plain = std::string(1, 0) + message + std::string(1, 0) + "secret";
    world_.Say(client, "a AUTHENTICATE PLAIN " + Base64Encode(plain));
    world_.HearsBeginning(client, "a NO [AUTHENTICATIONFAILED]");
  }
  const size_t other = world_.Connect();
  const std::string plain = std::string("\0ann\0se\r\nAuth-Status: OK", 24);
  world_.Say(other, "a AUTHENTICATE PLAIN " + Base64Encode(plain));
  world_.HearsBeginning(other, "a NO [AUTHENTICATIONFAILED]");
  EXPECT_EQ(service_.requests().size(), 0u);
}

TEST_F(LookupLoginTest, OpensTheMailboxByTheServicesWordWhereThatVerifies) {
  Verifies();
  ByProxy();
  Good({"Auth-User: ann@example.org"});
  LogsIn();
  EXPECT_EQ(world_.LoginOf(0), Plain("roost", "m", "ann@example.org"));
}

TEST_F(LookupLoginTest, OpensItWithTheServicesPasswordWhereThatGivesOne) {
  Verifies();
  Good({"Auth-User: bob", "Auth-Pass: inner"});
  const size_t client = LogsIn();
  EXPECT_EQ(world_.LoginOf(0), Plain("bob", "inner"));
  world_.Select(client, 0, {.uids = {1, 2}});
  world_.ParkFirst(client, 0, {1, 2});
  Good({"Auth-User: bob", "Auth-Pass: inner"});
  const size_t second = LogsIn();
  world_.Select(second, 1, {.uids = {1, 2}});
  world_.Join(second, 1, 0, {1, 2});
  world_.Say(second, "DONE");
  world_.HearsBeginning(second, "i OK");
  world_.Say(second, "f FETCH 1 (FLAGS)");
  world_.AwaitSession(2);
  EXPECT_EQ(world_.LoginOf(2), Plain("bob", "inner"));
  EXPECT_EQ(service_.requests().size(), 2u) << "a wake asks nobody";
}

TEST_F(LookupLoginTest, OpensItWithTheClientsPasswordWhereThereIsNoOther) {
  Verifies();
  LogsIn();
  EXPECT_EQ(world_.LoginOf(0), Plain("ann", "secret"));
}

// Its own sessions are the master user's: there is nothing to compare those with.
TEST_F(LookupLoginTest, ParksWhomTheMasterUserLogsInWithoutAComparison) {
  Verifies();
  ByProxy();
  const size_t client = LogsIn();
  world_.StartIdle(client);
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().parked, 1u);
  world_.EndIdle(client);
  world_.Say(client, "l LIST \"\" *");
  EXPECT_EQ(world_.NextAsked(1), "l LIST \"\" *");
}

// But where one of the user's clients has a password of its own, there is.
TEST_F(LookupLoginTest, ComparesTheMasterUserForWhomThePasswordLogsIn) {
  Verifies();
  ByProxy();
  world_.config().parking.pool_keep_s = 600;
  const size_t first = LogsIn();
  world_.Select(first, 0, {.uids = {1, 2}});
  world_.ParkFirst(first, 0, {1, 2});
  for (size_t session : {1, 2}) {  // both are kept
    Good();
    const size_t client = LogsIn();
    world_.Select(client, session, {.uids = {1, 2}});
    world_.Join(client, session, 0, {1, 2});
  }
  Good({"Auth-Pass: inner"});
  const size_t own = LogsIn();
  EXPECT_EQ(world_.LoginOf(3), Plain("ann", "inner"));
  world_.Select(own, 3, {.uids = {1, 2}});
  world_.Join(own, 3, 0, {1, 2});
  world_.EndIdle(own);
  world_.Say(own, "f FETCH 1 (FLAGS)");
  world_.AnswerSelect(1, "SELECT INBOX", {.uids = {1, 2}, .permanent = "()"});
  for (size_t client : {own, first})
    world_.HearsBeginning(client, "* BYE [UNAVAILABLE] This takes");
  for (size_t session : {1, 2}) {
    EXPECT_NE(world_.NextAsked(session).find(" LOGOUT"), std::string::npos);
  }
}

TEST_F(LookupLoginTest, SharesAFeedUnderTheNameOfTheStoreAndUnderNoOther) {
  Verifies();
  ByProxy();
  Good({"Auth-User: ann@example.org"});
  const size_t ann = LogsIn("ann");
  world_.Select(ann, 0, {.uids = {1, 2}});
  world_.ParkFirst(ann, 0, {1, 2});
  Good({"Auth-User: bob@example.org"});
  const size_t bob = LogsIn("ann");  // the same name for another's mailbox
  world_.Select(bob, 1, {.uids = {1, 2}});
  world_.ParkFirst(bob, 1, {1, 2});
  Good({"Auth-User: ann@example.org"});
  const size_t alias = LogsIn("anna");
  world_.Select(alias, 2, {.uids = {1, 2}});
  world_.Join(alias, 2, 0, {1, 2});
  EXPECT_EQ(world_.figures().users, 2u);
  EXPECT_EQ(world_.figures().feeds.feeds, 2u);
  world_.Tell(0, "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(ann), "* 1 EXPUNGE");
  EXPECT_EQ(world_.Hear(alias), "* 1 EXPUNGE");
  world_.HearsNothing(bob, 0.1);
  EXPECT_EQ(world_.Kick("ann@example.org"), 2u);
}

TEST_F(LookupLoginTest, DoesNotBlameTheClientForTheMasterUser) {
  Verifies();
  ByProxy();
  world_.config().limits.failed_login_delay_s = 10;
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] who is roost");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(world_.Hear(Try()), kUnavailable);
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 0u);
}

TEST_F(LookupLoginTest, DoesNotBlameTheClientForTheServicesPassword) {
  Verifies();
  world_.config().limits.failed_login_delay_s = 10;
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] wrong");
  for (int i = 0; i < 5; ++i) {
    Good({"Auth-Pass: outdated"});
    EXPECT_EQ(world_.Hear(Try()), kUnavailable);
  }
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 0u);
}

TEST_F(LookupLoginTest, EndsWithItsClient) {
  service_.Answer("");
  const size_t client = Try();
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().lookups.asking, 1u);
  EXPECT_EQ(world_.Kick("ann"), 1u);
  world_.Pass(0.1);
  EXPECT_TRUE(world_.closed(client));
  EXPECT_EQ(world_.figures().lookups.asking, 0u);
  EXPECT_EQ(world_.figures().lookups.failures, 0u);
}

TEST_F(LookupLoginTest, TakesANewRouteForLoginsToCome) {
  const size_t client = LogsIn();
  world_.config().route = {};
  world_.config().lookup = {};
  world_.TakeRoute();
  LogsIn();
  EXPECT_EQ(service_.requests().size(), 1u);
  EXPECT_FALSE(world_.closed(client));
}

class LookupTokenTest : public LookupLoginTest {
 protected:
  LookupTokenTest()
      : LookupLoginTest(std::string(ScriptedWorld::kCapabilities) + " AUTH=XOAUTH2") {}
  std::string Xoauth2() {
    return "a AUTHENTICATE XOAUTH2 " + Base64Encode(
                                           "user=ann\x01"
                                           "auth=Bearer t\x01\x01");
  }
};

TEST_F(LookupTokenTest, IsRoutedByItsNameAndNotShown) {
  const size_t client = world_.Connect();
  world_.Say(client, Xoauth2());
  world_.HearsBeginning(client, "a OK");
  EXPECT_EQ(service_.Field(0, "Auth-Method"), "xoauth2");
  EXPECT_EQ(service_.Field(0, "Auth-User"), "ann");
  EXPECT_EQ(service_.Field(0, "Auth-Pass"), "");
}

TEST_F(LookupTokenTest, CannotBeOfAnotherName) {
  StoreConfig& store = world_.config().stores[0];
  store.login = StoreConfig::Login::kProxyAuthzid;
  store.trust_token_names = true;
  Good({"Auth-User: bob"});
  const size_t client = world_.Connect();
  world_.Say(client, Xoauth2());
  EXPECT_EQ(world_.Hear(client), kUnavailable);
  EXPECT_EQ(world_.sessions_seen(), 0u);
}

TEST_F(LookupTokenTest, IsNotOfferedWhereTheServiceVerifies) {
  const size_t client = world_.Connect();
  world_.Say(client, "b CAPABILITY");
  EXPECT_NE(world_.Hear(client).find("AUTH=XOAUTH2"), std::string::npos);
  world_.HearUntil(client, "b");
  world_.config().lookup.verifies = true;
  world_.TakeRoute();
  world_.Say(client, "c CAPABILITY");
  const std::string capabilities = world_.Hear(client);
  EXPECT_NE(capabilities.find("AUTH=PLAIN"), capabilities.npos);
  EXPECT_EQ(capabilities.find("XOAUTH2"), capabilities.npos);
  world_.HearUntil(client, "c");
  world_.Say(client, Xoauth2());
  world_.HearsBeginning(client, "a NO [CANNOT]");
  EXPECT_EQ(service_.requests().size(), 0u);
}

}  // namespace
}  // namespace roost
