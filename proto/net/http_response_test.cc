#include "proto/net/http_response.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace roost {
namespace {

using Verdict = HttpResponse::Verdict;

Verdict VerdictOf(std::string_view text) { return ParseHttpResponse(text).verdict; }

HttpResponse WithFields(const std::string& fields, const std::string& line = "HTTP/1.1 200 OK") {
  static std::string text;
  text = line + "\r\n" + fields + "\r\n";
  return ParseHttpResponse(text);
}

TEST(HttpResponse, TellsStatusFieldsAndWhatFollows) {
  const std::string text =
      "HTTP/1.1 403 Go away\r\nServer:  a b \r\nempty:\r\nCONTENT-LENGTH: 12\r\n\r\nbody";
  const HttpResponse response = ParseHttpResponse(text);
  ASSERT_EQ(response.verdict, Verdict::kHead);
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(text.substr(response.size), "body");
  EXPECT_EQ(response.length, 12u);
  EXPECT_TRUE(response.stays_open);
  std::vector<std::pair<std::string, std::string>> fields;
  std::string_view rest = response.fields;
  for (HttpField field; TakeHttpField(&rest, &field);) fields.emplace_back(field.name, field.value);
  EXPECT_EQ(fields, (std::vector<std::pair<std::string, std::string>>{
                        {"Server", "a b"}, {"empty", ""}, {"CONTENT-LENGTH", "12"}}));
}

TEST(HttpResponse, WaitsForTheEmptyLine) {
  for (const std::string end : {"\r\n", "\n"}) {
    const std::string whole = "HTTP/1.0 200" + end + "a: b" + end + end;
    for (size_t n = 0; n < whole.size(); ++n) {
      EXPECT_EQ(VerdictOf(whole.substr(0, n)), Verdict::kNeedMore) << n;
    }
    EXPECT_EQ(VerdictOf(whole), Verdict::kHead);
  }
}

TEST(HttpResponse, MayBeFollowedByAnotherWhereItsEndIsKnown) {
  EXPECT_TRUE(WithFields("Content-Length: 0\r\n").stays_open);
  EXPECT_TRUE(WithFields("", "HTTP/1.1 204 None").stays_open);
  EXPECT_FALSE(WithFields("").stays_open);
  EXPECT_FALSE(WithFields("Transfer-Encoding: chunked\r\n").stays_open);
  EXPECT_FALSE(WithFields("Content-Length: 0\r\nConnection: close\r\n").stays_open);
  EXPECT_FALSE(WithFields("Content-Length: 0\r\nConnection: Keep-Alive, Close\r\n").stays_open);
  EXPECT_FALSE(WithFields("Content-Length: 0\r\n", "HTTP/1.0 200 OK").stays_open);
  EXPECT_FALSE(WithFields("Content-Length: 0\r\nConnection: close\r\nConnection: keep-alive\r\n")
                   .stays_open);
  EXPECT_TRUE(
      WithFields("Content-Length: 0\r\nConnection: keep-alive\r\n", "HTTP/1.0 200 OK").stays_open);
}

TEST(HttpResponse, IsRefusedWhereTwoReadersMightDisagree) {
  for (const char* line : {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000 OK",
                           "HTTP/1.1 600 no", "HTTP/1.1  200", "HTTP/2.0 200 OK", "http/1.1 200 OK",
                           "ICY 200 OK", "HTTP/1.1 -10 no", "HTTP/1.1 200 O\x01K"}) {
    EXPECT_EQ(WithFields("", line).verdict, Verdict::kMalformed) << line;
  }
  for (const char* field :
       {"no colon", "a : b", ": b", "a: b\r\n folded", "a: \x7f", "a: \x01", "a: b\rc",
        "\xc3\xa4: b", "Content-Length: x", "Content-Length: 1, 1", "Content-Length: -1",
        "Content-Length:", "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 99999999999999999999",
        "Content-Length: 1\r\nTransfer-Encoding: chunked"}) {
    EXPECT_EQ(WithFields(std::string(field) + "\r\n").verdict, Verdict::kMalformed) << field;
  }
  EXPECT_EQ(WithFields("Content-Length: 1\r\nContent-Length: 1\r\n").verdict, Verdict::kHead);
}

TEST(HttpResponse, IsOfABoundedLength) {
  std::string head = "HTTP/1.1 200 OK\r\nX: ";
  head.append(kMaxHttpResponseHead - head.size() - 4, 'x');
  EXPECT_EQ(VerdictOf(head), Verdict::kNeedMore);
  EXPECT_EQ(VerdictOf(head + "\r\n\r\n"), Verdict::kHead);
  EXPECT_EQ(VerdictOf(head + "x\r\n\r\n"), Verdict::kTooLong);
  EXPECT_EQ(VerdictOf(std::string(kMaxHttpResponseHead, 'x')), Verdict::kTooLong);
}

}  // namespace
}  // namespace roost
