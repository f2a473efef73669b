#include "core/store/user.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Uids = std::vector<uint32_t>;
const Uids kUids = {1, 2};

void ByProxy(ScriptedWorld& world) {
  StoreConfig& store = world.config().stores[0];
  store.login = StoreConfig::Login::kProxyAuthzid;
  store.master_user = "roost";
  store.master_password = "master";
}

void LogInAs(ScriptedWorld& world, std::string_view user, std::string_view password) {
  const size_t client = world.Connect();
  world.Say(client, "l LOGIN " + std::string(user) + " " + std::string(password));
  world.HearsBeginning(client, "l OK");
}

void LogInByToken(ScriptedWorld& world, const std::string& user) {
  const size_t client = world.Connect();
  const std::string message = "user=" + user + "\1auth=Bearer token\1\1";
  world.Say(client, "l AUTHENTICATE XOAUTH2 " + ToBase64(message));
  world.HearsBeginning(client, "l OK");
}

// ---- Who shares ----

TEST(User, IsSharedUnderTheVerySameBytesOfTheNameOnly) {
  ScriptedWorld world;
  world.LogIn("ann");
  world.LogIn("ann");
  EXPECT_EQ(world.figures().users, 1u);
  world.LogIn("Ann");
  EXPECT_EQ(world.figures().users, 2u);
  world.LogIn("ann@example.org");
  EXPECT_EQ(world.figures().users, 3u);
  world.LogIn("ann@EXAMPLE.org");
  EXPECT_EQ(world.figures().users, 4u);
}

TEST(User, IsSharedByPlainWithAnEmptyOrAnEqualAuthzid) {
  ScriptedWorld world;
  world.LogIn("ann");
  for (const std::string& message :
       {std::string("\0ann\0secret", 11), std::string("ann\0ann\0secret", 14)}) {
    const size_t client = world.Connect();
    world.Say(client, "l AUTHENTICATE PLAIN " + ToBase64(message));
    world.HearsBeginning(client, "l OK");
    EXPECT_EQ(world.figures().users, 1u);
  }
  EXPECT_EQ(world.figures().clients, 3u);
}

TEST(User, OfClientModeIsSharedByHoldersOfTheSameCredentialOnly) {
  ScriptedWorld world;
  LogInAs(world, "ann", "secret");
  LogInAs(world, "ann", "secret");
  EXPECT_EQ(world.figures().users, 1u);
  LogInAs(world, "ann", "for-this-device");  // the store may allow it less
  EXPECT_EQ(world.figures().users, 2u);
}

TEST(User, OfProxyModeIsSharedByAllWhomTheStoreAcceptedByThatName) {
  ScriptedWorld world;
  ByProxy(world);
  LogInAs(world, "ann", "secret");
  LogInAs(world, "ann", "for-this-device");
  EXPECT_EQ(world.figures().users, 1u);
}

TEST(User, IsNobodyWhomATokenMerelyClaimsToBe) {
  ScriptedWorld world("IMAP4rev1 IDLE ESEARCH SASL-IR AUTH=PLAIN AUTH=XOAUTH2");
  ByProxy(world);
  LogInByToken(world, "ann");
  EXPECT_EQ(world.figures().users, 0u);
  world.config().stores[0].trust_token_names = true;
  LogInByToken(world, "ann");
  EXPECT_EQ(world.figures().users, 1u);
  // The token will be too old to log in with again.
  world.config().stores[0].login = StoreConfig::Login::kClient;
  LogInByToken(world, "bob");
  EXPECT_EQ(world.figures().users, 1u);
  EXPECT_EQ(world.figures().clients, 3u);
}

// ---- What an operator changes meanwhile ----

TEST(User, LogsInAgainWithTheProxyCredentialOfNow) {
  ScriptedWorld world;
  ByProxy(world);
  world.TakeStores();
  world.LogInAndPark(kUids, "ann");
  world.config().stores[0].master_password = "rotated";
  world.TakeStores();
  world.Pass(1);
  EXPECT_EQ(world.sessions_open(), 1u);  // what stands, stays
  world.Cut(0);
  world.AwaitSession(1);
  EXPECT_EQ(world.LoginOf(1),
            "AUTHENTICATE PLAIN " + ToBase64(std::string("ann\0roost\0rotated", 17)));
}

// "ann+bob" would log in as ann.
TEST(User, WhoseNameCameToHoldTheSeparatorIsNotLoggedInByProxy) {
  ScriptedWorld world;
  ByProxy(world);
  world.config().stores[0].login = StoreConfig::Login::kProxySeparator;
  world.TakeStores();
  const size_t client = world.LogInAndPark(kUids, "ann+bob");
  world.config().stores[0].master_separator = '+';
  world.TakeStores();
  world.Cut(0);
  world.HearsBeginning(client, "* BYE [UNAVAILABLE] The mail store no longer accepts this login");
  EXPECT_EQ(world.sessions_seen(), 1u);
  const size_t other = world.Connect();
  world.Say(other, "l LOGIN ann+bob secret");
  world.HearsBeginning(other, "l NO [AUTHENTICATIONFAILED]");
  EXPECT_EQ(world.sessions_seen(), 1u);
}

// ---- How later sessions log in ----

TEST(User, LogsInAgainWithTheClientsOwnCredentialInClientMode) {
  ScriptedWorld world;
  world.LogInAndPark(kUids, "ann");
  world.Cut(0);
  world.AwaitSession(1);
  EXPECT_EQ(world.LoginOf(1), "AUTHENTICATE PLAIN " + ToBase64(std::string("\0ann\0secret", 11)));
}

TEST(User, LogsInAgainAsTheMasterForTheUserInProxyMode) {
  ScriptedWorld world;
  ByProxy(world);
  const size_t client = world.LogIn("ann");
  // Whoever presents a name proves it first, with nobody's credentials but its own.
  EXPECT_EQ(world.LoginOf(0), "AUTHENTICATE PLAIN " + ToBase64(std::string("\0ann\0secret", 11)));
  world.Select(client, 0, {.uids = kUids});
  world.ParkFirst(client, 0, kUids);
  world.Cut(0);
  world.AwaitSession(1);
  EXPECT_EQ(world.LoginOf(1),
            "AUTHENTICATE PLAIN " + ToBase64(std::string("ann\0roost\0master", 16)));
}

TEST(LaterCredentials, TakeNothingSecretOfTheClientIntoAProxyLogin) {
  StoreConfig config;
  config.login = StoreConfig::Login::kProxySeparator;
  config.master_user = "roost";
  config.master_password = "master";
  config.master_separator = '%';
  Credentials own;
  own.kind = Credentials::Kind::kPassword;
  own.user = "ann";
  own.secret = "secret";
  const Credentials later = LaterCredentials(config, own);
  EXPECT_EQ(later.kind, Credentials::Kind::kProxySeparator);
  EXPECT_EQ(later.user, "ann");
  EXPECT_EQ(later.master, "roost");
  EXPECT_EQ(later.separator, '%');
  EXPECT_EQ(later.secret, "master");
  config.login = StoreConfig::Login::kClient;
  EXPECT_EQ(LaterCredentials(config, own).secret, "secret");
}

TEST(RefusedForGood, IsWhatNoLaterTryWillMend) {
  for (std::string_view passing :
       {"NO [UNAVAILABLE] x", "NO [LIMIT] x", "NO [INUSE] x", "NO [SERVERBUG] x",
        "BAD [SERVERBUG] x", "NO [CONTACTADMIN] x", "NO [unavailable] x", "BAD x",
        "NO [PRIVACYREQUIRED] x", "NO [ALERT] Too many simultaneous connections. (Failure)",
        "NO [REFERRAL imap://ann@other/] x", "NO [SOMETHING] x"}) {
    EXPECT_FALSE(RefusedForGood(passing)) << passing;
  }
  for (std::string_view final :
       {"NO [AUTHENTICATIONFAILED] x", "NO [AUTHORIZATIONFAILED] x", "NO [EXPIRED] x", "NO x",
        "NO [authenticationfailed] x", "NO unavailable", "NO"}) {
    EXPECT_TRUE(RefusedForGood(final)) << final;
  }
}

// ---- The pool ----

// Clients that park on INBOX, where session 0 drives; the sessions of those that join are kept.
class UserPool : public ::testing::Test {
 protected:
  static constexpr int kKeep = 10;  // seconds

  UserPool() {
    world_.config().parking.pool_keep_s = kKeep;
    world_.config().parking.pool_per_user = 2;
  }

  size_t LogIn(std::string_view enable = {}) {
    const size_t session = world_.sessions_seen();
    const size_t client = world_.LogIn();
    if (!enable.empty()) {
      world_.Say(client, "e ENABLE " + std::string(enable));
      world_.Asked(session, "ENABLE " + std::string(enable));
      world_.Tell(session, "* ENABLED " + std::string(enable));
      world_.Tell(session, "e OK done");
      world_.HearUntil(client, "e");
    }
    world_.Select(client, session, {.uids = kUids});
    return client;
  }
  size_t ParkDriver(std::string_view enable = {}) {
    const size_t client = LogIn(enable);
    world_.ParkFirst(client, 0, kUids);
    return client;
  }
  // Its session is kept from now on.
  size_t ParkJoiner(std::string_view enable = {}) {
    const size_t session = world_.sessions_seen();
    const size_t client = LogIn(enable);
    world_.Join(client, session, 0, kUids);
    world_.EndIdle(client);
    return client;
  }
  void FinishWake(size_t client, size_t session) {
    world_.AnswerSelect(session, "SELECT INBOX", {.uids = kUids});
    world_.AnswerFlush(0);
    const std::string fetch = "f FETCH 1 (FLAGS)";
    EXPECT_EQ(world_.NextAsked(session), fetch);
    world_.Tell(session, "f OK done");
    world_.HearsBeginning(client, "f OK");
  }
  void WakesOn(size_t client, size_t session) {
    world_.Say(client, "f FETCH 1 (FLAGS)");
    FinishWake(client, session);
  }
  void EndedPolitely(size_t session) {
    const std::string line = world_.NextAsked(session);
    EXPECT_EQ(line.substr(line.find(' ') + 1), "LOGOUT");
  }

  ScriptedWorld world_;
};

TEST_F(UserPool, KeepsAReleasedSessionForTheNextWake) {
  ParkDriver();
  const size_t client = ParkJoiner();
  world_.AsksNothing(1, kKeep - 2);
  EXPECT_EQ(world_.sessions_open(), 2u);
  WakesOn(client, 1);
  EXPECT_EQ(world_.sessions_seen(), 2u);
  // It is the client's own now and nobody's to end.
  world_.AsksNothing(1, 2 * kKeep);
}

TEST_F(UserPool, EndsWhatWasKeptForLongEnough) {
  ParkDriver();
  const size_t client = ParkJoiner();
  world_.Pass(kKeep - 5);
  const size_t later = ParkJoiner();
  world_.Pass(5.5);
  EndedPolitely(1);
  world_.AsksNothing(2, 1);  // each has its own time
  EXPECT_EQ(world_.sessions_open(), 2u);
  WakesOn(later, 2);
  WakesOn(client, 3);
}

TEST_F(UserPool, KeepsFewOfAllThatComeAtOnce) {
  world_.config().parking.pool_per_user = 100;
  ParkDriver();
  for (int i = 0; i < 16; ++i) ParkJoiner();
  ParkJoiner();
  EndedPolitely(17);
  world_.AsksNothing(1, 0.1);
  EXPECT_EQ(world_.sessions_open(), 17u);
}

// Sixteen are kept, and one that a client woke on comes back.
class FullUserPool : public UserPool {
 protected:
  void GiveBackOneMore(int other_users) {
    world_.config().parking.pool_per_user = 100;
    ParkDriver("CONDSTORE");
    const size_t woken = ParkJoiner("CONDSTORE");
    WakesOn(woken, 1);
    for (int i = 0; i < 16; ++i) ParkJoiner();
    for (int i = 0; i < other_users; ++i) world_.LogIn("user" + std::to_string(i));
    world_.Join(woken, 1, 0, kUids);
    world_.EndIdle(woken);
  }
};

TEST_F(FullUserPool, KeepsWhatAClientWokeOnRatherThanWhatIsKeptForLongest) {
  GiveBackOneMore(0);
  EndedPolitely(2);
  world_.AsksNothing(1, 0.1);
}

TEST_F(FullUserPool, HasMoreRoomForItWhereThereAreManyUsers) {
  GiveBackOneMore(17 * 32 - 1);
  world_.AsksNothing(1, 0.1);
  world_.AsksNothing(2, 0.1);
}

TEST_F(UserPool, GivesASessionToTheExactSetEnabledOnly) {
  ParkDriver("CONDSTORE");  // hears all that either class is told
  const size_t condstore = ParkJoiner("CONDSTORE");
  const size_t plain = ParkJoiner();
  WakesOn(plain, 2);  // not the one that was kept first
  WakesOn(condstore, 1);
  EXPECT_EQ(world_.sessions_seen(), 3u);
}

TEST_F(UserPool, OpensASessionRatherThanGivingOneWithMoreEnabled) {
  world_.config().parking.pool_per_user = 1;
  ParkDriver("CONDSTORE");
  ParkJoiner("CONDSTORE");
  const size_t plain = ParkJoiner();
  EndedPolitely(2);  // one is kept already
  WakesOn(plain, 3);
  world_.AsksNothing(1, 0.1);
}

TEST_F(UserPool, ReplacesAKeptSessionThatDied) {
  ParkDriver();
  const size_t client = ParkJoiner();
  world_.Cut(1);
  world_.Pass(0.5);
  WakesOn(client, 2);
}

// A client wakes, and the session that was kept has been asked for the mailbox.
class WakingOnAKeptSession : public UserPool {
 protected:
  WakingOnAKeptSession() {
    ParkDriver();
    client_ = ParkJoiner();
    world_.Say(client_, "f FETCH 1 (FLAGS)");
    world_.Asked(1, "SELECT INBOX");
  }
  void IsReplaced() {
    EXPECT_EQ(world_.sessions_seen(), 3u);
    FinishWake(client_, 2);
  }

  size_t client_ = 0;
};

TEST_F(WakingOnAKeptSession, ReplacesOneThatTurnsOutToBeDead) {
  world_.Cut(1);
  world_.Pass(0.02);  // at once: it says nothing about the store
  IsReplaced();
}

// Once the client was told that the store cannot be reached.
TEST_F(WakingOnAKeptSession, ReplacesOneThatSaysNothing) {
  world_.Pass(9.5);
  EXPECT_EQ(world_.sessions_seen(), 2u);
  world_.Pass(1);
  IsReplaced();
}

TEST_F(WakingOnAKeptSession, WaitsForOneThatIsStillTalking) {
  world_.Pass(8);
  world_.Tell(1, "* 3 EXISTS");
  world_.Pass(8);
  EXPECT_EQ(world_.sessions_seen(), 2u);
  world_.Pass(3);
  IsReplaced();
}

TEST_F(UserPool, GoesWithTheLastClientOfTheUser) {
  const size_t first = ParkDriver();
  const size_t second = ParkJoiner();
  world_.Hang(second);
  world_.Pass(0.5);
  EXPECT_EQ(world_.sessions_open(), 2u);
  world_.Hang(first);
  world_.Pass(0.5);
  EXPECT_EQ(world_.figures().users, 0u);
  EXPECT_EQ(world_.sessions_open(), 0u);
}

TEST_F(UserPool, IsTheUsersAlone) {
  ParkDriver();
  ParkJoiner();
  world_.config().parking.pool_per_user = 0;  // nothing of bob's is kept
  std::vector<size_t> bobs;
  for (const size_t session : {2, 3}) {
    bobs.push_back(world_.LogIn("bob"));
    world_.Select(bobs.back(), session, {.uids = kUids});
  }
  world_.ParkFirst(bobs[0], 2, kUids);
  world_.Join(bobs[1], 3, 2, kUids);
  world_.EndIdle(bobs[1]);
  EndedPolitely(3);
  world_.Say(bobs[1], "f FETCH 1 (FLAGS)");
  world_.Asked(4, "SELECT INBOX");
  EXPECT_EQ(world_.LoginOf(4), world_.LoginOf(2));
  world_.AsksNothing(1, 0.1);  // ann's
}

}  // namespace
}  // namespace roost
