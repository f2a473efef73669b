// Reads any bytes as base64 and as each mechanism's message; what was read can be written again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "proto/imap/sasl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: a fuzz target's only function
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string decoded, written;
  if (Base64Decode(input, &decoded)) ROOST_CHECK(Base64Encode(decoded) == input);
  if (size <= kMaxSaslToken) {
    ROOST_CHECK(Base64Decode(Base64Encode(input), &decoded) && decoded == input);
  }
  SaslPlain plain;
  if (ParseSaslPlain(input, &plain)) {
    ROOST_CHECK(FormatSaslPlain(plain.authzid, plain.authcid, plain.password, &written));
    ROOST_CHECK(written == input);
  }
  SaslToken token;
  ParseXOAuth2(input, &token);
  ParseOAuthBearer(input, &token);
  IsValidLoginAnswer(input);
  ParseSaslMechanism(input);
  return 0;
}
