#include "tools/load/deliveries.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "core/io/uring_io.h"
#include "tools/load/load_shard.h"

namespace roost::load {
namespace {

// One user's clients and couriers; what happens to them, the tests say.
class DeliveriesTest : public testing::Test {
 protected:
  static constexpr uint32_t kClients = 4;

  void SetUp() override {
    options_.clients = options_.clients_per_user = kClients;
    UringSet::Options io;
    io.limits.max_sockets = 16;
    std::string error;
    ios_ = UringSet::Create(io, &error);
    ASSERT_NE(ios_, nullptr) << error;
    ios_->at(0).Bind();
    shard_ = std::make_unique<LoadShard>(ios_->at(0), &options_, TlsContexts{}, 0, 16);
    shard_->loop().Turn(0);
    for (uint32_t i = 0; i < kClients; ++i) mail().OnListening(user(), 0);
  }

  Deliveries& mail() { return shard_->deliveries(); }
  LoadUser* user() { return mail().user(0); }
  const Result& result() { return shard_->measured(); }
  // Some of those who know of so many are told of the next.
  void Tell(uint32_t clients, uint32_t known) {
    for (; clients > 0; --clients) mail().OnTold(user(), known);
  }
  void Send() { mail().OnSent(user()); }
  void Accept() { mail().OnAnswered(user(), true, true); }
  void Fail() { mail().OnAnswered(user(), false, true); }

  // So long ago the store took what was sent last.
  void Age(uint64_t ns) { user()->delivered.back().acked_ns -= ns; }
  uint64_t awaited() const { return shard_->progress.expected; }

  Options options_;
  std::unique_ptr<UringSet> ios_;
  std::unique_ptr<LoadShard> shard_;
};

TEST_F(DeliveriesTest, WhoIsNotToldHasLostAnEvent) {
  Send();
  Tell(1, 0);
  Accept();
  Tell(2, 0);
  EXPECT_EQ(result().expected, 4u);
  EXPECT_EQ(result().lost(), 1u);
}

// Once the failure took back what had been received, and as many losses elsewhere did not show.
TEST_F(DeliveriesTest, AFailureAfterAllWereToldHidesNoLoss) {
  Send();
  Tell(4, 0);
  Fail();
  EXPECT_EQ(result().lost(), 0u);
  Send();
  Accept();
  Tell(3, 1);
  EXPECT_EQ(result().lost(), 1u);
  EXPECT_EQ(result().unexpected, 0u);
}

TEST_F(DeliveriesTest, WhatFailedAndIsThereMayBeToldButNeedNot) {
  Send();
  Tell(2, 0);
  Fail();
  EXPECT_EQ(result().lost(), 0u);
  EXPECT_EQ(result().expected, 2u);
  Tell(1, 0);
  EXPECT_EQ(result().expected, 3u);
  EXPECT_EQ(result().received, 3u);
  mail().OnLeft(user(), 0);
  EXPECT_EQ(mail().OnListening(user(), 0), 0u);
  EXPECT_EQ(result().expected, 3u);
  EXPECT_EQ(result().unexpected, 0u);
}

TEST_F(DeliveriesTest, WhatFailedAndWasFoundThereStays) {
  Send();
  mail().OnLeft(user(), 0);
  EXPECT_EQ(mail().OnListening(user(), 1), 1u);
  Fail();
  Send();
  Accept();
  Tell(1, 1);
  EXPECT_EQ(result().received, 1u);
  EXPECT_EQ(result().lost(), 3u);
  EXPECT_EQ(result().unexpected, 0u);
}

TEST_F(DeliveriesTest, WhatFailedBeforeAnybodyKnewIsNotThere) {
  Send();
  Fail();
  EXPECT_EQ(result().expected, 0u);
  Tell(1, 0);
  EXPECT_EQ(result().unexpected, 1u);
  Send();
  Accept();
  Tell(4, 0);
  EXPECT_EQ(result().received, 4u);
}

// Once it had two times, the first of them too early.
TEST_F(DeliveriesTest, AMessageHasOneLastClientThoughSomeComeWhileItArrives) {
  Send();
  Tell(4, 0);
  Accept();
  mail().OnListening(user(), 0);
  Tell(1, 0);
  mail().Leave();
  EXPECT_EQ(result().told_last.count(), 1u);
}

TEST_F(DeliveriesTest, WhereOneWhoCameLaterIsUntoldNobodyWasTheLast) {
  Send();
  Tell(4, 0);
  Accept();
  mail().OnListening(user(), 0);
  mail().Leave();
  EXPECT_EQ(result().told_last.count(), 0u);
}

// Once whoever left was owed nothing, so no client that comes and goes could lose anything.
TEST_F(DeliveriesTest, WhoLeavesUntoldLongAfterTheStoreTookItHasLostAnEvent) {
  Send();
  Tell(3, 0);
  Accept();
  Age(Deliveries::kPatienceNs + 1);
  mail().OnLeft(user(), 0);
  EXPECT_EQ(result().lost(), 1u);
  EXPECT_EQ(result().excused, 0u);
  EXPECT_EQ(awaited(), 3u);  // in vain no longer
  // It finds the message when it is back, and that is too late.
  EXPECT_EQ(mail().OnListening(user(), 1), 1u);
  EXPECT_EQ(result().lost(), 1u);
  EXPECT_FALSE(result().Good());
}

TEST_F(DeliveriesTest, WhoLeavesSoonerIsExcused) {
  Send();
  Tell(2, 0);
  mail().OnLeft(user(), 0);
  Accept();
  Age(Deliveries::kPatienceNs / 2);
  mail().OnLeft(user(), 0);
  EXPECT_EQ(result().expected, 2u);
  EXPECT_EQ(result().lost(), 0u);
  EXPECT_EQ(result().excused, 2u);
  EXPECT_TRUE(result().Good());
}

// Once the count began anew without a word, and any number was as good as the right one.
TEST_F(DeliveriesTest, WhoComesBackToANumberThatDoesNotFitIsToldOfNothing) {
  for (const int64_t wrong : {2, -1}) {  // one more than there can be, and one fewer
    const uint64_t before = result().unexpected;
    Send();
    Tell(4, static_cast<uint32_t>(user()->delivered.size()) - 1);
    Accept();
    mail().OnLeft(user(), static_cast<uint32_t>(user()->delivered.size()));
    mail().OnListening(user(), wrong);
    EXPECT_EQ(result().unexpected, before + 1) << wrong;
    user()->messages_before = 0;
  }
  EXPECT_FALSE(result().Good());
}

TEST_F(DeliveriesTest, ANumberFitsAsItIsWhereAMessageFailed) {
  Send();
  Fail();
  mail().OnLeft(user(), 0);
  EXPECT_EQ(mail().OnListening(user(), 1), 0u);
  EXPECT_EQ(result().unexpected, 0u);
}

TEST_F(DeliveriesTest, WhoDoesNotListenAllTheTimeIsExcusedForThatMuchLonger) {
  Send();
  Tell(2, 0);
  Accept();
  Age(Deliveries::kPatienceNs + 1);
  mail().OnLeft(user(), 0, kNsPerSecond);
  EXPECT_EQ(result().excused, 1u);
  Age(kNsPerSecond);
  mail().OnLeft(user(), 0, kNsPerSecond);
  EXPECT_EQ(result().excused, 1u);
  EXPECT_EQ(result().lost(), 1u);
}

}  // namespace
}  // namespace roost::load
