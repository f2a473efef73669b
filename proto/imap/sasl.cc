#include "proto/imap/sasl.h"

#include <array>
#include <cstdint>

#include "proto/imap/tokens.h"

namespace roost {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kInvalid = 0xff;

constexpr std::array<uint8_t, 256> MakeDecodeTable() {
  std::array<uint8_t, 256> table = {};
  for (auto& entry : table) entry = kInvalid;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  }
  return table;
}
constexpr auto kDecode = MakeDecodeTable();

constexpr char kControlA = '\x01';
constexpr std::string_view kBearer = "Bearer ";

bool HasNul(std::string_view text) { return text.find('\0') != text.npos; }

bool IsCarriable(std::string_view value) {
  return !HasNul(value) && value.find(kControlA) == value.npos;
}

// "Bearer <token>"; the scheme's name ignores case.
bool TakeBearer(std::string_view value, std::string* token) {
  if (!StartsWithIgnoreCase(value, kBearer)) return false;
  value.remove_prefix(kBearer.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (value.empty()) return false;
  token->assign(value);
  return true;
}

// RFC 5801 4: "," and "=" travel as =2C and =3D.
bool DecodeSaslName(std::string_view text, std::string* name) {
  name->clear();
  while (!text.empty()) {
    if (text.front() != '=') {
      name->push_back(text.front());
      text.remove_prefix(1);
      continue;
    }
    std::string_view code = text.substr(0, 3);
    if (EqualsIgnoreCase(code, "=2C")) {
      name->push_back(',');
    } else if (EqualsIgnoreCase(code, "=3D")) {
      name->push_back('=');
    } else {
      return false;
    }
    text.remove_prefix(3);
  }
  return true;
}

}  // namespace

bool Base64Decode(std::string_view text, std::string* out) {
  out->clear();
  if (text.size() % 4 != 0 || text.size() / 4 > (kMaxSaslToken + 2) / 3) return false;
  out->reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    bool final = i + 4 == text.size();
    int padding = 0;
    if (final && text[i + 3] == '=') padding = text[i + 2] == '=' ? 2 : 1;
    uint32_t bits = 0;
    for (int j = 0; j < 4; ++j) {
      uint8_t value = j < 4 - padding ? kDecode[static_cast<uint8_t>(text[i + j])] : 0;
      if (value == kInvalid) return false;
      bits = bits << 6 | value;
    }
    if (padding > 0 && (bits & (padding == 1 ? 0xffu : 0xffffu)) != 0) return false;
    out->push_back(static_cast<char>(bits >> 16));
    if (padding < 2) out->push_back(static_cast<char>(bits >> 8 & 0xff));
    if (padding < 1) out->push_back(static_cast<char>(bits & 0xff));
  }
  return out->size() <= kMaxSaslToken;
}

void AppendBase64(std::string* out, std::string_view bytes) {
  out->reserve(out->size() + (bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      out->push_back(j <= count ? kAlphabet[bits >> (18 - 6 * j) & 63] : '=');
    }
  }
}

std::string Base64Encode(std::string_view bytes) {
  std::string text;
  AppendBase64(&text, bytes);
  return text;
}

SaslMechanism ParseSaslMechanism(std::string_view name) {
  for (SaslMechanism mechanism : {SaslMechanism::kPlain, SaslMechanism::kLogin,
                                  SaslMechanism::kXOAuth2, SaslMechanism::kOAuthBearer}) {
    if (EqualsIgnoreCase(name, SaslMechanismName(mechanism))) return mechanism;
  }
  return SaslMechanism::kUnknown;
}

std::string_view SaslMechanismName(SaslMechanism mechanism) {
  switch (mechanism) {
    case SaslMechanism::kPlain:
      return "PLAIN";
    case SaslMechanism::kLogin:
      return "LOGIN";
    case SaslMechanism::kXOAuth2:
      return "XOAUTH2";
    case SaslMechanism::kOAuthBearer:
      return "OAUTHBEARER";
    case SaslMechanism::kUnknown:
      break;
  }
  return "?";
}

bool ParseSaslPlain(std::string_view message, SaslPlain* out) {
  if (message.size() > kMaxSaslToken) return false;
  size_t first = message.find('\0');
  if (first == message.npos) return false;
  size_t second = message.find('\0', first + 1);
  if (second == message.npos) return false;
  std::string_view authcid = message.substr(first + 1, second - first - 1);
  std::string_view password = message.substr(second + 1);
  if (authcid.empty() || password.empty() || HasNul(password)) return false;
  out->authzid.assign(message.substr(0, first));
  out->authcid.assign(authcid);
  out->password.assign(password);
  return true;
}

bool FormatSaslPlain(std::string_view authzid, std::string_view authcid, std::string_view password,
                     std::string* out) {
  if (authcid.empty() || password.empty()) return false;
  if (HasNul(authzid) || HasNul(authcid) || HasNul(password)) return false;
  out->clear();
  out->reserve(authzid.size() + authcid.size() + password.size() + 2);
  out->append(authzid);
  out->push_back('\0');
  out->append(authcid);
  out->push_back('\0');
  out->append(password);
  return out->size() <= kMaxSaslToken;
}

bool IsValidLoginAnswer(std::string_view answer) {
  return !answer.empty() && answer.size() <= kMaxSaslToken && !HasNul(answer);
}

bool ParseXOAuth2(std::string_view message, SaslToken* out) {
  constexpr std::string_view kUser = "user=";
  constexpr std::string_view kAuth = "auth=";
  if (message.size() > kMaxSaslToken || HasNul(message)) return false;
  if (!StartsWithIgnoreCase(message, kUser)) return false;
  message.remove_prefix(kUser.size());
  size_t end = message.find(kControlA);
  if (end == message.npos || end == 0) return false;
  out->user.assign(message.substr(0, end));
  message.remove_prefix(end + 1);
  if (!StartsWithIgnoreCase(message, kAuth)) return false;
  message.remove_prefix(kAuth.size());
  end = message.find(kControlA);
  if (end == message.npos || message.substr(end) != std::string_view("\x01\x01")) return false;
  return TakeBearer(message.substr(0, end), &out->token);
}

bool ParseOAuthBearer(std::string_view message, SaslToken* out) {
  if (message.size() > kMaxSaslToken || HasNul(message)) return false;
  // gs2-header: no channel binding offered here, so neither "p=" nor anything but n and y.
  if (message.size() < 2 || (message[0] != 'n' && message[0] != 'y') || message[1] != ',') {
    return false;
  }
  message.remove_prefix(2);
  size_t end = message.find(',');
  if (end == message.npos) return false;
  std::string_view authzid = message.substr(0, end);
  message.remove_prefix(end + 1);
  out->user.clear();
  if (!authzid.empty()) {
    if (!authzid.starts_with("a=") || !DecodeSaslName(authzid.substr(2), &out->user)) return false;
    if (out->user.empty() || !IsCarriable(out->user)) return false;
  }
  if (message.empty() || message.front() != kControlA) return false;
  message.remove_prefix(1);
  bool found = false;
  while (true) {
    end = message.find(kControlA);
    if (end == message.npos) return false;
    std::string_view pair = message.substr(0, end);
    message.remove_prefix(end + 1);
    if (pair.empty()) break;
    size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) return false;
    if (pair.substr(0, equals) != "auth") continue;
    if (found || !TakeBearer(pair.substr(equals + 1), &out->token)) return false;
    found = true;
  }
  return found && message.empty();
}

}  // namespace roost
