#include "proto/net/auth_http.h"

#include <algorithm>
#include <array>

#include "proto/ascii.h"

namespace roost {
namespace {

using Verdict = AuthHttpAnswer::Verdict;

void AppendEscaped(std::string* out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && c != '%') {
      *out += c;
      continue;
    }
    *out += '%';
    *out += kHex[byte >> 4];
    *out += kHex[byte & 15];
  }
}

size_t EscapedSize(std::string_view text) {
  size_t size = 0;
  for (const char c : text) size += static_cast<unsigned char>(c) > 0x20 && c != '%' ? 1 : 3;
  return size;
}

struct Known {
  std::string_view name;
  std::string_view value{};
  bool given = false;
};

AuthHttpAnswer Malformed(std::string_view problem) {
  AuthHttpAnswer answer;
  answer.problem = problem;
  return answer;
}

}  // namespace

std::string FormatAuthHttpRequest(const AuthHttpRequest& r) {
  std::string out;
  // All at once: nothing of the password is left behind in a smaller buffer.
  out.reserve(512 + r.path.size() + r.host.size() + r.headers.size() + r.method.size() +
              EscapedSize(r.user) + EscapedSize(r.password) + r.client_ip.size() +
              r.tls_version.size() + r.tls_cipher.size());
  out.append("GET ").append(r.path).append(" HTTP/1.1\r\nHost: ").append(r.host);
  out.append("\r\nAuth-Method: ").append(r.method);
  out.append("\r\nAuth-User: ");
  AppendEscaped(&out, r.user);
  out.append("\r\nAuth-Pass: ");
  AppendEscaped(&out, r.password);
  out.append("\r\nAuth-Protocol: imap\r\nAuth-Login-Attempt: ").append(std::to_string(r.attempt));
  out.append("\r\nClient-IP: ").append(r.client_ip).append("\r\n");
  if (!r.tls_version.empty()) {
    out.append("Auth-SSL: on\r\nAuth-SSL-Protocol: ").append(r.tls_version).append("\r\n");
  }
  if (!r.tls_cipher.empty()) out.append("Auth-SSL-Cipher: ").append(r.tls_cipher).append("\r\n");
  return out.append(r.headers).append("\r\n");
}

AuthHttpAnswer ParseAuthHttpAnswer(const HttpResponse& response) {
  Known status{"Auth-Status"}, server{"Auth-Server"}, port{"Auth-Port"}, user{"Auth-User"},
      password{"Auth-Pass"}, wait{"Auth-Wait"};
  const std::array<Known*, 6> all = {&status, &server, &port, &user, &password, &wait};
  std::string_view rest = response.fields;
  for (HttpField field; TakeHttpField(&rest, &field);) {
    const auto known =
        std::find_if(all.begin(), all.end(), [&](const Known* k) { return field.Is(k->name); });
    if (known == all.end()) continue;
    if ((*known)->given) return Malformed("a field of the answer is given twice");
    (*known)->given = true;
    (*known)->value = field.value;
  }
  AuthHttpAnswer answer;
  uint64_t number = 0;
  if (wait.given && !ParseDecimal(wait.value, UINT32_MAX, &number)) {
    return Malformed("Auth-Wait is not a number of seconds");
  }
  answer.wait_s = static_cast<uint32_t>(number);
  if (status.value.empty()) return Malformed("there is no Auth-Status");
  if (status.value == "WAIT") {
    answer.verdict = Verdict::kWait;
    return answer;
  }
  if (status.value != "OK") {
    answer.verdict = Verdict::kRefused;
    answer.text = status.value;
    return answer;
  }
  if (server.value.empty()) return Malformed("there is no Auth-Server");
  if (!ParseDecimal(port.value, UINT16_MAX, &number) || number == 0) {
    return Malformed("Auth-Port is missing, or is not a port");
  }
  answer.verdict = Verdict::kOk;
  answer.server = server.value;
  answer.port = static_cast<uint16_t>(number);
  answer.user = user.value;
  answer.password = password.value;
  return answer;
}

}  // namespace roost
