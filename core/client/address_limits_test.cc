#include "core/client/address_limits.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

constexpr HashKey kKey = {1, 2};

Address Of(const std::string& host) {
  Address address;
  EXPECT_TRUE(
      Address::Parse(host.find(':') == host.npos ? host + ":1" : "[" + host + "]:1", &address));
  return address;
}

Address Numbered(uint32_t i) {
  Address address;
  address.family = 4;
  for (int byte = 0; byte < 4; ++byte) address.bytes[byte] = static_cast<uint8_t>(i >> (8 * byte));
  return address;
}

TEST(AddressLimits, TakesAsManyAsAllowedAndOneMoreWhenOneLeft) {
  AddressLimits limits(kKey, 1);
  const Address peer = Of("192.0.2.1");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits.Enter(peer, 3));
  EXPECT_FALSE(limits.Enter(peer, 3));
  EXPECT_FALSE(limits.Enter(peer, 3));  // whoever is refused does not count
  EXPECT_EQ(limits.Count(peer), 3u);
  limits.Leave(peer);
  EXPECT_TRUE(limits.Enter(peer, 3));
  EXPECT_TRUE(limits.Enter(Of("192.0.2.2"), 3));
  EXPECT_EQ(limits.Count(Of("192.0.2.2")), 1u);
}

TEST(AddressLimits, TakesANetworkOfIPv6ForOneAndItsMappedAddressesForIPv4) {
  AddressLimits limits(kKey, 1);
  EXPECT_TRUE(limits.Enter(Of("2001:db8:1:2::1"), 1));
  EXPECT_FALSE(limits.Enter(Of("2001:db8:1:2:ffff::9"), 1));
  EXPECT_TRUE(limits.Enter(Of("2001:db8:1:3::1"), 1));
  EXPECT_TRUE(limits.Enter(Of("192.0.2.1"), 1));
  EXPECT_FALSE(limits.Enter(Of("::ffff:192.0.2.1"), 1));
  EXPECT_TRUE(limits.Enter(Of("::ffff:192.0.2.2"), 1));
}

TEST(AddressLimits, IsNeverBelowTheTruthAndSeldomMuchAbove) {
  constexpr uint32_t kClients = AddressLimits::kClientsOfAShard;
  AddressLimits limits(kKey, 1);
  std::vector<Address> peers;
  for (uint32_t i = 0; i < kClients; ++i) {
    peers.push_back(Numbered(i));
    EXPECT_TRUE(limits.Enter(peers.back(), kClients));
  }
  uint32_t above_5 = 0;
  for (const Address& peer : peers) {
    EXPECT_GE(limits.Count(peer), 1u);
    if (limits.Count(peer) > 6) ++above_5;
  }
  EXPECT_LE(above_5, kClients / 30'000);
  for (const Address& peer : peers) limits.Leave(peer);
  for (const Address& peer : peers) EXPECT_EQ(limits.Count(peer), 0u);
}

// What it was: without a max_clients, or below one that was raised, made for far fewer clients, so
// that newcomers of addresses without any were refused.
TEST(AddressLimits, RefusesNobodyForOthersHoweverManyTheShardsHold) {
  constexpr uint32_t kShards = 4;
  AddressLimits limits(kKey, kShards);
  uint32_t refused = 0;
  for (uint32_t i = 0; i < kShards * AddressLimits::kClientsOfAShard; ++i) {
    if (!limits.Enter(Numbered(i), 10)) ++refused;
  }
  EXPECT_EQ(refused, 0u);
}

TEST(AddressLimits, IsNeverExceededByManyThreads) {
  AddressLimits limits(kKey, 1);
  const Address peer = Of("192.0.2.1");
  constexpr uint32_t kLimit = 10;
  std::atomic<uint32_t> inside{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        if (!limits.Enter(peer, kLimit)) continue;
        const uint32_t now = ++inside;
        for (uint32_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        --inside;
        limits.Leave(peer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kLimit);
  EXPECT_GE(most, 1u);
  EXPECT_EQ(limits.Count(peer), 0u);
}

class FailuresTest : public ::testing::Test {
 protected:
  void Fail(int times) {
    for (int i = 0; i < times; ++i) limits_.LoginFailed(peer_, now_s_);
  }
  uint64_t Delay(uint64_t most_s = 15) { return limits_.DelayS(peer_, now_s_, most_s); }

  AddressLimits limits_{kKey, 1};
  const Address peer_ = Of("192.0.2.1");
  uint64_t now_s_ = 1000;
};

TEST_F(FailuresTest, CostNothingAtFirstAndThenTwiceAsMuchEachTime) {
  EXPECT_EQ(Delay(), 0u);
  Fail(3);
  EXPECT_EQ(Delay(), 0u);
  for (const uint64_t delay : {1, 2, 4, 8, 15, 15}) {
    Fail(1);
    EXPECT_EQ(Delay(), delay);
  }
  EXPECT_EQ(Delay(0), 0u);
  EXPECT_EQ(limits_.DelayS(Of("192.0.2.2"), now_s_, 15), 0u);
}

TEST_F(FailuresTest, AreForgottenOneByOne) {
  Fail(6);
  EXPECT_EQ(Delay(), 4u);
  now_s_ += 59;
  EXPECT_EQ(Delay(), 4u);
  now_s_ += 1;
  EXPECT_EQ(Delay(), 2u);
  now_s_ += 90;
  EXPECT_EQ(Delay(), 1u);
  Fail(1);  // the half minute that has passed still counts
  EXPECT_EQ(Delay(), 2u);
  now_s_ += 30;
  EXPECT_EQ(Delay(), 1u);
  now_s_ += 3600;
  EXPECT_EQ(Delay(), 0u);
}

TEST_F(FailuresTest, AreForgivenHalfByAGoodLogin) {
  Fail(8);
  limits_.LoginSucceeded(peer_, now_s_);
  EXPECT_EQ(Delay(), 1u);
  limits_.LoginSucceeded(peer_, now_s_);
  EXPECT_EQ(Delay(), 0u);
}

TEST_F(FailuresTest, HaveABound) {
  Fail(10'000);
  EXPECT_EQ(Delay(1'000'000'000), 1u << 28);
  now_s_ += 32 * 60;
  EXPECT_EQ(Delay(), 0u);
}

}  // namespace
}  // namespace roost
