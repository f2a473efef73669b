#include "proto/tls/record_layer.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "proto/tls/key_schedule.h"
#include "proto/tls/raw_record.h"
#include "proto/tls/record_layer_test_util.h"

namespace roost {
namespace {

constexpr uint8_t kHandshakeType = 22;
constexpr uint8_t kAlertType = 21;
constexpr uint8_t kDataType = 23;

std::string Unhex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

std::string Hex(const uint8_t* bytes, size_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < n; ++i) {
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

void ExpectFatal(TlsState& state, const std::string& wire, uint8_t alert) {
  const Opened opened = OpenAll(state, wire);
  EXPECT_EQ(opened.last.status, OpenResult::kError);
  EXPECT_EQ(int{opened.last.alert}, int{alert});
  EXPECT_FALSE(opened.last.received_alert);
}

// A message header of this type and length.
std::string MessageHeader(uint8_t type, size_t bytes) {
  return std::string({static_cast<char>(type), static_cast<char>(bytes >> 16),
                      static_cast<char>(bytes >> 8), static_cast<char>(bytes)});
}

TEST(KeyScheduleTest, DerivesTheKeysOfRfc8448) {
  const std::string secret =
      Unhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  TrafficKey key;
  DeriveTrafficKey(TlsSuite::kTls13Aes128GcmSha256, reinterpret_cast<const uint8_t*>(secret.data()),
                   &key);
  EXPECT_EQ(Hex(key.key, 16), "9f02283b6c9c07efc26bb9f2ac92e356");
  EXPECT_EQ(Hex(key.iv, 12), "cf782b88dd83549aadf1e984");
}

class EverySuite : public testing::TestWithParam<TlsSuite> {};
INSTANTIATE_TEST_SUITE_P(RecordLayer, EverySuite, testing::ValuesIn(kAllSuites));
class EveryTls13Suite : public testing::TestWithParam<TlsSuite> {};
INSTANTIATE_TEST_SUITE_P(RecordLayer, EveryTls13Suite, testing::ValuesIn(kTls13Suites));
class EveryTls12Suite : public testing::TestWithParam<TlsSuite> {};
INSTANTIATE_TEST_SUITE_P(RecordLayer, EveryTls12Suite, testing::ValuesIn(kTls12Suites));

TEST_P(EverySuite, OpensWhatItSealedInBothDirections) {
  TlsPair pair = MakePair(GetParam());
  RecordContext context;
  for (int i = 0; i < 5; ++i) {
    std::string wire;
    ASSERT_TRUE(Seal(pair.server, "* OK Still here\r\n", &wire, i % 2 == 0 ? &context : nullptr));
    EXPECT_EQ(OpenAll(pair.client, wire).data, "* OK Still here\r\n");
    wire.clear();
    ASSERT_TRUE(Seal(pair.client, "DONE\r\n", &wire));
    EXPECT_EQ(OpenAll(pair.server, wire, &context).data, "DONE\r\n");
  }
  EXPECT_EQ(pair.server.write_sequence, 5u);
  EXPECT_EQ(pair.client.read_sequence, 5u);
}

TEST_P(EverySuite, SealsExactlyAsAnIndependentSealerDoes) {
  TlsPair pair = MakePair(GetParam());
  TlsState reference = pair.server;
  for (int i = 0; i < 3; ++i) {
    std::string wire;
    ASSERT_TRUE(Seal(pair.server, "* 7 EXISTS\r\n", &wire));
    EXPECT_EQ(wire, SealRaw(reference, kDataType, "* 7 EXISTS\r\n"));
  }
  std::string wire;
  ASSERT_TRUE(SealCloseNotify(pair.server, &wire));
  EXPECT_EQ(wire, SealRaw(reference, kAlertType, std::string("\x01\x00", 2)));
}

TEST_P(EverySuite, SplitsAtTheLargestPlaintextAndTellsTheSizeBefore) {
  for (const size_t size : {size_t{1}, kMaxPlaintextBytes - 1, kMaxPlaintextBytes,
                            kMaxPlaintextBytes + 1, 3 * kMaxPlaintextBytes + 5}) {
    TlsPair pair = MakePair(GetParam());
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31);
    const size_t expected = SealedSize(pair.server, size);
    std::string wire = "kept";
    ASSERT_TRUE(Seal(pair.server, text, &wire));
    EXPECT_EQ(wire.size(), 4 + expected);
    const Opened opened = OpenAll(pair.client, wire.substr(4));
    EXPECT_EQ(opened.data, text);
    EXPECT_EQ(opened.records,
              static_cast<int>((size + kMaxPlaintextBytes - 1) / kMaxPlaintextBytes));
    EXPECT_EQ(opened.rest, 0u);
  }
}

TEST_P(EverySuite, AppendsNothingForEmptyPlaintext) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  EXPECT_TRUE(Seal(pair.server, "", &wire));
  EXPECT_TRUE(wire.empty());
  EXPECT_EQ(SealedSize(pair.server, 0), 0u);
  EXPECT_EQ(pair.server.write_sequence, 0u);
}

TEST_P(EverySuite, WaitsForOneMoreByteWithoutTouchingAnything) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  ASSERT_TRUE(Seal(pair.server, "* 3 EXPUNGE\r\n", &wire));
  ASSERT_TRUE(Seal(pair.server, "* 4 EXISTS\r\n", &wire));
  std::string buffer, data;
  for (const char byte : wire) {
    buffer.push_back(byte);
    const std::string before = buffer;
    EXPECT_LE(buffer.size(), NeededForRecord(pair.client, Bytes(buffer)));
    const OpenResult result = Open(pair.client, Bytes(buffer), nullptr);
    if (result.status == OpenResult::kNeedMore) {
      EXPECT_EQ(result.consumed, 0u);
      EXPECT_EQ(buffer, before);
      continue;
    }
    ASSERT_EQ(result.status, OpenResult::kData);
    data += Text(result.plaintext);
    EXPECT_EQ(result.consumed, buffer.size());
    buffer.clear();
  }
  EXPECT_EQ(data, "* 3 EXPUNGE\r\n* 4 EXISTS\r\n");
  EXPECT_TRUE(buffer.empty());
}

TEST_P(EverySuite, RefusesARecordWithAnyBitChanged) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  ASSERT_TRUE(Seal(pair.server, "secret", &wire));
  for (size_t i = 0; i < wire.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      // The two length bytes only make the record longer or shorter.
      TlsState reader = pair.client;
      std::string changed = wire;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const OpenResult result = Open(reader, Bytes(changed), nullptr);
      if (i == 3 || i == 4) {
        EXPECT_NE(result.status, OpenResult::kData);
        continue;
      }
      ASSERT_EQ(result.status, OpenResult::kError) << "byte " << i << " bit " << bit;
    }
  }
}

TEST_P(EverySuite, StaysFailedAfterAFailure) {
  TlsPair pair = MakePair(GetParam());
  std::string good, bad;
  ASSERT_TRUE(Seal(pair.server, "first", &good));
  bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  ExpectFatal(pair.client, bad, kAlertBadRecordMac);
  const OpenResult again = Open(pair.client, Bytes(good), nullptr);
  EXPECT_EQ(again.status, OpenResult::kError);
  EXPECT_EQ(again.consumed, 0u);
  EXPECT_TRUE(again.received_alert) << "the alert is sent once";
  // Writing the alert is still possible, once.
  std::string alert;
  EXPECT_TRUE(SealAlert(pair.client, kAlertBadRecordMac, &alert));
  EXPECT_FALSE(SealAlert(pair.client, kAlertBadRecordMac, &alert));
  const Opened seen = OpenAll(pair.server, alert);
  EXPECT_EQ(seen.last.status, OpenResult::kError);
  EXPECT_TRUE(seen.last.received_alert);
  EXPECT_EQ(int{seen.last.alert}, int{kAlertBadRecordMac});
}

TEST_P(EverySuite, RefusesReplayedReorderedAndMissingRecords) {
  const TlsPair fresh = MakePair(GetParam());
  TlsState writer = fresh.server;
  std::string one, two;
  ASSERT_TRUE(Seal(writer, "one", &one));
  ASSERT_TRUE(Seal(writer, "two", &two));
  if (GetParam() == TlsSuite::kTls12Aes128Gcm || GetParam() == TlsSuite::kTls12Aes256Gcm) {
    // The nonce is in the record; the sequence number is still authenticated.
    EXPECT_NE(one.substr(5, 8), two.substr(5, 8));
  }
  for (const std::string& wire : {one + one, two, two + one}) {
    TlsState reader = fresh.client;
    EXPECT_EQ(OpenAll(reader, wire).last.status, OpenResult::kError);
  }
}

TEST_P(EverySuite, CloseNotifyEndsReadingAndWritingIsIndependent) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  ASSERT_TRUE(Seal(pair.server, "* BYE\r\n", &wire));
  ASSERT_TRUE(SealCloseNotify(pair.server, &wire));
  EXPECT_FALSE(Seal(pair.server, "too late", &wire));
  EXPECT_FALSE(SealCloseNotify(pair.server, &wire));
  EXPECT_EQ(SealedSize(pair.server, 8), 0u);
  const Opened opened = OpenAll(pair.client, wire + "anything at all");
  EXPECT_EQ(opened.data, "* BYE\r\n");
  EXPECT_EQ(opened.last.status, OpenResult::kCloseNotify);
  const Opened again = OpenAll(pair.client, "more");
  EXPECT_EQ(again.last.status, OpenResult::kCloseNotify);
  EXPECT_EQ(again.last.consumed, 4u);
  // The other direction goes on until closed too.
  std::string answer;
  ASSERT_TRUE(Seal(pair.client, "a LOGOUT\r\n", &answer));
  EXPECT_EQ(OpenAll(pair.server, answer).data, "a LOGOUT\r\n");
}

TEST_P(EverySuite, AWipedStateDoesNothing) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  ASSERT_TRUE(Seal(pair.server, "x", &wire));
  Wipe(pair.client);
  const uint8_t zeros[sizeof(TlsState)] = {};
  EXPECT_EQ(std::memcmp(&pair.client, zeros, sizeof zeros), 0);
  EXPECT_FALSE(Seal(pair.client, "x", &wire));
  EXPECT_FALSE(SealCloseNotify(pair.client, &wire));
  EXPECT_EQ(NeededForRecord(pair.client, Bytes(wire)), 0u);
  EXPECT_EQ(OpenAll(pair.client, wire).last.status, OpenResult::kError);
}

TEST_P(EverySuite, StopsBeforeTheSequenceNumbersEnd) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  pair.server.write_sequence = kMaxSequence - 1;
  EXPECT_FALSE(Seal(pair.server, "x", &wire));
  EXPECT_TRUE(wire.empty());
  EXPECT_FALSE(SealKeyUpdate(pair.server, false, &wire) && !IsTls13(pair.server));
  pair.client.read_sequence = kMaxSequence;
  TlsState other = MakePair(GetParam()).server;
  ASSERT_TRUE(Seal(other, "x", &wire));
  EXPECT_EQ(OpenAll(pair.client, wire).last.status, OpenResult::kError);
}

TEST_P(EverySuite, AllowsAFewEmptyRecordsInARow) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kMaxEmptyRecordsInARow; ++i) wire += SealRaw(pair.server, kDataType, "");
    wire += SealRaw(pair.server, kDataType, "x");
  }
  const Opened opened = OpenAll(pair.client, wire);
  EXPECT_EQ(opened.data, "xx");
  EXPECT_EQ(opened.last.status, OpenResult::kNeedMore);
  wire.clear();
  for (int i = 0; i <= kMaxEmptyRecordsInARow; ++i) wire += SealRaw(pair.server, kDataType, "");
  ExpectFatal(pair.client, wire, kAlertUnexpectedMessage);
}

TEST_P(EverySuite, RefusesAHeaderThatAnnouncesTooMuchAtOnce) {
  TlsPair pair = MakePair(GetParam());
  const size_t limit = IsTls13(pair.client) ? kMaxCiphertextBytesTls13 : kMaxCiphertextBytesTls12;
  std::string header(
      {'\x17', '\x03', '\x03', static_cast<char>(limit >> 8), static_cast<char>(limit)});
  EXPECT_EQ(NeededForRecord(pair.client, Bytes(header)), kRecordHeaderBytes + limit);
  EXPECT_EQ(Open(pair.client, Bytes(header), nullptr).status, OpenResult::kNeedMore);
  header[4] = static_cast<char>(header[4] + 1);
  EXPECT_EQ(NeededForRecord(pair.client, Bytes(header)), 0u);
  ExpectFatal(pair.client, header, kAlertRecordOverflow);
}

TEST_P(EverySuite, TakesTheLargestPlaintextAndNotAByteMore) {
  TlsPair pair = MakePair(GetParam());
  EXPECT_EQ(OpenAll(pair.client, SealRaw(pair.server, kDataType, std::string(16384, 'x'))).data,
            std::string(16384, 'x'));
  ExpectFatal(pair.client, SealRaw(pair.server, kDataType, std::string(16385, 'x')),
              kAlertRecordOverflow);
}

TEST_P(EverySuite, RefusesARecordTooShortForItsTag) {
  TlsPair pair = MakePair(GetParam());
  ExpectFatal(pair.client,
              std::string("\x17\x03\x03\x00\x03"
                          "abc",
                          8),
              kAlertBadRecordMac);
  pair = MakePair(GetParam());
  ExpectFatal(pair.client, std::string("\x17\x03\x03\x00\x00", 5), kAlertBadRecordMac);
}

TEST_P(EverySuite, RefusesOtherRecordTypesAndGarbage) {
  for (const uint8_t type : {0, 19, 20, 24, 71, 255}) {
    TlsPair pair = MakePair(GetParam());
    std::string wire = SealRawOuter(pair.server, type, 0x0303, kDataType, "x");
    ExpectFatal(pair.client, wire, kAlertUnexpectedMessage);
  }
  TlsPair pair = MakePair(GetParam());
  EXPECT_EQ(OpenAll(pair.client, "GET / HTTP/1.1\r\n").last.status, OpenResult::kError);
}

TEST_P(EverySuite, ReportsAFatalAlert) {
  TlsPair pair = MakePair(GetParam());
  const Opened opened = OpenAll(pair.client, SealRaw(pair.server, kAlertType, "\x02\x14"));
  EXPECT_EQ(opened.last.status, OpenResult::kError);
  EXPECT_TRUE(opened.last.received_alert);
  EXPECT_EQ(int{opened.last.alert}, 20);
}

TEST_P(EverySuite, RefusesAlertsOfAnotherLength) {
  for (const char* alert : {"", "\x01", "\x01\x5a\x01"}) {
    TlsPair pair = MakePair(GetParam());
    ExpectFatal(pair.client, SealRaw(pair.server, kAlertType, alert), kAlertDecodeError);
  }
}

TEST_P(EverySuite, RefusesEmptyHandshakeRecords) {
  TlsPair pair = MakePair(GetParam());
  ExpectFatal(pair.client, SealRaw(pair.server, kHandshakeType, ""), kAlertUnexpectedMessage);
}

TEST_P(EverySuite, RefusesHandshakeMessagesThatHaveNoBusinessHere) {
  for (int type = 0; type < 256; ++type) {
    for (const bool to_client : {true, false}) {
      TlsPair pair = MakePair(GetParam());
      TlsState& writer = to_client ? pair.server : pair.client;
      TlsState& reader = to_client ? pair.client : pair.server;
      const bool tls13 = IsTls13(reader);
      if (tls13 ? type == 24 || (type == 4 && to_client) : type == 0 && to_client) continue;
      const std::string wire =
          SealRaw(writer, kHandshakeType, MessageHeader(static_cast<uint8_t>(type), 1));
      const bool renegotiates = !tls13 && type == 1 && !to_client;
      ExpectFatal(reader, wire, renegotiates ? kAlertNoRenegotiation : kAlertUnexpectedMessage);
    }
  }
}

TEST_P(EverySuite, ContextMayBeDroppedAtAnyMoment) {
  TlsPair pair = MakePair(GetParam());
  RecordContext context;
  std::string text;
  for (int i = 0; i < 6; ++i) {
    std::string wire;
    ASSERT_TRUE(Seal(pair.server, "line\r\n", &wire, &context));
    text += OpenAll(pair.client, wire).data;
    if (i % 2 == 1) context.Drop();
  }
  EXPECT_EQ(text.size(), 6 * 6u);
}

TEST_P(EverySuite, ContextIsNotFooledByAnotherConnection) {
  TlsPair one = MakePair(GetParam(), 1), two = MakePair(GetParam(), 2);
  RecordContext context;
  std::string wire_one, wire_two;
  ASSERT_TRUE(Seal(one.server, "one", &wire_one, &context));
  ASSERT_TRUE(Seal(two.server, "two", &wire_two, &context));
  EXPECT_EQ(OpenAll(one.client, wire_one).data, "one");
  EXPECT_EQ(OpenAll(two.client, wire_two).data, "two");
}

// TLS 1.3 only

TEST_P(EveryTls13Suite, StripsPadding) {
  TlsPair pair = MakePair(GetParam());
  const std::string wire = Join({SealRaw(pair.server, kDataType, "hello", 1),
                                 SealRaw(pair.server, kDataType, std::string("\0\0", 2), 300),
                                 SealRaw(pair.server, kDataType, "", 16384)});
  const Opened opened = OpenAll(pair.client, wire);
  EXPECT_EQ(opened.data, std::string("hello\0\0", 7));
  EXPECT_EQ(opened.records, 3);
}

TEST_P(EveryTls13Suite, RefusesAllZeroAndOverlongInnerPlaintext) {
  TlsPair pair = MakePair(GetParam());
  ExpectFatal(pair.client, SealRaw(pair.server, 0, "", 20), kAlertUnexpectedMessage);
  pair = MakePair(GetParam());
  ExpectFatal(pair.client, SealRaw(pair.server, kDataType, "x", 16384), kAlertRecordOverflow);
}

TEST_P(EveryTls13Suite, RefusesOtherInnerTypes) {
  for (const uint8_t type : {1, 20, 24, 255}) {
    TlsPair pair = MakePair(GetParam());
    ExpectFatal(pair.client, SealRaw(pair.server, type, "x"), kAlertUnexpectedMessage);
  }
}

TEST_P(EveryTls13Suite, IgnoresTheRecordVersion) {
  TlsPair pair = MakePair(GetParam());
  EXPECT_EQ(OpenAll(pair.client, SealRawOuter(pair.server, 23, 0x0301, 23, "x")).data, "x");
}

TEST_P(EveryTls13Suite, RefusesChangeCipherSpecAfterTheHandshake) {
  TlsPair pair = MakePair(GetParam());
  ExpectFatal(pair.server, std::string("\x14\x03\x03\x00\x01\x01", 6), kAlertUnexpectedMessage);
}

TEST_P(EveryTls13Suite, UserCanceledIsNotTheEnd) {
  TlsPair pair = MakePair(GetParam());
  const std::string wire = Join({SealRaw(pair.client, kAlertType, "\x01\x5a"),
                                 SealRaw(pair.client, kAlertType, std::string("\x01\x00", 2))});
  const Opened opened = OpenAll(pair.server, wire);
  EXPECT_EQ(opened.records, 1);
  EXPECT_EQ(opened.last.status, OpenResult::kCloseNotify);
}

TEST_P(EveryTls13Suite, OtherWarningsAreFatal) {
  TlsPair pair = MakePair(GetParam());
  const Opened opened = OpenAll(pair.server, SealRaw(pair.client, kAlertType, "\x01\x64"));
  EXPECT_EQ(opened.last.status, OpenResult::kError);
  EXPECT_TRUE(opened.last.received_alert);
}

TEST_P(EveryTls12Suite, WarningsAreCountedAndIgnored) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  for (int i = 0; i < kMaxEmptyRecordsInARow; ++i) {
    wire += SealRaw(pair.client, kAlertType, "\x01\x64");
  }
  wire += SealRaw(pair.client, kDataType, "a NOOP\r\n");
  EXPECT_EQ(OpenAll(pair.server, wire).data, "a NOOP\r\n");
}

TEST_P(EveryTls12Suite, RefusesAnotherRecordVersion) {
  TlsPair pair = MakePair(GetParam());
  ExpectFatal(pair.server, SealRawOuter(pair.client, 23, 0x0302, 23, "x"), kAlertProtocolVersion);
}

TEST_P(EveryTls12Suite, DeclinesToRenegotiateAsClientAndGoesOn) {
  TlsPair pair = MakePair(GetParam());
  std::string wire = Join({SealRaw(pair.server, kHandshakeType, std::string(1, '\0')),
                           SealRaw(pair.server, kHandshakeType, std::string(3, '\0')),
                           SealRaw(pair.server, kDataType, "* 1 EXISTS\r\n")});
  const Opened opened = OpenAll(pair.client, wire);
  EXPECT_EQ(opened.data, "* 1 EXISTS\r\n");
  TlsState reference = MakePair(GetParam()).client;
  EXPECT_EQ(opened.reply, SealRaw(reference, kAlertType, "\x01\x64"));
  // Asked again and again, it closes.
  wire = SealRaw(pair.server, kHandshakeType, std::string(4 * (kMaxEmptyRecordsInARow + 1), '\0'));
  ExpectFatal(pair.client, wire, kAlertUnexpectedMessage);
}

TEST_P(EveryTls12Suite, HasNoKeyUpdate) {
  TlsPair pair = MakePair(GetParam());
  std::string wire;
  EXPECT_FALSE(SealKeyUpdate(pair.server, false, &wire));
  pair.server.write_sequence = kRecordsPerKey + 7;
  pair.client.read_sequence = kRecordsPerKey + 7;
  ASSERT_TRUE(Seal(pair.server, "x", &wire));
  EXPECT_EQ(wire.size(), SealedSize(pair.server, 1));
  EXPECT_EQ(OpenAll(pair.client, wire).data, "x");
}

TEST(NeededForRecordTest, AsksForTheHeaderFirst) {
  TlsPair pair = MakePair(TlsSuite::kTls13Aes128GcmSha256);
  std::string wire;
  ASSERT_TRUE(Seal(pair.server, "hello", &wire));
  EXPECT_EQ(NeededForRecord(pair.client, {}), kRecordHeaderBytes);
  EXPECT_EQ(NeededForRecord(pair.client, Bytes(wire).first(4)), kRecordHeaderBytes);
  EXPECT_EQ(NeededForRecord(pair.client, Bytes(wire).first(5)), wire.size());
  EXPECT_LE(wire.size(), kMaxRecordBytes);
}

}  // namespace
}  // namespace roost
