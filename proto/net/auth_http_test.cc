#include "proto/net/auth_http.h"

#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

using Verdict = AuthHttpAnswer::Verdict;

AuthHttpAnswer Answer(const std::string& fields) {
  static std::string text;
  text = "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
  const HttpResponse response = ParseHttpResponse(text);
  EXPECT_EQ(response.verdict, HttpResponse::Verdict::kHead) << fields;
  return ParseAuthHttpAnswer(response);
}

constexpr char kGood[] = "Auth-Status: OK\r\nAuth-Server: 192.0.2.1\r\nAuth-Port: 143\r\n";

TEST(AuthHttpRequest, IsThatOfNginx) {
  AuthHttpRequest request;
  request.path = "/auth?x";
  request.host = "127.0.0.1:8080";
  request.user = "ann";
  request.password = "secret";
  request.client_ip = "2001:db8::7";
  request.attempt = 2;
  EXPECT_EQ(FormatAuthHttpRequest(request),
            "GET /auth?x HTTP/1.1\r\n"
            "Host: 127.0.0.1:8080\r\n"
            "Auth-Method: plain\r\n"
            "Auth-User: ann\r\n"
            "Auth-Pass: secret\r\n"
            "Auth-Protocol: imap\r\n"
            "Auth-Login-Attempt: 2\r\n"
            "Client-IP: 2001:db8::7\r\n"
            "\r\n");
}

TEST(AuthHttpRequest, TellsOfTlsAndAddsTheOperatorsLines) {
  AuthHttpRequest request;
  request.headers = "X-Auth-Key: k\r\n";
  request.tls_version = "TLSv1.3";
  request.tls_cipher = "TLS_AES_128_GCM_SHA256";
  const std::string text = FormatAuthHttpRequest(request);
  const std::string end =
      "Auth-SSL: on\r\nAuth-SSL-Protocol: TLSv1.3\r\n"
      "Auth-SSL-Cipher: TLS_AES_128_GCM_SHA256\r\nX-Auth-Key: k\r\n\r\n";
  EXPECT_TRUE(text.ends_with(end)) << text;
}

// Byte by byte the rule of nginx: %00 to %20 and %25.
TEST(AuthHttpRequest, EscapesBlanksPercentsAndControlsOnly) {
  std::string all, escaped;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
    if (byte <= 0x20 || byte == '%') {
      constexpr char kHex[] = "0123456789ABCDEF";
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      escaped += static_cast<char>(byte);
    }
  }
  AuthHttpRequest request;
  request.user = request.password = all;
  const std::string text = FormatAuthHttpRequest(request);
  EXPECT_NE(text.find("\r\nAuth-User: " + escaped + "\r\nAuth-Pass: " + escaped + "\r\n"),
            text.npos);
}

TEST(AuthHttpAnswer, NamesTheStore) {
  const AuthHttpAnswer answer = Answer(kGood);
  ASSERT_EQ(answer.verdict, Verdict::kOk) << answer.problem;
  EXPECT_EQ(answer.server, "192.0.2.1");
  EXPECT_EQ(answer.port, 143);
  EXPECT_EQ(answer.user, "");
  EXPECT_EQ(answer.password, "");
}

TEST(AuthHttpAnswer, MayNameAnotherUserAndPasswordAsTheyAre) {
  const AuthHttpAnswer answer =
      Answer(std::string(kGood) + "AUTH-USER: ann%20b\r\nauth-pass: a b\r\nX-Other: 1\r\n");
  ASSERT_EQ(answer.verdict, Verdict::kOk) << answer.problem;
  EXPECT_EQ(answer.user, "ann%20b");
  EXPECT_EQ(answer.password, "a b");
}

TEST(AuthHttpAnswer, RefusesOrAsksToWait) {
  AuthHttpAnswer answer = Answer("Auth-Status: Invalid login\r\nAuth-Wait: 3\r\n");
  EXPECT_EQ(answer.verdict, Verdict::kRefused);
  EXPECT_EQ(answer.text, "Invalid login");
  EXPECT_EQ(answer.wait_s, 3u);
  EXPECT_EQ(Answer("Auth-Status: ok\r\n").verdict, Verdict::kRefused);  // as nginx has it
  answer = Answer("Auth-Status: WAIT\r\nAuth-Wait: 9\r\n");
  EXPECT_EQ(answer.verdict, Verdict::kWait);
  EXPECT_EQ(answer.wait_s, 9u);
}

TEST(AuthHttpAnswer, IsNoneWhereAnythingIsMissingOrInDoubt) {
  EXPECT_EQ(Answer("").problem, "there is no Auth-Status");
  EXPECT_EQ(Answer("Auth-Status:\r\n").problem, "there is no Auth-Status");
  EXPECT_EQ(Answer("Auth-Server: 192.0.2.1\r\nAuth-Port: 143\r\n").problem,
            "there is no Auth-Status");
  EXPECT_EQ(Answer("Auth-Status: OK\r\nAuth-Port: 143\r\n").problem, "there is no Auth-Server");
  for (const char* port : {"", "Auth-Port: 0\r\n", "Auth-Port: 65536\r\n", "Auth-Port: 1x\r\n"}) {
    const AuthHttpAnswer answer =
        Answer("Auth-Status: OK\r\nAuth-Server: 192.0.2.1\r\n" + std::string(port));
    EXPECT_EQ(answer.verdict, Verdict::kMalformed) << port;
    EXPECT_EQ(answer.problem, "Auth-Port is missing, or is not a port");
  }
  for (const char* again : {"Auth-Status: OK", "auth-user: a\r\nAuth-User: b", "Auth-Port: 143"}) {
    EXPECT_EQ(Answer(std::string(kGood) + again + "\r\n").problem,
              "a field of the answer is given twice");
  }
  EXPECT_EQ(Answer("Auth-Status: no\r\nAuth-Wait: soon\r\n").problem,
            "Auth-Wait is not a number of seconds");
}

}  // namespace
}  // namespace roost
