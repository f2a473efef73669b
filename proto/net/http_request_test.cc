#include "proto/net/http_request.h"

#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

using Verdict = HttpRequest::Verdict;

Verdict VerdictOf(std::string_view head) { return ParseHttpRequest(head).verdict; }

TEST(HttpRequest, NamesThePathWithoutItsQuery) {
  const HttpRequest get = ParseHttpRequest("GET /metrics?name=x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(get.verdict, Verdict::kGet);
  EXPECT_EQ(get.path, "/metrics");
  const HttpRequest head = ParseHttpRequest("HEAD / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(head.verdict, Verdict::kHead);
  EXPECT_EQ(head.path, "/");
}

TEST(HttpRequest, WaitsForTheEmptyLine) {
  const std::string whole = "GET /healthz HTTP/1.1\r\nHost: [::1]:9090\r\nAccept: */*\r\n\r\n";
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(VerdictOf(whole.substr(0, n)), Verdict::kNeedMore) << n;
  }
  EXPECT_EQ(VerdictOf(whole), Verdict::kGet);
  EXPECT_EQ(VerdictOf(whole + "a body"), Verdict::kGet);
}

TEST(HttpRequest, KnowsThatOtherMethodsAreWellFormed) {
  EXPECT_EQ(VerdictOf("POST /metrics HTTP/1.1\r\n\r\n"), Verdict::kOtherMethod);
  EXPECT_EQ(VerdictOf("get /metrics HTTP/1.1\r\n\r\n"), Verdict::kOtherMethod);
}

TEST(HttpRequest, RefusesWhatIsNone) {
  for (const char* line :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/2.0", "GET / HTTP/1.1 ",
        "GET metrics HTTP/1.1", "GET http://a/metrics HTTP/1.1", "GET /a\tb HTTP/1.1",
        "GET /\x80 HTTP/1.1", " GET / HTTP/1.1", "GET /a b HTTP/1.1", "A1 CAPABILITY"}) {
    EXPECT_EQ(VerdictOf(std::string(line) + "\r\n\r\n"), Verdict::kMalformed) << line;
  }
}

TEST(HttpRequest, IsOfABoundedLength) {
  std::string head = "GET / HTTP/1.1\r\nX: ";
  head.append(kMaxHttpHead - head.size() - 4, 'x');
  EXPECT_EQ(VerdictOf(head), Verdict::kNeedMore);
  EXPECT_EQ(VerdictOf(head + "\r\n\r\n"), Verdict::kGet);
  EXPECT_EQ(VerdictOf(head + "x\r\n\r\n"), Verdict::kTooLong);
  EXPECT_EQ(VerdictOf(std::string(kMaxHttpHead, 'x')), Verdict::kTooLong);
}

}  // namespace
}  // namespace roost
