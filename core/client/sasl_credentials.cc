#include "core/client/sasl_credentials.h"

#include <utility>

namespace roost {
namespace {

bool TakePlain(std::string_view message, Credentials* out) {
  SaslPlain plain;
  const bool good = ParseSaslPlain(message, &plain);
  out->kind = Credentials::Kind::kPassword;
  out->user = plain.authcid;
  out->authzid = plain.authzid == plain.authcid ? "" : plain.authzid;
  out->secret = std::move(plain.password);
  Cleanse(&plain.password);  // a short one lay in the string itself
  return good;
}

bool TakeLogin(std::string_view message, std::string_view user, Credentials* out) {
  out->kind = Credentials::Kind::kPassword;
  out->user = user;
  out->secret = message;
  return IsValidLoginAnswer(message);
}

// The store gets the message as it came.
bool TakeToken(std::string_view message, bool (*parse)(std::string_view, SaslToken*),
               Credentials* out) {
  SaslToken token;
  const bool good = parse(message, &token);
  out->kind = Credentials::Kind::kToken;
  out->user = token.user;
  out->secret = message;
  Cleanse(&token.token);
  return good;
}

}  // namespace

bool TakeSasl(SaslMechanism mechanism, std::string_view message, std::string_view login_user,
              Credentials* out) {
  out->mechanism = mechanism;
  switch (mechanism) {
    case SaslMechanism::kPlain:
      return TakePlain(message, out);
    case SaslMechanism::kLogin:
      return TakeLogin(message, login_user, out);
    case SaslMechanism::kXOAuth2:
      return TakeToken(message, ParseXOAuth2, out);
    case SaslMechanism::kOAuthBearer:
      return TakeToken(message, ParseOAuthBearer, out);
    case SaslMechanism::kUnknown:
      break;
  }
  return false;
}

}  // namespace roost
