// KeyUpdate, NewSessionTicket and handshake messages split over records, after the handshake.
#include <string>

#include <gtest/gtest.h>

#include "proto/tls/raw_record.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/record_layer_test_util.h"

namespace roost {
namespace {

constexpr uint8_t kHandshakeType = 22;
constexpr uint8_t kDataType = 23;

class KeyUpdateTest : public testing::TestWithParam<TlsSuite> {
 protected:
  // A KeyUpdate from this side by the independent sealer.
  static std::string RawUpdate(TlsState& writer, uint8_t request) {
    const std::string record = SealRaw(writer, kHandshakeType, KeyUpdateMessage(request));
    AdvanceWriteKey(writer);
    return record;
  }
  static void ExpectFatal(TlsState& state, const std::string& wire, uint8_t alert) {
    const Opened opened = OpenAll(state, wire);
    EXPECT_EQ(opened.last.status, OpenResult::kError);
    EXPECT_EQ(int{opened.last.alert}, int{alert});
  }
  TlsPair pair_ = MakePair(GetParam());
};
INSTANTIATE_TEST_SUITE_P(EveryTls13Suite, KeyUpdateTest, testing::ValuesIn(kTls13Suites));

TEST_P(KeyUpdateTest, IsSealedAsAnIndependentSealerDoesIt) {
  TlsState reference = pair_.server;
  std::string wire;
  ASSERT_TRUE(SealKeyUpdate(pair_.server, true, &wire));
  ASSERT_TRUE(Seal(pair_.server, "new key", &wire));
  EXPECT_EQ(wire, Join({RawUpdate(reference, 1), SealRaw(reference, kDataType, "new key")}));
}

TEST_P(KeyUpdateTest, FromThePeerChangesTheReadKeyOnly) {
  RecordContext context;
  const std::string wire =
      Join({SealRaw(pair_.client, kDataType, "old "), RawUpdate(pair_.client, 0),
            SealRaw(pair_.client, kDataType, "new")});
  const TlsState before = pair_.server;
  const Opened opened = OpenAll(pair_.server, wire, &context);
  EXPECT_EQ(opened.data, "old new");
  EXPECT_TRUE(opened.reply.empty());
  EXPECT_EQ(std::memcmp(before.write_secret, pair_.server.write_secret, 48), 0);
  EXPECT_EQ(pair_.server.read_sequence, 1u);
}

TEST_P(KeyUpdateTest, ARequestIsAnsweredAtOnce) {
  RecordContext context;
  std::string wire;
  ASSERT_TRUE(Seal(pair_.server, "before", &wire, &context));
  const Opened opened = OpenAll(pair_.server, RawUpdate(pair_.client, 1), &context);
  ASSERT_FALSE(opened.reply.empty());
  std::string after;
  ASSERT_TRUE(Seal(pair_.server, " after", &after, &context));
  const Opened seen = OpenAll(pair_.client, wire + opened.reply + after);
  EXPECT_EQ(seen.data, "before after");
  EXPECT_TRUE(seen.reply.empty()) << "the answer asks for nothing";
}

TEST_P(KeyUpdateTest, RequestsWhileWeAreSilentGetOneAnswerAndOneBeforeTheNextData) {
  std::string wire;
  for (int i = 0; i < 5; ++i) wire += RawUpdate(pair_.client, 1);
  const Opened opened = OpenAll(pair_.server, wire);
  TlsState reference = MakePair(GetParam()).server;
  EXPECT_EQ(opened.reply, RawUpdate(reference, 0));
  std::string data;
  const size_t expected = SealedSize(pair_.server, 1);
  ASSERT_TRUE(Seal(pair_.server, "x", &data));
  EXPECT_EQ(data.size(), expected);
  EXPECT_EQ(data, Join({RawUpdate(reference, 0), SealRaw(reference, kDataType, "x")}));
}

TEST_P(KeyUpdateTest, WithoutAPlaceForTheAnswerItGoesBeforeTheNextData) {
  std::string request = RawUpdate(pair_.client, 1);
  EXPECT_EQ(Open(pair_.server, Bytes(request), nullptr).status, OpenResult::kNothing);
  std::string data;
  const size_t expected = SealedSize(pair_.server, 40000);
  ASSERT_TRUE(Seal(pair_.server, std::string(40000, 'y'), &data));
  EXPECT_EQ(data.size(), expected);
  EXPECT_EQ(OpenAll(pair_.client, data).data, std::string(40000, 'y'));
  ASSERT_TRUE(Seal(pair_.server, "z", &data));
  EXPECT_EQ(pair_.server.write_sequence, 4u) << "answered once";
}

TEST_P(KeyUpdateTest, MayBeSplitIntoSingleBytes) {
  const std::string message = KeyUpdateMessage(1);
  std::string wire;
  for (const char byte : message) wire += SealRaw(pair_.client, kHandshakeType, {&byte, 1});
  AdvanceWriteKey(pair_.client);
  wire += SealRaw(pair_.client, kDataType, "x");
  const Opened opened = OpenAll(pair_.server, wire);
  EXPECT_EQ(opened.data, "x");
  EXPECT_FALSE(opened.reply.empty());
}

TEST_P(KeyUpdateTest, MayNotBeFollowedByAnythingInItsRecord) {
  ExpectFatal(pair_.server,
              SealRaw(pair_.client, kHandshakeType, KeyUpdateMessage(0) + KeyUpdateMessage(0)),
              kAlertUnexpectedMessage);
  pair_ = MakePair(GetParam());
  ExpectFatal(pair_.server,
              SealRaw(pair_.client, kHandshakeType, KeyUpdateMessage(0) + std::string(1, '\x18')),
              kAlertUnexpectedMessage);
}

TEST_P(KeyUpdateTest, MustHaveOneByteOfBodyAndAKnownValue) {
  ExpectFatal(pair_.server, SealRaw(pair_.client, kHandshakeType, std::string("\x18\0\0\0", 4)),
              kAlertDecodeError);
  pair_ = MakePair(GetParam());
  ExpectFatal(pair_.server, SealRaw(pair_.client, kHandshakeType, std::string("\x18\0\0\2\0\0", 6)),
              kAlertDecodeError);
  pair_ = MakePair(GetParam());
  ExpectFatal(pair_.server, SealRaw(pair_.client, kHandshakeType, KeyUpdateMessage(2)),
              kAlertIllegalParameter);
}

TEST_P(KeyUpdateTest, UnderTheOldKeyAfterwardsIsRefused) {
  TlsState old = pair_.client;
  EXPECT_EQ(OpenAll(pair_.server, RawUpdate(pair_.client, 0)).last.status, OpenResult::kNeedMore);
  old.write_sequence = 1;
  ExpectFatal(pair_.server, SealRaw(old, kDataType, "x"), kAlertBadRecordMac);
}

TEST_P(KeyUpdateTest, TooManyInARowAreRefused) {
  std::string wire;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kMaxKeyUpdatesInARow; ++i) wire += RawUpdate(pair_.client, 0);
    wire += SealRaw(pair_.client, kDataType, "x");
  }
  EXPECT_EQ(OpenAll(pair_.server, wire).data, "xx");
  wire.clear();
  for (int i = 0; i <= kMaxKeyUpdatesInARow; ++i) wire += RawUpdate(pair_.client, 0);
  ExpectFatal(pair_.server, wire, kAlertUnexpectedMessage);
}

TEST_P(KeyUpdateTest, IsMadeByOurselvesLongBeforeTheKeyIsWornOut) {
  RecordContext context;
  pair_.server.write_sequence = pair_.client.read_sequence = kRecordsPerKey - 1;
  const std::string text(3 * kMaxPlaintextBytes, 'k');
  const size_t expected = SealedSize(pair_.server, text.size());
  std::string wire;
  ASSERT_TRUE(Seal(pair_.server, text, &wire, &context));
  EXPECT_EQ(wire.size(), expected);
  EXPECT_EQ(pair_.server.write_sequence, 2u);
  std::string more;
  ASSERT_TRUE(Seal(pair_.server, "l", &more, &context));
  const Opened opened = OpenAll(pair_.client, wire + more);
  EXPECT_EQ(opened.data, text + "l");
  EXPECT_EQ(opened.records, 5);
}

TEST_P(KeyUpdateTest, IsAskedOfAPeerThatNeverChangesItsKey) {
  pair_.server.read_sequence = pair_.client.write_sequence = kRecordsPerKey - 1;
  const Opened opened = OpenAll(pair_.server, SealRaw(pair_.client, kDataType, "x"));
  EXPECT_EQ(opened.data, "x");
  const Opened asked = OpenAll(pair_.client, opened.reply);
  EXPECT_FALSE(asked.reply.empty());
  EXPECT_EQ(OpenAll(pair_.server, asked.reply).last.status, OpenResult::kNeedMore);
  EXPECT_EQ(pair_.server.read_sequence, 0u);
}

TEST_P(KeyUpdateTest, IsNotAnsweredAfterWeHaveClosed) {
  std::string bye;
  ASSERT_TRUE(SealCloseNotify(pair_.server, &bye));
  const Opened opened =
      OpenAll(pair_.server,
              Join({RawUpdate(pair_.client, 1), SealRaw(pair_.client, kDataType, "still read")}));
  EXPECT_EQ(opened.data, "still read");
  EXPECT_TRUE(opened.reply.empty());
}

TEST_P(KeyUpdateTest, BothSidesMayAskAtTheSameTime) {
  std::string from_client, from_server;
  ASSERT_TRUE(SealKeyUpdate(pair_.client, true, &from_client));
  ASSERT_TRUE(SealKeyUpdate(pair_.server, true, &from_server));
  const Opened at_server = OpenAll(pair_.server, from_client);
  const Opened at_client = OpenAll(pair_.client, from_server);
  EXPECT_EQ(OpenAll(pair_.server, at_client.reply).last.status, OpenResult::kNeedMore);
  EXPECT_EQ(OpenAll(pair_.client, at_server.reply).last.status, OpenResult::kNeedMore);
  std::string wire;
  ASSERT_TRUE(Seal(pair_.server, "ok", &wire));
  EXPECT_EQ(OpenAll(pair_.client, wire).data, "ok");
}

// NewSessionTicket, towards us as the client.

std::string Ticket(size_t body_bytes) {
  std::string message({'\x04', static_cast<char>(body_bytes >> 16),
                       static_cast<char>(body_bytes >> 8), static_cast<char>(body_bytes)});
  return message + std::string(body_bytes, '\x18');  // looks like KeyUpdates, must not be read
}

TEST_P(KeyUpdateTest, TicketsAreDroppedWhateverTheirSizeAndSplit) {
  for (const size_t split :
       {size_t{1}, size_t{3}, size_t{4}, size_t{5}, size_t{1000}, size_t{16384}}) {
    pair_ = MakePair(GetParam());
    const std::string messages = Ticket(200) + Ticket(split == 1 ? 70 : 70000) + Ticket(1);
    std::string wire;
    for (size_t at = 0; at < messages.size(); at += split) {
      wire += SealRaw(pair_.server, kHandshakeType, messages.substr(at, split));
    }
    wire += SealRaw(pair_.server, kDataType, "* OK\r\n");
    const Opened opened = OpenAll(pair_.client, wire);
    EXPECT_EQ(opened.data, "* OK\r\n") << "split " << split;
    EXPECT_TRUE(opened.reply.empty());
    EXPECT_EQ(pair_.client.message_bytes, 0);
  }
}

TEST_P(KeyUpdateTest, MayFollowATicketInOneRecord) {
  std::string wire = SealRaw(pair_.server, kHandshakeType, Ticket(30) + KeyUpdateMessage(1));
  AdvanceWriteKey(pair_.server);
  wire += SealRaw(pair_.server, kDataType, "x");
  const Opened opened = OpenAll(pair_.client, wire);
  EXPECT_EQ(opened.data, "x");
  EXPECT_FALSE(opened.reply.empty());
}

TEST_P(KeyUpdateTest, TicketsOfImpossibleSizeAreRefused) {
  for (const size_t bytes : {size_t{0}, size_t{131339}, size_t{0xffffff}}) {
    pair_ = MakePair(GetParam());
    ExpectFatal(pair_.client, SealRaw(pair_.server, kHandshakeType, Ticket(bytes).substr(0, 4)),
                kAlertDecodeError);
  }
}

TEST_P(KeyUpdateTest, DataMayNotComeInsideAHandshakeMessage) {
  ExpectFatal(pair_.client,
              Join({SealRaw(pair_.server, kHandshakeType, Ticket(30).substr(0, 20)),
                    SealRaw(pair_.server, kDataType, "x")}),
              kAlertUnexpectedMessage);
  pair_ = MakePair(GetParam());
  ExpectFatal(pair_.client,
              Join({SealRaw(pair_.server, kHandshakeType, Ticket(30).substr(0, 2)),
                    SealRaw(pair_.server, kDataType, "x")}),
              kAlertUnexpectedMessage);
}

TEST_P(KeyUpdateTest, StateMayMoveInTheMiddleOfASplitMessage) {
  const std::string message = KeyUpdateMessage(0);
  std::string first = SealRaw(pair_.client, kHandshakeType, message.substr(0, 3));
  EXPECT_EQ(OpenAll(pair_.server, first).last.status, OpenResult::kNeedMore);
  TlsState moved;
  std::memcpy(&moved, &pair_.server, sizeof moved);
  Wipe(pair_.server);
  std::string rest = SealRaw(pair_.client, kHandshakeType, message.substr(3));
  AdvanceWriteKey(pair_.client);
  rest += SealRaw(pair_.client, kDataType, "x");
  EXPECT_EQ(OpenAll(moved, rest).data, "x");
}

}  // namespace
}  // namespace roost
