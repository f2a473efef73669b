// What a client logs in with, out of the SASL message that says it.
//
// What it is: one answer for each mechanism. What it is not: it checks no password, reads no base64
// and judges no name. The message is a secret: the caller wipes it; *out wipes itself.
#ifndef ROOST_CORE_CLIENT_SASL_CREDENTIALS_H_
#define ROOST_CORE_CLIENT_SASL_CREDENTIALS_H_

#include <string_view>

#include "core/store/credentials.h"
#include "proto/imap/sasl.h"

namespace roost {

// The decoded message, the last one of its mechanism; `login_user` is LOGIN's first. False: it is
// none of the mechanism, or the mechanism is unknown.
bool TakeSasl(SaslMechanism mechanism, std::string_view message, std::string_view login_user,
              Credentials* out);

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_SASL_CREDENTIALS_H_
