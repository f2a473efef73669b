// SASL messages that Roost reads from clients and writes to stores (RFC 4616, RFC 7628, LOGIN,
// XOAUTH2), and base64.
//
// Pure; checks no password. Strings that come out of here are secrets: the caller wipes them.
// Nothing longer than kMaxSaslToken is decoded.
#ifndef ROOST_PROTO_IMAP_SASL_H_
#define ROOST_PROTO_IMAP_SASL_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace roost {

// Of a decoded message. OAuth tokens of several kilobytes exist.
inline constexpr size_t kMaxSaslToken = 12 * 1024;

// RFC 4648 4, strict: padding required, no line breaks, unused bits zero. False leaves *out
// unspecified.
bool Base64Decode(std::string_view text, std::string* out);
void AppendBase64(std::string* out, std::string_view bytes);
std::string Base64Encode(std::string_view bytes);

enum class SaslMechanism : unsigned char { kUnknown, kPlain, kLogin, kXOAuth2, kOAuthBearer };
// Ignores case.
SaslMechanism ParseSaslMechanism(std::string_view name);
std::string_view SaslMechanismName(SaslMechanism mechanism);

struct SaslPlain {
  std::string authzid;  // whom to act as; empty: the same as authcid
  std::string authcid;  // who logs in
  std::string password;
};
// The decoded message. Refused: not exactly two NULs, empty authcid or password, longer than
// kMaxSaslToken.
bool ParseSaslPlain(std::string_view message, SaslPlain* out);
// False when a field holds a NUL or authcid or password is empty.
bool FormatSaslPlain(std::string_view authzid, std::string_view authcid, std::string_view password,
                     std::string* out);

// LOGIN asks for the name, then for the password: what to challenge with, already base64.
inline constexpr std::string_view kLoginUserChallenge = "VXNlcm5hbWU6";
inline constexpr std::string_view kLoginPasswordChallenge = "UGFzc3dvcmQ6";
// A decoded answer in LOGIN: not empty, no NUL, not longer than kMaxSaslToken.
bool IsValidLoginAnswer(std::string_view answer);

// The user *claimed* by a token; the store alone knows whether it belongs to the token.
struct SaslToken {
  std::string user;   // may be empty for OAUTHBEARER, whose authzid is optional
  std::string token;  // behind "auth=Bearer "
};
// "user=" … ^A "auth=Bearer " … ^A^A
bool ParseXOAuth2(std::string_view message, SaslToken* out);
// RFC 7628 3.1: "n,a=" … "," ^A … "auth=Bearer " … ^A ^A; channel binding ("p=") refused; =2C and
// =3D decoded.
bool ParseOAuthBearer(std::string_view message, SaslToken* out);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_SASL_H_
