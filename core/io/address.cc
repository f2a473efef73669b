#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

#include "core/io/io.h"
#include "core/io/sockaddr.h"

namespace roost {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ParsePort(std::string_view text, uint16_t* port) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *port);
  return error == std::errc() && stop == end && !text.empty();
}

}  // namespace

std::string Address::HostString() const {
  char text[INET6_ADDRSTRLEN];
  if (family == 4) return inet_ntop(AF_INET, bytes, text, sizeof(text));
  if (family == 6) return inet_ntop(AF_INET6, bytes, text, sizeof(text));
  return "-";
}

std::string Address::ToString() const {
  if (family == 0) return "-";
  const std::string host = HostString();
  return (family == 6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::IsAny() const {
  return std::all_of(std::begin(bytes), std::end(bytes), [](uint8_t byte) { return byte == 0; });
}

bool Address::Parse(std::string_view text, Address* out) {
  const size_t colon = text.rfind(':');
  Address parsed;
  if (colon == std::string_view::npos || !ParsePort(text.substr(colon + 1), &parsed.port)) {
    return false;
  }
  std::string_view host = text.substr(0, colon);
  if (host.empty() || host == "*") {
    parsed.family = 6;
  } else if (host.front() == '[' && host.back() == ']') {
    parsed.family = 6;
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, std::string(host).c_str(), parsed.bytes) != 1) return false;
  } else {
    parsed.family = 4;
    if (inet_pton(AF_INET, std::string(host).c_str(), parsed.bytes) != 1) return false;
  }
  if (host.find('\0') != std::string_view::npos) return false;
  *out = parsed;
  return true;
}

socklen_t SockaddrLength(int family) {
  return family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

socklen_t ToSockaddr(const Address& address, sockaddr_storage* out) {
  *out = {};
  if (address.family == 4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.bytes, 4);
    std::memcpy(out, &v4, sizeof(v4));
    return sizeof(v4);
  }
  if (address.family == 6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, address.bytes, 16);
    std::memcpy(out, &v6, sizeof(v6));
    return sizeof(v6);
  }
  return 0;
}

Address FromSockaddr(const sockaddr_storage& address) {
  Address result;
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    result.family = 4;
    result.port = ntohs(v4.sin_port);
    std::memcpy(result.bytes, &v4.sin_addr, 4);
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    const auto* bytes = reinterpret_cast<const uint8_t*>(&v6.sin6_addr);
    const bool mapped = std::equal(bytes, bytes + 12, kMappedPrefix);
    result.family = mapped ? 4 : 6;
    result.port = ntohs(v6.sin6_port);
    std::memcpy(result.bytes, mapped ? bytes + 12 : bytes, mapped ? 4 : 16);
  }
  return result;
}

}  // namespace roost
