#include "tools/store/lmtp.h"

#include <map>

#include <gtest/gtest.h>

#include "tools/store/test_client.h"

namespace roost::embedded {
namespace {

struct TestSink : MailSink {
  bool Accepts(std::string_view address) const override { return address != "nobody@x.example"; }
  void Deliver(const std::string& address, Body body, int64_t) override {
    delivered[address] = std::move(body);
  }
  std::map<std::string, Body> delivered;
};

class LmtpTest : public testing::Test {
 protected:
  LmtpTest() : session(&sink, &options, &host) { session.Greet(); }

  std::string Say(std::string_view bytes) {
    pending.append(bytes);
    pending.erase(0, session.Receive(pending));
    return std::exchange(host.output, {});
  }
  void Begin() {
    Say("LHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@x.example>\r\nDATA\r\n");
  }

  SessionOptions options;
  TestHost host;
  TestSink sink;
  LmtpSession session;
  std::string pending;
};

TEST_F(LmtpTest, AnswersForEachRecipient) {
  EXPECT_HAS(Say(""), "220 roost-store LMTP");
  EXPECT_HAS(Say("LHLO me\r\n"), "250-PIPELINING\r\n");
  EXPECT_EQ(
      Say("MAIL FROM:<> SIZE=100\r\nRCPT TO:<alice@x.example>\r\nRCPT TO:<nobody@x.example>\r\n"
          "RCPT TO:<bob>\r\n"),
      "250 2.1.0 Sender noted\r\n250 2.1.5 Recipient noted\r\n550 5.1.1 No such user\r\n"
      "250 2.1.5 Recipient noted\r\n");
  EXPECT_HAS(Say("DATA\r\n"), "354");
  EXPECT_EQ(Say("Subject: x\r\n\r\n..dot\r\nhi\r\n.\r\n"),
            "250 2.0.0 Delivered\r\n250 2.0.0 Delivered\r\n");
  ASSERT_EQ(sink.delivered.size(), 2u);
  EXPECT_EQ(sink.delivered["bob"], sink.delivered["alice@x.example"]) << "one body for both";
  EXPECT_TRUE(sink.delivered["bob"]->starts_with("Return-Path: <>\r\nReceived: by roost-store"));
  EXPECT_TRUE(sink.delivered["bob"]->ends_with("Subject: x\r\n\r\n.dot\r\nhi\r\n"));
  EXPECT_HAS(Say("QUIT\r\n"), "221");
  EXPECT_TRUE(host.closed);
}

TEST_F(LmtpTest, AMessageComesByteByByteAsWellAsWhole) {
  const std::string message = ".begins with a dot? ..\r\n\r\nbare lf\nlong " +
                              std::string(3 * LmtpSession::kMaxLineBytes, 'x') + "\r\n.\r\n";
  Begin();
  Say(message);
  const std::string whole = *sink.delivered["alice@x.example"];
  EXPECT_HAS(whole, "\r\nbare lf\r\nlong xxx");
  sink.delivered.clear();
  Say("MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@x.example>\r\nDATA\r\n");
  for (char c : message) Say(std::string_view(&c, 1));
  EXPECT_EQ(*sink.delivered["alice@x.example"], whole);
}

TEST_F(LmtpTest, ATooBigMessageIsRefusedForEach) {
  options.max_message_bytes = 1000;
  Begin();
  EXPECT_HAS(Say(std::string(2000, 'x') + "\r\n.\r\n"), "552");
  EXPECT_TRUE(sink.delivered.empty());
  EXPECT_HAS(Say("MAIL FROM:<a@b.example> SIZE=2000\r\n"), "552");
  EXPECT_HAS(Say("MAIL FROM:<a@b.example>\r\n"), "250");
}

TEST_F(LmtpTest, CommandsOutOfOrderAreRefused) {
  Say("");
  EXPECT_HAS(Say("MAIL FROM:<a>\r\n"), "503");
  EXPECT_HAS(Say("EHLO me\r\n"), "500");
  Say("LHLO me\r\n");
  EXPECT_HAS(Say("RCPT TO:<a>\r\n"), "503");
  EXPECT_HAS(Say("DATA\r\n"), "503");
  EXPECT_HAS(Say("MAIL FROM:a\r\n"), "501");
  EXPECT_HAS(Say("MAIL FROM:<a>\r\nMAIL FROM:<b>\r\n"), "503");
  EXPECT_HAS(Say("DATA\r\n"), "554");
  EXPECT_HAS(Say("RSET\r\nNOOP\r\nFISH\r\n"), "250 2.0.0 Here\r\n500");
}

TEST_F(LmtpTest, ALineWithoutEndEndsTheSession) {
  EXPECT_HAS(Say(std::string(LmtpSession::kMaxLineBytes + 1, 'x')), "500");
  EXPECT_TRUE(host.closed);
}

}  // namespace
}  // namespace roost::embedded
