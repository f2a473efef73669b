// One line of the log for each login, good or bad, whoever refused it.
//
// Events `login` and `login_failed`, with the same fields in the same order, those that programs
// look for first. What it is not: it counts nothing, and is given no secret.
#ifndef ROOST_CORE_CLIENT_LOGIN_AUDIT_H_
#define ROOST_CORE_CLIENT_LOGIN_AUDIT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/connection_id.h"
#include "core/base/trace.h"
#include "core/io/io.h"
#include "core/store/credentials.h"
#include "proto/tls/tls_state.h"

namespace roost {

// How a login ended: for the log, for metrics. Only kRefused says something against the client.
enum class LoginResult : uint8_t {
  kOk,
  kRefused,      // wrong name or password, as far as can be told
  kUnavailable,  // the store could not be asked, or had no room
  kNotAllowed,   // not in this way: without TLS, for somebody else, too many of this user
  kAbandoned,    // the connection ended before the answer: time ran out, a drain
};
inline constexpr size_t kLoginResults = 5;
// "ok", "refused", "unavailable", "not-allowed", "abandoned".
std::string_view LoginResultName(LoginResult result);

struct LoginAudit {
  LoginResult result;
  std::string_view reason;  // why not; empty with kOk
  std::string_view user;
  std::string_view method;
  std::string_view store;  // empty: not known yet
  Address peer;
  Address listener;
  TlsSuite suite;  // kNone: in clear
  ConnectionId connection_id;
};

// "login" for the command of that name, "plain", "sasl-login", "xoauth2", "oauthbearer".
std::string_view LoginMethodName(const Credentials& credentials);
// "1.3", "1.2" or "none".
std::string_view TlsVersionName(TlsSuite suite);
void LogLogin(const LoginAudit& audit);
// The same to those who follow the user; connected_ms: how long the connection stood by then.
void FollowLogin(const LoginAudit& audit, uint64_t connected_ms, Trace& trace);

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_LOGIN_AUDIT_H_
