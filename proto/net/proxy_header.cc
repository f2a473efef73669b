#include "proto/net/proxy_header.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "proto/check.h"

namespace roost {
namespace {

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kV2FixedBytes = 16;

constexpr uint8_t kV2Version = 0x20;
constexpr uint8_t kV2Local = 0x0;
constexpr uint8_t kV2Proxy = 0x1;
constexpr uint8_t kV2Inet = 0x1;
constexpr uint8_t kV2Inet6 = 0x2;
constexpr uint8_t kV2Unix = 0x3;

ProxyParse Error(const char* error) {
  ProxyParse result;
  result.verdict = ProxyParse::Verdict::kError;
  result.error = error;
  return result;
}

ProxyParse Complete(size_t consumed, const ProxyHeader& header) {
  ProxyParse result;
  result.verdict = ProxyParse::Verdict::kComplete;
  result.consumed = consumed;
  result.header = header;
  return result;
}

// One of the two is a prefix of the other.
bool Agrees(std::string_view buffered, std::string_view expected) {
  size_t common = std::min(buffered.size(), expected.size());
  return buffered.substr(0, common) == expected.substr(0, common);
}

// ---- Addresses as text ----

// Decimal without leading zeros, as the protocol asks for.
bool ReadDecimal(std::string_view text, uint32_t max, uint32_t* value) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && *value <= max;
}

// The part up to `separator` (or the end); moves on behind it.
std::string_view TakePart(std::string_view* rest, char separator) {
  size_t end = rest->find(separator);
  std::string_view part = rest->substr(0, end);
  rest->remove_prefix(end == rest->npos ? rest->size() : end + 1);
  return part;
}

bool ReadIpv4(std::string_view text, uint8_t* bytes) {
  if (std::count(text.begin(), text.end(), '.') != 3) return false;
  for (int i = 0; i < 4; ++i) {
    uint32_t value = 0;
    if (!ReadDecimal(TakePart(&text, '.'), 255, &value)) return false;
    bytes[i] = static_cast<uint8_t>(value);
  }
  return true;
}

// RFC 4291 2.2: groups, one "::", and an IPv4 address in place of the last two.
bool ReadIpv6(std::string_view text, std::array<uint8_t, 16>* bytes) {
  std::array<uint8_t, 16> head = {}, rest = {};
  size_t head_size = 0, rest_size = 0;
  bool gap = false;
  if (text.starts_with("::")) {
    gap = true;
    text.remove_prefix(2);
  } else if (text.empty() || text.front() == ':') {
    return false;
  }
  while (!text.empty()) {
    auto& group = gap ? rest : head;
    size_t& size = gap ? rest_size : head_size;
    size_t end = text.find(':');
    std::string_view part = text.substr(0, end);
    if (end == text.npos && part.find('.') != part.npos) {
      if (head_size + rest_size > 12 || !ReadIpv4(part, group.data() + size)) return false;
      size += 4;
      break;
    }
    uint16_t value = 0;
    auto result = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    bool whole = result.ec == std::errc() && result.ptr == part.data() + part.size();
    if (!whole || part.size() > 4 || head_size + rest_size > 14) return false;
    group[size++] = static_cast<uint8_t>(value >> 8);
    group[size++] = static_cast<uint8_t>(value);
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
    if (text.starts_with(':')) {
      if (gap) return false;
      gap = true;
      text.remove_prefix(1);
    } else if (text.empty()) {
      return false;
    }
  }
  size_t total = head_size + rest_size;
  if (gap ? total > 14 : total != 16) return false;
  bytes->fill(0);
  std::copy_n(head.begin(), head_size, bytes->begin());
  std::copy_n(rest.begin(), rest_size, bytes->end() - static_cast<ptrdiff_t>(rest_size));
  return true;
}

// ---- Version 1 ----

ProxyParse ParseV1Line(std::string_view line, size_t consumed) {
  ProxyHeader header;
  line.remove_prefix(kV1Start.size());
  std::string_view protocol = TakePart(&line, ' ');
  if (protocol == "UNKNOWN") {
    header.local = true;
    return Complete(consumed, header);
  }
  if (protocol != "TCP4" && protocol != "TCP6") return Error("PROXY v1: unknown protocol");
  if (std::count(line.begin(), line.end(), ' ') != 3)
    return Error("PROXY v1: four fields expected");
  for (ProxyEndpoint* endpoint : {&header.source, &header.destination}) {
    std::string_view text = TakePart(&line, ' ');
    endpoint->family = protocol == "TCP4" ? 4 : 6;
    bool read = endpoint->family == 4 ? ReadIpv4(text, endpoint->bytes.data())
                                      : ReadIpv6(text, &endpoint->bytes);
    if (!read) return Error("PROXY v1: malformed address");
  }
  for (ProxyEndpoint* endpoint : {&header.source, &header.destination}) {
    uint32_t port = 0;
    if (!ReadDecimal(TakePart(&line, ' '), 65535, &port)) return Error("PROXY v1: malformed port");
    endpoint->port = static_cast<uint16_t>(port);
  }
  return Complete(consumed, header);
}

ProxyParse ParseV1(std::string_view buffered) {
  std::string_view window = buffered.substr(0, kMaxProxyV1Bytes);
  size_t end = window.find('\n');
  if (end == window.npos) {
    if (window.size() == kMaxProxyV1Bytes) return Error("PROXY v1: line too long");
    return ProxyParse{};
  }
  if (window[end - 1] != '\r') return Error("PROXY v1: line must end in CRLF");
  return ParseV1Line(window.substr(0, end - 1), end + 1);
}

// ---- Version 2 ----

uint16_t ReadBig16(std::string_view bytes) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) << 8 |
                               static_cast<uint8_t>(bytes[1]));
}

// Source address, destination address, source port, destination port.
void ReadV2Endpoints(std::string_view payload, uint8_t family, ProxyHeader* header) {
  size_t size = family == 4 ? 4 : 16;
  for (ProxyEndpoint* endpoint : {&header->source, &header->destination}) {
    endpoint->family = family;
    std::memcpy(endpoint->bytes.data(), payload.data(), size);
    payload.remove_prefix(size);
  }
  header->source.port = ReadBig16(payload);
  header->destination.port = ReadBig16(payload.substr(2));
}

ProxyParse ParseV2(std::string_view buffered) {
  ProxyHeader header;
  uint8_t command = 0, family = 0;
  if (buffered.size() > 12) {
    uint8_t byte = static_cast<uint8_t>(buffered[12]);
    command = byte & 0x0f;
    if ((byte & 0xf0) != kV2Version) return Error("PROXY v2: unknown version");
    if (command > kV2Proxy) return Error("PROXY v2: unknown command");
  }
  if (buffered.size() > 13) {
    uint8_t byte = static_cast<uint8_t>(buffered[13]);
    family = byte >> 4;
    if (family > kV2Unix || (byte & 0x0f) > 2) return Error("PROXY v2: unknown address family");
  }
  if (buffered.size() < kV2FixedBytes) return ProxyParse{};
  size_t payload_bytes = ReadBig16(buffered.substr(14));
  if (payload_bytes > kMaxProxyV2Payload) return Error("PROXY v2: header too long");
  bool inet = family == kV2Inet || family == kV2Inet6;
  size_t needed = family == kV2Inet ? 12 : 36;
  if (command == kV2Proxy && inet && payload_bytes < needed) {
    return Error("PROXY v2: addresses missing");
  }
  size_t total = kV2FixedBytes + payload_bytes;
  if (buffered.size() < total) return ProxyParse{};
  // A datagram's address says nothing of a stream's peer.
  bool stream = (static_cast<uint8_t>(buffered[13]) & 0x0f) == 1;
  header.local = command == kV2Local || !inet || !stream;
  if (!header.local) {
    ReadV2Endpoints(buffered.substr(kV2FixedBytes), family == kV2Inet ? 4 : 6, &header);
  }
  return Complete(total, header);
}

bool IsWritable(const ProxyHeader& header) {
  return (header.source.family == 4 || header.source.family == 6) &&
         header.source.family == header.destination.family;
}

}  // namespace

ProxyParse ParseProxyHeader(std::string_view buffered) {
  if (buffered.empty()) return ProxyParse{};
  if (Agrees(buffered, kV1Start)) {
    return buffered.size() < kV1Start.size() ? ProxyParse{} : ParseV1(buffered);
  }
  if (Agrees(buffered, kV2Signature)) {
    return buffered.size() < kV2Signature.size() ? ProxyParse{} : ParseV2(buffered);
  }
  return Error("no PROXY header");
}

void AppendProxyV2(std::string* out, const ProxyHeader& header) {
  out->append(kV2Signature);
  if (header.local) {
    out->append("\x20\x00\x00\x00", 4);
    return;
  }
  ROOST_CHECK(IsWritable(header));
  bool ipv4 = header.source.family == 4;
  size_t size = ipv4 ? 4 : 16;
  out->push_back(static_cast<char>(kV2Version | kV2Proxy));
  out->push_back(ipv4 ? 0x11 : 0x21);
  out->push_back(0);
  out->push_back(static_cast<char>(2 * size + 4));
  for (const ProxyEndpoint* endpoint : {&header.source, &header.destination}) {
    out->append(reinterpret_cast<const char*>(endpoint->bytes.data()), size);
  }
  for (const ProxyEndpoint* endpoint : {&header.source, &header.destination}) {
    out->push_back(static_cast<char>(endpoint->port >> 8));
    out->push_back(static_cast<char>(endpoint->port & 0xff));
  }
}

}  // namespace roost
