#include "core/config/network.h"

#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

Network Parsed(const std::string& text) {
  Network network;
  EXPECT_TRUE(Network::Parse(text, &network)) << text;
  return network;
}

Address Host(const std::string& host) {
  Address address;
  EXPECT_TRUE(
      Address::Parse(host.find(':') == host.npos ? host + ":9" : "[" + host + "]:9", &address));
  return address;
}

TEST(Network, IsAnAddressAndThePrefixThatCounts) {
  for (const char* text : {"10.0.0.0/8", "192.0.2.0/25", "0.0.0.0/0", "2001:db8::/33", "::/0"}) {
    EXPECT_EQ(Parsed(text).ToString(), text);
  }
  EXPECT_EQ(Parsed("192.0.2.1").ToString(), "192.0.2.1/32");
  EXPECT_EQ(Parsed("::1").ToString(), "::1/128");
}

TEST(Network, IsNothingElse) {
  Network network;
  for (const char* wrong : {"", "*", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                            "10.0.0.1/8", "::1/64", "::/129", "10.0.0/8", "example.org", "[::]/0",
                            "10.0.0.0:1/8", "192.0.2.129/25"}) {
    EXPECT_FALSE(Network::Parse(wrong, &network)) << wrong;
  }
}

TEST(Network, ContainsWhatBeginsAsItDoes) {
  EXPECT_TRUE(Parsed("192.0.2.0/25").Contains(Host("192.0.2.127")));
  EXPECT_FALSE(Parsed("192.0.2.0/25").Contains(Host("192.0.2.128")));
  EXPECT_TRUE(Parsed("2001:db8::/33").Contains(Host("2001:db8:7fff::1")));
  EXPECT_FALSE(Parsed("2001:db8::/33").Contains(Host("2001:db8:8000::1")));
  EXPECT_TRUE(Parsed("0.0.0.0/0").Contains(Host("203.0.113.9")));
  EXPECT_FALSE(Parsed("0.0.0.0/0").Contains(Host("::1")));
  EXPECT_FALSE(Parsed("::/0").Contains(Host("203.0.113.9")));
  EXPECT_FALSE(Parsed("::/0").Contains(Host("::ffff:203.0.113.9")));
  EXPECT_TRUE(Parsed("203.0.113.9").Contains(Host("::ffff:203.0.113.9")));
}

}  // namespace
}  // namespace roost
