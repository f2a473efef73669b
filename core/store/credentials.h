// With what a session logs in to a store.
//
// Secrets: wiped when freed, never logged. `Own` are what a client presented; the others are
// Roost's proxy login for a user whose own credentials the store has accepted before.
#ifndef ROOST_CORE_STORE_CREDENTIALS_H_
#define ROOST_CORE_STORE_CREDENTIALS_H_

#include <cstdint>
#include <string>

#include "core/base/cleanse.h"
#include "proto/imap/sasl.h"

namespace roost {

struct Credentials {
  enum class Kind : uint8_t {
    kNone,
    kPassword,        // the user's own name and password
    kToken,           // XOAUTH2 or OAUTHBEARER, passed on as it came
    kProxyAuthzid,    // AUTHENTICATE PLAIN: authzid user, authcid master
    kProxySeparator,  // LOGIN user<separator>master
  };

  Kind kind = Kind::kNone;
  SaslMechanism mechanism = SaslMechanism::kUnknown;  // kToken
  std::string user;
  std::string authzid;  // kPassword: PLAIN's, when it differs from user
  std::string secret;   // password; for kToken the whole decoded message
  std::string master;   // proxy kinds
  char separator = '*';

  Credentials() = default;
  Credentials(const Credentials&) = default;
  Credentials(Credentials&&) = default;
  Credentials& operator=(const Credentials&) = default;
  Credentials& operator=(Credentials&&) = default;
  ~Credentials() { Cleanse(&secret); }

  // The store's OK proves that whoever presented these is `user`: a name that may be shared under.
  // A token's user and a foreign authzid are claims.
  bool ProvesName() const {
    return kind == Kind::kPassword && (authzid.empty() || authzid == user);
  }
  bool IsProxy() const { return kind >= Kind::kProxyAuthzid; }
};

}  // namespace roost

#endif  // ROOST_CORE_STORE_CREDENTIALS_H_
