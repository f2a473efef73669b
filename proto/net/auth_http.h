// What a mail proxy asks a platform's look-up service by HTTP, and what it is answered: the
// protocol of nginx's mail proxy (its directive auth_http).
//
// What it is: one GET for each login; user, password and the client's address go in header fields,
// and so comes the answer: whether the login is good, and the store's address. What it is not: a
// connection (core/route), nor a reader of HTTP (http_response.h).
//
//   GET /auth HTTP/1.1            HTTP/1.1 200 OK                  HTTP/1.1 200 OK
//   Host: 192.0.2.9:8080          Auth-Status: OK                  Auth-Status: Invalid password
//   Auth-Method: plain            Auth-Server: 192.0.2.20          Auth-Wait: 3
//   Auth-User: ann%20b            Auth-Port: 143
//   Auth-Pass: secret             Auth-User: ann@example.org
//   Auth-Protocol: imap
//   Auth-Login-Attempt: 1
//   Client-IP: 198.51.100.7
//
// In what is asked, blanks, '%' and bytes below 0x20 are written %20, and nothing else is; what is
// answered is taken as it is.
#ifndef ROOST_PROTO_NET_AUTH_HTTP_H_
#define ROOST_PROTO_NET_AUTH_HTTP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/net/http_response.h"

namespace roost {

struct AuthHttpRequest {
  std::string_view path;     // "/auth"
  std::string_view host;     // "192.0.2.9:8080"
  std::string_view headers;  // whole lines, each with CRLF: the operator's
  std::string_view method = "plain";
  std::string_view user;
  std::string_view password;
  std::string_view client_ip;
  uint32_t attempt = 1;          // of this connection
  std::string_view tls_version;  // "TLSv1.3"; empty: no TLS
  std::string_view tls_cipher;   // empty: not known
};

// Has the password in it: to be wiped.
std::string FormatAuthHttpRequest(const AuthHttpRequest& request);

struct AuthHttpAnswer {
  enum class Verdict : uint8_t {
    kOk,
    kRefused,  // text says why
    kWait,     // to be asked again
    kMalformed,
  };
  Verdict verdict = Verdict::kMalformed;
  std::string_view problem;  // kMalformed: a constant
  // Parts of the response; empty: not answered.
  std::string_view text;
  std::string_view server;    // an IP address
  std::string_view user;      // in place of the one presented
  std::string_view password;  // likewise
  uint16_t port = 0;          // kOk: never 0
  uint32_t wait_s = 0;        // before a refusal is told, or before it is asked again
};

// `response`: whole. Whatever is said twice, or is not what it must be, makes it malformed.
AuthHttpAnswer ParseAuthHttpAnswer(const HttpResponse& response);

}  // namespace roost

#endif  // ROOST_PROTO_NET_AUTH_HTTP_H_
