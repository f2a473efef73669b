#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
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
  EXPECT_EQ(Option(listener.fd, IPPROTO_TCP, TCP_KEEPINTVL), 12);
  EXPECT_EQ(Option(listener.fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
  CloseListenerDescriptor(&listener);
  EXPECT_EQ(listener.fd, -1);
}

// A connection whose other end hears nothing any more, not even what the kernel would answer by
// itself.
class DeafPeer {
 public:
  DeafPeer(int keepalive_s, int user_timeout_ms) {
    Address any;
    EXPECT_TRUE(Address::Parse("127.0.0.1:0", &any));
    ListenOptions options;
    options.keepalive_s = keepalive_s;
    options.user_timeout_ms = user_timeout_ms;
    std::string error;
    ListenerDescriptor listener = OpenListener(any, options, &error);
    sockaddr_storage storage;
    const socklen_t length = ToSockaddr(listener.bound, &storage);
    peer_ = OpenConnectSocket(listener.bound, {});
    EXPECT_EQ(connect(peer_, reinterpret_cast<sockaddr*>(&storage), length), 0) << error;
    accepted_ = accept(listener.fd, nullptr, nullptr);
    CloseListenerDescriptor(&listener);
    sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog filter = {1, &nothing};
    EXPECT_EQ(setsockopt(peer_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)), 0);
  }
  ~DeafPeer() {
    close(peer_);
    close(accepted_);
  }
  void Hears() {
    const int unused = 0;
    EXPECT_EQ(setsockopt(peer_, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)), 0);
  }
  // Waits until so many probes are not answered. False: the connection ended before.
  bool Unanswered(int least, int most) {
    pollfd end = {accepted_, POLLIN, 0};
    for (int i = 0; i < 1000; ++i) {
      tcp_info info = {};
      socklen_t length = sizeof(info);
      EXPECT_EQ(getsockopt(accepted_, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
      if (info.tcpi_probes >= least && info.tcpi_probes <= most) return true;
      if (poll(&end, 1, 10) != 0) return false;
    }
    return false;
  }
  int error() const { return Option(accepted_, SOL_SOCKET, SO_ERROR); }

 private:
  int peer_ = -1;
  int accepted_ = -1;
};

// Where TCP_USER_TIMEOUT was short, once one lost probe ended a client, whatever TCP_KEEPCNT was.
TEST(ListenerTest, OneProbeMayBeLostWhereTheUserTimeoutLeavesTimeForAll) {
  DeafPeer in_time(1, KeepaliveSeconds(1) * 1000);
  DeafPeer hurried(1, 1000);
  EXPECT_TRUE(in_time.Unanswered(2, kKeepaliveProbes));
  in_time.Hears();
  EXPECT_TRUE(in_time.Unanswered(0, 0));
  EXPECT_EQ(in_time.error(), 0);
  EXPECT_FALSE(hurried.Unanswered(2, kKeepaliveProbes));
  EXPECT_EQ(hurried.error(), ETIMEDOUT);
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
