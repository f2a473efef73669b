#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "core/io/io.h"
#include "core/io/listener.h"
#include "core/io/sockaddr.h"

namespace roost {
namespace {

TEST(AddressTest, LiteralsAreReadAndWrittenAlike) {
  for (const char* text : {"127.0.0.1:143", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:993",
                           "[2001:db8::1]:1", "[::]:0"}) {
    Address address;
    ASSERT_TRUE(Address::Parse(text, &address)) << text;
    EXPECT_EQ(address.ToString(), text);
  }
  EXPECT_EQ(Address().ToString(), "-");
}

TEST(AddressTest, AStarOrNothingIsAnyIPv6) {
  for (const char* text : {":993", "*:993", "[::]:993"}) {
    Address address;
    ASSERT_TRUE(Address::Parse(text, &address)) << text;
    EXPECT_EQ(address.ToString(), "[::]:993");
    EXPECT_TRUE(address.IsAny());
  }
  for (const auto& [text, any] :
       {std::pair("0.0.0.0:993", true), {"127.0.0.1:993", false}, {"[::1]:993", false}}) {
    Address address;
    ASSERT_TRUE(Address::Parse(text, &address)) << text;
    EXPECT_EQ(address.IsAny(), any) << text;
  }
}

TEST(AddressTest, AnythingElseIsRefusedAndLeavesTheResultAlone) {
  Address address;
  ASSERT_TRUE(Address::Parse("127.0.0.1:1", &address));
  for (const std::string text :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 1",
        "127.0.0.1:1x", "localhost:143", "1.2.3:4", "::1:993", "[::1]993", "[::1", "[::1]:x",
        "[127.0.0.1]:1", "[::1%lo]:1", "[]:1", "[:1"}) {
    EXPECT_FALSE(Address::Parse(text, &address)) << text;
  }
  EXPECT_FALSE(Address::Parse(std::string("127.0.0.1\0:1", 12), &address));
  EXPECT_EQ(address.ToString(), "127.0.0.1:1");
}

TEST(AddressTest, TheKernelsFormAndBack) {
  for (const char* text : {"10.1.2.3:143", "[2001:db8::1]:993"}) {
    Address address;
    ASSERT_TRUE(Address::Parse(text, &address));
    sockaddr_storage storage;
    const socklen_t length = ToSockaddr(address, &storage);
    EXPECT_EQ(length, SockaddrLength(storage.ss_family));
    EXPECT_EQ(FromSockaddr(storage), address);
  }
  Address mapped, plain;
  ASSERT_TRUE(Address::Parse("[::ffff:10.1.2.3]:143", &mapped));
  ASSERT_TRUE(Address::Parse("10.1.2.3:143", &plain));
  sockaddr_storage storage;
  ToSockaddr(mapped, &storage);
  EXPECT_EQ(FromSockaddr(storage), plain);
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  getsockopt(fd, level, name, &value, &length);
  return value;
}

TEST(ListenerTest, WhatAcceptedSocketsInheritIsSet) {
  Address address;
  ASSERT_TRUE(Address::Parse("127.0.0.1:0", &address));
  ListenOptions options;
  options.user_timeout_ms = 7000;
  options.keepalive_s = 120;
  std::string error;
  ListenerDescriptor listener = OpenListener(address, options, &error);
  ASSERT_GE(listener.fd, 0) << error;
  EXPECT_NE(listener.bound.port, 0);
  EXPECT_EQ(Option(listener.fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option(listener.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
  EXPECT_EQ(Option(listener.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(listener.fd, IPPROTO_TCP, TCP_KEEPIDLE), 120);
  CloseListenerDescriptor(&listener);
  EXPECT_EQ(listener.fd, -1);
}

TEST(ListenerTest, ErrorsSayWhatToDo) {
  Address address;
  ASSERT_TRUE(Address::Parse("127.0.0.1:0", &address));
  ListenOptions alone;
  alone.reuse_port = false;
  std::string error;
  ListenerDescriptor first = OpenListener(address, alone, &error);
  ASSERT_GE(first.fd, 0) << error;
  const ListenerDescriptor second = OpenListener(first.bound, alone, &error);
  EXPECT_EQ(second.fd, -1);
  EXPECT_NE(error.find("cannot listen on " + first.bound.ToString()), std::string::npos) << error;
  EXPECT_NE(error.find("ss -ltnp"), std::string::npos) << error;
  CloseListenerDescriptor(&first);

  ASSERT_TRUE(Address::Parse("192.0.2.1:0", &address));
  EXPECT_EQ(OpenListener(address, {}, &error).fd, -1);
  EXPECT_NE(error.find("ip addr"), std::string::npos) << error;

  EXPECT_EQ(OpenListener(Address(), {}, &error).fd, -1);
  EXPECT_NE(error.find("no address"), std::string::npos) << error;
}

}  // namespace
}  // namespace roost
