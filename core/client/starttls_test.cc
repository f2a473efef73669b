// STARTTLS, up to the answer to it: what comes behind is the handshake's business (proto/tls).
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/log.h"
#include "core/testing/scripted_world.h"
#include "proto/tls/self_signed.h"

namespace roost {
namespace {

constexpr std::string_view kBegin = "a OK Begin TLS negotiation now.";

// The log goes there as long as it lives.
class LogFile {
 public:
  LogFile() {
    LogOptions options;
    options.file = path_;
    std::string error;
    EXPECT_TRUE(OpenLog(options, &error)) << error;
  }
  ~LogFile() {
    std::string error;
    OpenLog({}, &error);
    std::remove(path_.c_str());
  }
  // Of all handshakes that failed.
  std::vector<std::string> Reasons() const {
    static constexpr std::string_view kEvent = " info handshake_failed address=127.0.0.";
    static constexpr std::string_view kReason = " reason=\"";
    std::vector<std::string> reasons;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      const size_t reason = line.find(kReason);
      if (line.find(kEvent) == line.npos || reason == line.npos) continue;
      EXPECT_NE(line.find(" session="), line.npos) << line;
      reasons.push_back(line.substr(reason + kReason.size()));
      reasons.back().pop_back();
    }
    return reasons;
  }

 private:
  const std::string path_ = testing::TempDir() + "roost_starttls_test_" + std::to_string(getpid());
};

class StartTls : public ::testing::Test {
 protected:
  StartTls() {
    world_.config().listeners[0].tls = ListenerConfig::Tls::kStartTls;
    const PemPair pem = MakeSelfSigned({"localhost"});
    TlsServerOptions options;
    options.certificates.push_back({.chain_pem = pem.cert_pem, .key_pem = pem.key_pem});
    std::string error;
    world_.shard().SetTls(TlsServerContext::Create(options, &error));
    EXPECT_EQ(error, "");
  }

  uint64_t in_progress() { return world_.figures().streams.handshakes_in_progress; }
  uint64_t hits(ClientLimit limit) {
    return world_.figures().client_stats.limits[static_cast<size_t>(limit)];
  }

  ScriptedWorld world_;
};

TEST_F(StartTls, IsAnsweredAtOnceWhileFewDoSo) {
  for (uint64_t before = 0; before < 3; ++before) {
    const size_t client = world_.Connect();
    world_.Say(client, "a STARTTLS");
    EXPECT_EQ(world_.Hear(client), kBegin);
    EXPECT_EQ(in_progress(), before + 1);
  }
  EXPECT_EQ(hits(ClientLimit::kHandshakes), 0u);
}

TEST_F(StartTls, WaitsForItsTurnWhileTooManyHandshakesAreInProgress) {
  world_.config().limits.max_handshakes_in_progress = 1;
  const size_t first = world_.Connect(), second = world_.Connect(), third = world_.Connect();
  for (const size_t client : {first, second, third}) {
    world_.Say(client, "a STARTTLS");
    world_.Pass(0.1);
  }
  EXPECT_EQ(world_.Hear(first), kBegin);
  world_.HearsNothing(second, 1);
  EXPECT_EQ(in_progress(), 1u);
  EXPECT_EQ(hits(ClientLimit::kHandshakes), 1u);
  const size_t fourth = world_.Dial();
  world_.HearsNothing(fourth, 1);  // nobody is accepted meanwhile
  world_.Hang(first);
  EXPECT_EQ(world_.Hear(second), kBegin);
  world_.HearsNothing(third, 1);
  EXPECT_EQ(in_progress(), 1u);
  world_.Hang(second);
  EXPECT_EQ(world_.Hear(third), kBegin);
  world_.Hang(third);
  world_.HearsBeginning(fourth, "* OK ");
  EXPECT_EQ(in_progress(), 0u);
}

TEST_F(StartTls, IsForgottenOfWhoDoesNotWait) {
  world_.config().limits.max_handshakes_in_progress = 1;
  const size_t first = world_.Connect(), gone = world_.Connect(), third = world_.Connect();
  for (const size_t client : {first, gone, third}) {
    world_.Say(client, "a STARTTLS");
    world_.Pass(0.1);
  }
  world_.Hang(gone);
  world_.Pass(0.1);
  EXPECT_EQ(world_.figures().clients, 2u);
  world_.Hang(first);
  EXPECT_EQ(world_.Hear(third), kBegin);
  EXPECT_EQ(in_progress(), 1u);
}

// What it was: counted from the connection, so that who asked late was ended at once, and who had
// waited had no time left.
TEST_F(StartTls, WaitsNoLongerThanAHandshakeMayTakeWhichHasItsOwnTimeThen) {
  world_.config().limits.max_handshakes_in_progress = 1;
  world_.config().timeouts.handshake_s = 10;
  LogFile log;
  const size_t first = world_.Connect(), second = world_.Connect(), third = world_.Connect();
  world_.Pass(11);
  for (const size_t client : {first, second, third}) {
    world_.Say(client, "a STARTTLS");  // and no more: it is in progress until its time is over
    world_.Pass(0.2);
  }
  EXPECT_EQ(world_.Hear(first), kBegin);
  world_.HearsNothing(second, 8);
  world_.HearsNothing(third, 1);
  EXPECT_EQ(hits(ClientLimit::kHandshakeTime), 0u);
  EXPECT_EQ(world_.Hear(second), kBegin);
  EXPECT_EQ(log.Reasons(), std::vector<std::string>{"it took too long"});
  EXPECT_EQ(world_.Hear(third), "* BYE Autologout; not logged in in time");
  EXPECT_EQ(log.Reasons().back(), "too many others were in progress");
  EXPECT_EQ(hits(ClientLimit::kHandshakeTime), 2u);
  world_.Pass(8);
  EXPECT_EQ(in_progress(), 1u);
  world_.Pass(3);
  EXPECT_EQ(in_progress(), 0u);
  EXPECT_EQ(log.Reasons().back(), "it took too long");
}

TEST_F(StartTls, GivesNoMoreTimeThanALoginMayTake) {
  world_.config().timeouts.handshake_s = 10;
  world_.config().timeouts.login_s = 60;
  const size_t client = world_.Connect();
  world_.Pass(55);
  world_.Say(client, "a STARTTLS");
  EXPECT_EQ(world_.Hear(client), kBegin);
  world_.Pass(4);
  EXPECT_FALSE(world_.closed(client));
  world_.Pass(2);
  EXPECT_TRUE(world_.closed(client));
}

// What came in clear must not be taken for what came over TLS.
TEST_F(StartTls, IsTheEndOfWhoSaysMoreBeforeTheAnswer) {
  const size_t at_once = world_.Connect();
  world_.SayRaw(at_once, "a STARTTLS\r\nb LOGIN ann secret\r\n");
  EXPECT_EQ(world_.Hear(at_once), "* BYE Nothing may follow STARTTLS before its answer");
  world_.config().limits.max_handshakes_in_progress = 1;
  const size_t first = world_.Connect(), second = world_.Connect();
  world_.Say(first, "a STARTTLS");
  EXPECT_EQ(world_.Hear(first), kBegin);
  world_.Say(second, "a STARTTLS");
  world_.HearsNothing(second, 0.5);
  world_.Say(second, "b LOGIN ann secret");
  EXPECT_EQ(world_.Hear(second), "* BYE Nothing may follow STARTTLS before its answer");
  world_.Pass(0.1);
  EXPECT_TRUE(world_.closed(second));
  EXPECT_EQ(world_.sessions_seen(), 0u);
}

// What it was: ended for what had come behind it, where nothing had.
TEST_F(StartTls, MayComeInOnePieceWithALoginThatNeedsIt) {
  world_.config().listeners[0].allow_plaintext_login = false;
  const size_t client = world_.Connect();
  world_.SayRaw(client, "x LOGIN ann secret\r\na STARTTLS\r\n");
  world_.HearsBeginning(client, "x NO [PRIVACYREQUIRED]");
  EXPECT_EQ(world_.Hear(client), kBegin);
  world_.HearsNothing(client, 1);
  EXPECT_FALSE(world_.closed(client));
  EXPECT_EQ(in_progress(), 1u);
}

// What it was: nobody read what the client said in its handshake.
TEST_F(StartTls, MayComeInOnePieceWithALoginThatIsRefused) {
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  LogFile log;
  for (const bool waits : {false, true}) {
    world_.config().limits.max_handshakes_in_progress = waits ? 1 : 100;
    const size_t before = world_.Connect(), client = world_.Connect();
    world_.Say(before, "a STARTTLS");
    EXPECT_EQ(world_.Hear(before), kBegin);
    world_.SayRaw(client, "x LOGIN ann secret\r\na STARTTLS\r\n");
    world_.HearsBeginning(client, "x NO ");
    if (waits) world_.HearsNothing(client, 1);
    world_.Hang(before);
    EXPECT_EQ(world_.Hear(client), kBegin);
    world_.SayRaw(client, "GET / HTTP/1.1\r\n\r\n");
    world_.Pass(1);
    EXPECT_TRUE(world_.closed(client));
  }
  EXPECT_EQ(log.Reasons(), std::vector<std::string>(2, "the client does not speak TLS"));
}

TEST_F(StartTls, LeavesALineInTheLogWhenTheHandshakeFails) {
  world_.config().timeouts.handshake_s = 10;
  LogFile log;
  const size_t garbage = world_.Connect();
  world_.Say(garbage, "a STARTTLS");
  EXPECT_EQ(world_.Hear(garbage), kBegin);
  world_.SayRaw(garbage, "GET / HTTP/1.1\r\n\r\n");
  world_.Pass(1);
  EXPECT_TRUE(world_.closed(garbage));
  EXPECT_EQ(log.Reasons(), std::vector<std::string>{"the client does not speak TLS"});
  const size_t halfway = world_.Connect();
  world_.Say(halfway, "a STARTTLS");
  EXPECT_EQ(world_.Hear(halfway), kBegin);
  world_.SayRaw(halfway, "\x16\x03\x01");
  world_.Pass(1);
  world_.Hang(halfway);
  world_.Pass(1);
  EXPECT_EQ(log.Reasons().back(), "the peer went away during the TLS handshake");
  const size_t slow = world_.Connect();
  world_.Say(slow, "a STARTTLS");
  world_.Pass(11);
  EXPECT_TRUE(world_.closed(slow));
  EXPECT_EQ(log.Reasons().back(), "it took too long");
  const size_t silent = world_.Connect();
  world_.Say(silent, "a STARTTLS");
  EXPECT_EQ(world_.Hear(silent), kBegin);
  world_.Hang(silent);
  world_.Pass(1);
  const size_t kicked = world_.Connect();
  world_.Say(kicked, "a STARTTLS");
  EXPECT_EQ(world_.Hear(kicked), kBegin);
  world_.SayRaw(kicked, "\x16\x03\x01");
  world_.Pass(1);
  world_.Stop("over");
  world_.Pass(1);
  EXPECT_EQ(log.Reasons().size(), 3u);
}

TEST_F(StartTls, IsNotPossibleElsewhere) {
  world_.config().listeners[0].tls = ListenerConfig::Tls::kNone;
  const size_t client = world_.Connect();
  world_.Say(client, "a STARTTLS");
  world_.HearsBeginning(client, "a BAD ");
}

}  // namespace
}  // namespace roost
