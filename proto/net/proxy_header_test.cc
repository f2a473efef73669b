#include "proto/net/proxy_header.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

using Verdict = ProxyParse::Verdict;
using std::string_view_literals::operator""sv;

ProxyEndpoint Ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  return {4, port, {a, b, c, d}};
}
ProxyEndpoint Ipv6(std::array<uint8_t, 16> bytes, uint16_t port) { return {6, port, bytes}; }

// Feeds one byte more each time; every proper prefix must ask for more.
ProxyParse ParseBytewise(std::string_view header) {
  for (size_t size = 0; size < header.size(); ++size) {
    std::vector<char> exact(header.begin(), header.begin() + static_cast<ptrdiff_t>(size));
    ProxyParse parse = ParseProxyHeader({exact.data(), exact.size()});
    if (parse.verdict != Verdict::kNeedMore) return parse;
  }
  return ParseProxyHeader(header);
}

// The header, complete, with something behind it.
ProxyHeader Read(std::string_view header) {
  EXPECT_EQ(ParseBytewise(header).verdict, Verdict::kComplete) << header;
  ProxyParse parse = ParseProxyHeader(std::string(header) + "a NOOP\r\n");
  EXPECT_EQ(parse.verdict, Verdict::kComplete);
  EXPECT_EQ(parse.consumed, header.size());
  return parse.header;
}

TEST(ProxyHeader, Version1) {
  ProxyHeader header = Read("PROXY TCP4 192.168.0.1 10.0.0.255 56324 993\r\n");
  EXPECT_FALSE(header.local);
  EXPECT_EQ(header.source, Ipv4(192, 168, 0, 1, 56324));
  EXPECT_EQ(header.destination, Ipv4(10, 0, 0, 255, 993));
  header = Read("PROXY TCP6 2001:db8::1 ::ffff:10.1.2.3 1 65535\r\n");
  EXPECT_EQ(header.source, Ipv6({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1));
  EXPECT_EQ(header.destination,
            Ipv6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3}, 65535));
  EXPECT_EQ(Read("PROXY TCP6 :: 1:2:3:4:5:6:7:8 0 0\r\n").destination.bytes[15], 8);
  EXPECT_TRUE(Read("PROXY UNKNOWN\r\n").local);
  EXPECT_TRUE(Read("PROXY UNKNOWN ffff::1 whatever 1 2\r\n").local);
}

TEST(ProxyHeader, MalformedVersion1) {
  for (std::string_view bad : {"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
                               "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
                               "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
                               "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n",
                               "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
                               "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
                               "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
                               "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
                               "PROXY TCP4 ::1 ::1 1 2\r\n",
                               "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
                               "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
                               "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
                               "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
                               "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
                               "PROXY TCP6 1::2::3 ::1 1 2\r\n",
                               "PROXY TCP6 12345::1 ::1 1 2\r\n",
                               "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
                               "PROXY TCP6 :1 ::1 1 2\r\n",
                               "PROXY TCP6 1: ::1 1 2\r\n",
                               "PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 1 2\r\n",
                               "PROXY TCP6 1::2:3:4:5:6:7:8 ::1 1 2\r\n",
                               "PROXY TCP6 ::g ::1 1 2\r\n",
                               "PROXY TCP6 ::1.2.3.4:5 ::1 1 2\r\n",
                               "PROXY TCP4   1 2\r\n",
                               "PROXY \r\n",
                               "PROXY\r\n",
                               "PROXY TCP6 ::1% ::1 1 2\r\n",
                               "PROXY TCP4 1.2.3.4. 5.6.7.8 1 2\r\n",
                               "proxy TCP4\r\n",
                               "PROXY TCP6 1.2.3.4:: ::1 1 2\r\n",
                               "PROXY TCP4 +1.2.3.4 5.6.7.8 1 2\r\n"}) {
    EXPECT_EQ(ParseBytewise(bad).verdict, Verdict::kError) << bad;
  }
  std::string endless = "PROXY UNKNOWN " + std::string(200, 'x');
  EXPECT_EQ(ParseProxyHeader(endless).verdict, Verdict::kError);
  EXPECT_EQ(ParseProxyHeader(endless.substr(0, kMaxProxyV1Bytes - 1)).verdict, Verdict::kNeedMore);
}

TEST(ProxyHeader, AnythingElseIsRefusedAtOnce) {
  for (std::string_view bad : {"a LOGIN x y\r\n"sv, "GET"sv, "\x16\x03\x01"sv,
                               "\r\n\r\n\0\r\nQUIT\r"sv, "\r\n\r\n\0x"sv, "PROXZ"sv, "\0"sv}) {
    ProxyParse parse = ParseProxyHeader(bad);
    EXPECT_EQ(parse.verdict, Verdict::kError) << bad;
    EXPECT_NE(parse.error, nullptr);
  }
  EXPECT_EQ(ParseProxyHeader("").verdict, Verdict::kNeedMore);
}

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;

std::string V2(std::string_view fixed, std::string_view payload) {
  std::string header(kSignature);
  header += fixed;
  header.push_back(static_cast<char>(payload.size() >> 8));
  header.push_back(static_cast<char>(payload.size() & 0xff));
  header += payload;
  return header;
}

TEST(ProxyHeader, Version2) {
  ProxyHeader header = Read(V2("\x21\x11", "\x01\x02\x03\x04\x05\x06\x07\x08\xdc\x04\x03\xe1"));
  EXPECT_FALSE(header.local);
  EXPECT_EQ(header.source, Ipv4(1, 2, 3, 4, 56324));
  EXPECT_EQ(header.destination, Ipv4(5, 6, 7, 8, 993));
  header = Read(V2("\x21\x11",
                   "\x01\x02\x03\x04\x05\x06\x07\x08\xdc\x04\x03\xe1\x02\x00\x03"
                   "foo"sv));
  EXPECT_EQ(header.source, Ipv4(1, 2, 3, 4, 56324)) << "further fields are skipped";
  std::string v6(32, '\xab');
  header = Read(V2("\x21\x21", v6 + std::string("\x00\x01\xff\xff"sv)));
  EXPECT_EQ(header.source.family, 6);
  EXPECT_EQ(header.source.bytes[15], 0xab);
  EXPECT_EQ(header.source.port, 1);
  EXPECT_EQ(header.destination.port, 65535);
}

TEST(ProxyHeader, Version2WithoutAddress) {
  EXPECT_TRUE(Read(V2("\x20\x00"sv, "")).local) << "a health check";
  EXPECT_TRUE(Read(V2("\x20\x11"sv, "\x01\x02\x03\x04\x05\x06\x07\x08\xdc\x04\x03\xe1")).local);
  EXPECT_TRUE(Read(V2("\x21\x00"sv, "xyz")).local) << "UNSPEC";
  EXPECT_TRUE(Read(V2("\x21\x31"sv, std::string(216, 'x'))).local) << "UNIX";
  EXPECT_TRUE(Read(V2("\x21\x12"sv, std::string(12, 'x'))).local) << "a datagram";
}

TEST(ProxyHeader, MalformedVersion2) {
  for (const std::string& bad :
       {V2("\x11\x11"sv, std::string(12, 'x')), V2("\x22\x11"sv, std::string(12, 'x')),
        V2("\x21\x41"sv, std::string(12, 'x')), V2("\x21\x13"sv, std::string(12, 'x')),
        V2("\x21\x11"sv, std::string(11, 'x')), V2("\x21\x21"sv, std::string(35, 'x')),
        V2("\x21\x11"sv, std::string(kMaxProxyV2Payload + 1, 'x'))}) {
    EXPECT_EQ(ParseBytewise(bad).verdict, Verdict::kError);
  }
  EXPECT_EQ(ParseBytewise(V2("\x21\x11"sv, std::string(kMaxProxyV2Payload, 'x'))).verdict,
            Verdict::kComplete);
}

TEST(ProxyHeader, WhatIsWrittenReadsBackTheSame) {
  std::vector<ProxyHeader> headers(3);
  headers[0].local = true;
  headers[1].source = Ipv4(255, 0, 10, 1, 65535);
  headers[1].destination = Ipv4(0, 0, 0, 0, 0);
  headers[2].source = Ipv6({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 1}, 4711);
  headers[2].destination = Ipv6({}, 993);
  for (const ProxyHeader& header : headers) {
    std::string text;
    AppendProxyV2(&text, header);
    ProxyHeader read = Read(text);
    EXPECT_EQ(read.local, header.local);
    EXPECT_EQ(read.source, header.source);
    EXPECT_EQ(read.destination, header.destination);
  }
}

}  // namespace
}  // namespace roost
