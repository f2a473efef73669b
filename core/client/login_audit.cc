#include "core/client/login_audit.h"

#include "core/base/log.h"

namespace roost {
std::string_view LoginResultName(LoginResult result) {
  switch (result) {
    case LoginResult::kOk:
      return "ok";
    case LoginResult::kRefused:
      return "refused";
    case LoginResult::kUnavailable:
      return "unavailable";
    case LoginResult::kNotAllowed:
      return "not-allowed";
    case LoginResult::kAbandoned:
      break;
  }
  return "abandoned";
}

std::string_view LoginMethodName(const Credentials& credentials) {
  switch (credentials.mechanism) {
    case SaslMechanism::kPlain:
      return "plain";
    case SaslMechanism::kLogin:
      return "sasl-login";
    case SaslMechanism::kXOAuth2:
      return "xoauth2";
    case SaslMechanism::kOAuthBearer:
      return "oauthbearer";
    case SaslMechanism::kUnknown:
      break;
  }
  return "login";
}

std::string_view TlsVersionName(TlsSuite suite) {
  if (suite == TlsSuite::kNone) return "none";
  return suite <= TlsSuite::kTls13ChaCha20Poly1305Sha256 ? "1.3" : "1.2";
}

void LogLogin(const LoginAudit& a) {
  const bool good = a.result == LoginResult::kOk;
  const bool unusual = a.result == LoginResult::kUnavailable;
  Log(unusual ? LogLevel::kWarning : LogLevel::kInfo, good ? "login" : "login_failed",
      {{"address", a.peer.HostString()},
       {"port", a.peer.port},
       {"result", LoginResultName(a.result)},
       {"method", a.method},
       {"listener", a.listener.ToString()},
       {"tls", TlsVersionName(a.suite)},
       {"session", a.connection_id.Text()},
       {"store", a.store},
       {"user", a.user},
       {"reason", a.reason}},
      LogRate::kAudit);
}

void FollowLogin(const LoginAudit& a, uint64_t connected_ms, Trace& trace) {
  const bool good = a.result == LoginResult::kOk;
  trace.Say(a.user, good ? "login" : "login_failed", a.connection_id,
            {{"address", a.peer.HostString()},
             {"port", a.peer.port},
             {"connected_ms", connected_ms},
             {"result", LoginResultName(a.result)},
             {"method", a.method},
             {"tls", TlsVersionName(a.suite)},
             {"store", a.store},
             {"reason", a.reason}});
}

}  // namespace roost
