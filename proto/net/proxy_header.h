// The PROXY protocol, versions 1 and 2: whom a connection was accepted for, told by the balancer in
// front, or told by Roost to the store behind.
//
// Pure: bytes in, verdict and bytes consumed out. Only to be asked for on listeners where every
// peer is a balancer: anybody else could claim any address.
//
// Bounds: version 1 is at most 107 bytes, version 2 at most 16 + kMaxProxyV2Payload (further fields
// are skipped).
#ifndef ROOST_PROTO_NET_PROXY_HEADER_H_
#define ROOST_PROTO_NET_PROXY_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace roost {

inline constexpr size_t kMaxProxyV1Bytes = 107;
inline constexpr size_t kMaxProxyV2Payload = 2048;

struct ProxyEndpoint {
  uint8_t family = 0;  // 0 unknown, 4 or 6
  uint16_t port = 0;
  std::array<uint8_t, 16> bytes = {};  // the first 4 for IPv4, network order
  friend bool operator==(const ProxyEndpoint&, const ProxyEndpoint&) = default;
};

struct ProxyHeader {
  // The balancer speaks for itself (v2 LOCAL: health checks), or does not say (v1 UNKNOWN, v2
  // UNSPEC and UNIX): the endpoints are empty and those of the connection itself count.
  bool local = false;
  ProxyEndpoint source;
  ProxyEndpoint destination;
};

struct ProxyParse {
  enum class Verdict : uint8_t { kNeedMore, kComplete, kError };
  Verdict verdict = Verdict::kNeedMore;
  size_t consumed = 0;  // kComplete: bytes of the header; what follows belongs to the connection
  const char* error = nullptr;  // kError: a static text
  ProxyHeader header;
};

// Looks at the beginning of `buffered`; on kNeedMore call again with the same bytes and more. Says
// kError as soon as no continuation could make it right.
ProxyParse ParseProxyHeader(std::string_view buffered);

// Both endpoints of one family, or local.
void AppendProxyV2(std::string* out, const ProxyHeader& header);

}  // namespace roost

#endif  // ROOST_PROTO_NET_PROXY_HEADER_H_
