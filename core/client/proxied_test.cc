// Clients that come through a balancer which announces them by the PROXY protocol.
#include <string>

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"
#include "proto/net/proxy_header.h"

namespace roost {
namespace {

class ProxiedTest : public ::testing::Test {
 protected:
  ProxiedTest() { Trust("0.0.0.0/0"); }
  void Trust(const std::string& network) {
    Network trusted;
    EXPECT_TRUE(Network::Parse(network, &trusted));
    world_.config().listeners[0].proxy_from = {trusted};
  }
  static std::string From(const std::string& host) {
    const bool six = host.find(':') != host.npos;
    return (six ? "PROXY TCP6 " : "PROXY TCP4 ") + host + (six ? " ::1" : " 192.0.2.1") +
           " 40000 143\r\n";
  }
  // Connected, announced and greeted.
  size_t ConnectFrom(const std::string& host) {
    const size_t client = world_.Dial();
    world_.SayRaw(client, From(host));
    world_.HearsBeginning(client, "* OK ");
    return client;
  }
  void IsRefused(size_t client) {
    EXPECT_EQ(world_.Hear(client), "* BYE [UNAVAILABLE] Too many connections from your address");
    world_.Pass(0.1);
    EXPECT_TRUE(world_.closed(client));
  }

  ScriptedWorld world_;
};

TEST_F(ProxiedTest, AreGreetedWhenTheyWereAnnounced) {
  const size_t client = world_.Dial();
  world_.HearsNothing(client, 1);
  world_.SayRaw(client, From("203.0.113.7"));
  world_.HearsBeginning(client, "* OK ");
}

TEST_F(ProxiedTest, MayBeAnnouncedByteByByteAndSpeakAtOnce) {
  const size_t client = world_.Dial();
  for (const char c : From("2001:db8::7")) {
    world_.SayRaw(client, std::string(1, c));
    world_.Pass(0.01);
  }
  world_.HearsBeginning(client, "* OK ");
  const size_t other = world_.Dial();
  world_.SayRaw(other, From("203.0.113.7") + "a NOOP\r\n");
  world_.HearsBeginning(other, "* OK ");
  EXPECT_EQ(world_.Hear(other), "a OK NOOP completed.");
}

TEST_F(ProxiedTest, CountByTheAddressThatWasAnnounced) {
  world_.config().limits.max_clients_per_address = 2;
  const size_t first = ConnectFrom("203.0.113.7");
  ConnectFrom("203.0.113.7");
  for (int i = 0; i < 5; ++i) ConnectFrom("203.0.113." + std::to_string(8 + i));
  const size_t third = world_.Dial();
  world_.SayRaw(third, From("203.0.113.7"));
  IsRefused(third);
  ConnectFrom("2001:db8:0:1::1");
  ConnectFrom("2001:db8:0:1::2");
  const size_t six = world_.Dial();
  world_.SayRaw(six, From("2001:db8:0:1:ffff::3"));
  IsRefused(six);
  ConnectFrom("2001:db8:0:2::1");
  world_.Hang(first);
  world_.Pass(0.1);
  ConnectFrom("203.0.113.7");
}

TEST_F(ProxiedTest, FailByTheAddressThatWasAnnounced) {
  world_.config().limits.failed_login_delay_s = 10;
  world_.RefuseLogins("NO [AUTHENTICATIONFAILED] no");
  for (int i = 0; i < 4; ++i) {
    const size_t client = ConnectFrom("203.0.113.7");
    world_.Say(client, "a LOGIN ann wrong");
    EXPECT_EQ(world_.Hear(client), "a NO [AUTHENTICATIONFAILED] no");
  }
  const size_t other = ConnectFrom("203.0.113.8");
  world_.Say(other, "a LOGIN ann wrong");
  world_.Pass(0.2);
  EXPECT_EQ(world_.Hear(other), "a NO [AUTHENTICATIONFAILED] no");
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 0u);
  const size_t again = ConnectFrom("203.0.113.7");
  world_.Say(again, "a LOGIN ann wrong");
  world_.HearsNothing(again, 0.9);
  EXPECT_EQ(world_.figures().client_stats.delayed_logins, 1u);
}

TEST(ProxiedClient, IsAnnouncedToTheStoreByItsOwnAddress) {
  ScriptedWorld world(std::string(ScriptedWorld::kCapabilities) + " ID");
  Network everywhere;
  ASSERT_TRUE(Network::Parse("0.0.0.0/0", &everywhere));
  world.config().listeners[0].proxy_from = {everywhere};
  world.config().stores[0].send_id_originating_ip = true;
  const size_t client = world.Dial();
  world.SayRaw(client, "PROXY TCP4 203.0.113.7 192.0.2.1 40000 143\r\n");
  world.HearsBeginning(client, "* OK ");
  world.Say(client, "a LOGIN ann secret");
  world.HearsBeginning(client, "a OK ");
  EXPECT_NE(world.IdOf(0).find("\"x-originating-ip\" \"203.0.113.7\""), std::string::npos)
      << world.IdOf(0);
}

TEST_F(ProxiedTest, AreCutOffWhenTheHeaderIsNone) {
  const size_t client = world_.Dial();
  world_.Say(client, "a LOGIN ann secret");
  world_.HearsNothing(client, 1);
  EXPECT_TRUE(world_.closed(client));
  EXPECT_EQ(world_.figures().client_stats.bad_proxy_headers, 1u);
  EXPECT_EQ(world_.sessions_seen(), 0u);
}

TEST_F(ProxiedTest, MustBeAnnouncedInTime) {
  world_.config().timeouts.handshake_s = 5;
  const size_t client = world_.Dial();
  world_.SayRaw(client, "PROXY TCP4 ");
  world_.Pass(6);
  EXPECT_TRUE(world_.closed(client));
  EXPECT_EQ(world_.figures().clients, 0u);
}

TEST_F(ProxiedTest, CountAsHandshakesUntilTheyAreAnnounced) {
  world_.config().limits.max_handshakes_in_progress = 2;
  const size_t first = world_.Dial();
  const size_t second = world_.Dial();
  const size_t third = world_.Dial();
  world_.SayRaw(third, "PROXY TCP4 203.0.113.7 192.0.2.1 40000 143\r\n");
  world_.HearsNothing(third, 1);  // it waits for its turn
  EXPECT_EQ(world_.figures().clients, 2u);
  world_.SayRaw(first, "PROXY TCP4 203.0.113.8 192.0.2.1 40000 143\r\n");
  world_.HearsBeginning(first, "* OK ");
  world_.HearsBeginning(third, "* OK ");
  world_.SayRaw(second, "PROXY nonsense\r\n");
  world_.HearsNothing(second, 0.1);
  EXPECT_TRUE(world_.closed(second));
  const size_t fourth = world_.Dial();
  const size_t fifth = world_.Dial();
  for (const size_t client : {fourth, fifth}) {
    world_.SayRaw(client, "PROXY TCP4 203.0.113.9 192.0.2.1 40000 143\r\n");
    world_.HearsBeginning(client, "* OK ");
  }
}

TEST_F(ProxiedTest, AreTheBalancerItselfWhenItSaysSo) {
  world_.config().limits.max_clients_per_address = 1;
  for (int i = 0; i < 3; ++i) {
    const size_t client = world_.Dial();
    std::string header;
    AppendProxyV2(&header, {.local = true});
    world_.SayRaw(client, header);
    world_.HearsBeginning(client, "* OK ");
  }
}

TEST_F(ProxiedTest, AreBelievedFromTrustedNetworksOnly) {
  Trust("203.0.113.0/24");
  const size_t client = world_.Connect();  // greeted without a word
  world_.SayRaw(client, From("203.0.113.7"));
  world_.HearsBeginning(client, "PROXY BAD ");
}

}  // namespace
}  // namespace roost
