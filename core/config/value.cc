#include "core/config/value.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

namespace roost::config_detail {
namespace {

constexpr size_t kMaxText = 1024;  // bytes; the longest are file names and greetings

template <class E, size_t n>
std::span<const EnumName> Names(const EnumName (&names)[n]) {
  return names;
}

template <class E>
constexpr EnumName Name(E value, std::string_view name) {
  return {static_cast<int>(value), name};
}

constexpr EnumName kListenerTls[] = {
    Name(ListenerConfig::Tls::kImplicit, "implicit"),
    Name(ListenerConfig::Tls::kStartTls, "starttls"),
    Name(ListenerConfig::Tls::kNone, "none"),
};
constexpr EnumName kTlsVersion[] = {
    Name(TlsConfig::Version::k12, "1.2"),
    Name(TlsConfig::Version::k13, "1.3"),
};
constexpr EnumName kStoreTls[] = {
    Name(StoreConfig::Tls::kNone, "none"),
    Name(StoreConfig::Tls::kStartTls, "starttls"),
    Name(StoreConfig::Tls::kImplicit, "implicit"),
};
constexpr EnumName kLogin[] = {
    Name(StoreConfig::Login::kClient, "client"),
    Name(StoreConfig::Login::kProxyAuthzid, "proxy-authzid"),
    Name(StoreConfig::Login::kProxySeparator, "proxy-separator"),
};
constexpr EnumName kRouteKind[] = {
    Name(RouteConfig::Kind::kStatic, "static"),
    Name(RouteConfig::Kind::kMap, "map"),
    Name(RouteConfig::Kind::kHash, "hash"),
    Name(RouteConfig::Kind::kHttp, "http"),
};
constexpr EnumName kDescriptors[] = {
    Name(DescriptorMode::kAuto, "auto"),
    Name(DescriptorMode::kOrdinary, "ordinary"),
    Name(DescriptorMode::kDirect, "direct"),
};
constexpr EnumName kLogLevel[] = {
    Name(LogConfig::Level::kError, "error"),
    Name(LogConfig::Level::kWarning, "warning"),
    Name(LogConfig::Level::kInfo, "info"),
    Name(LogConfig::Level::kDebug, "debug"),
};
constexpr EnumName kLogFormat[] = {
    Name(LogConfig::Format::kText, "text"),
    Name(LogConfig::Format::kJson, "json"),
};

// "a, b or c"
std::string JoinNames(std::span<const EnumName> names) {
  std::string joined;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) joined += i + 1 == names.size() ? " or " : ", ";
    joined += names[i].name;
  }
  return joined;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (unsigned char c : text.substr(0, 60)) quoted += c < 0x20 || c == 0x7f ? '?' : char(c);
  return quoted + (text.size() > 60 ? "...'" : "'");
}

bool ParseHost(std::string_view text, Address* out) {
  std::string host(text);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  Address address;
  if (inet_pton(AF_INET, host.c_str(), address.bytes) == 1) {
    address.family = 4;
  } else if (inet_pton(AF_INET6, host.c_str(), address.bytes) == 1) {
    address.family = 6;
  } else {
    return false;
  }
  *out = address;
  return true;
}

// Damerau-Levenshtein with adjacent swaps (optimal string alignment).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> older(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], older[j - 2] + 1);
    }
    std::swap(older, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::span<const EnumName> EnumNames(ListenerConfig::Tls) { return kListenerTls; }
std::span<const EnumName> EnumNames(TlsConfig::Version) { return kTlsVersion; }
std::span<const EnumName> EnumNames(StoreConfig::Tls) { return kStoreTls; }
std::span<const EnumName> EnumNames(StoreConfig::Login) { return kLogin; }
std::span<const EnumName> EnumNames(RouteConfig::Kind) { return kRouteKind; }
std::span<const EnumName> EnumNames(DescriptorMode) { return kDescriptors; }
std::span<const EnumName> EnumNames(LogConfig::Level) { return kLogLevel; }
std::span<const EnumName> EnumNames(LogConfig::Format) { return kLogFormat; }

std::string FormatValue(const std::string& value, const Spec&) { return value; }
std::string FormatValue(int value, const Spec&) { return std::to_string(value); }
std::string FormatValue(bool value, const Spec&) { return value ? "true" : "false"; }
std::string FormatValue(char value, const Spec&) { return std::string(1, value); }

std::string FormatValue(const Address& value, const Spec& spec) {
  if (value.family == 0) return "";
  return spec.form == Form::kHostOnly ? value.HostString() : value.ToString();
}

std::string FormatValue(const HostPort& value, const Spec&) { return value.ToString(); }
std::string FormatValue(const Network& value, const Spec&) { return value.ToString(); }

std::string FormatEnum(std::span<const EnumName> names, int value) {
  for (const EnumName& name : names) {
    if (name.value == value) return std::string(name.name);
  }
  return "";
}

std::string ParseValue(std::string_view text, const Spec&, std::string* out) {
  if (text.size() > kMaxText) return "is longer than " + std::to_string(kMaxText) + " bytes";
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f) return "contains a control character";
  }
  *out = text;
  return "";
}

std::string ParseValue(std::string_view text, const Spec& spec, int* out) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) value = spec.maximum + 1;
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
    return Quoted(text) + " is not a whole number";
  }
  bool in_range = value >= spec.minimum && value <= spec.maximum;
  if (!in_range && !(spec.zero_too && value == 0)) {
    return std::string(text.substr(0, 30)) + " is out of range";
  }
  *out = static_cast<int>(value);
  return "";
}

std::string ParseValue(std::string_view text, const Spec&, bool* out) {
  if (text == "true" || text == "yes" || text == "on") {
    *out = true;
  } else if (text == "false" || text == "no" || text == "off") {
    *out = false;
  } else {
    return Quoted(text) + " is neither true nor false";
  }
  return "";
}

std::string ParseValue(std::string_view text, const Spec&, char* out) {
  if (text.size() != 1 || text[0] <= ' ' || text[0] >= 0x7f) {
    return Quoted(text) + " is not one printable character";
  }
  *out = text[0];
  return "";
}

std::string ParseValue(std::string_view text, const Spec& spec, Address* out) {
  if (spec.form == Form::kHostOnly) {
    return ParseHost(text, out) ? "" : Quoted(text) + " is not an IP address";
  }
  Address address;
  if (text.empty() && !spec.required) {
    *out = address;
    return "";
  }
  if (!Address::Parse(text, &address)) return Quoted(text) + " is not an IP address with a port";
  *out = address;
  return "";
}

std::string ParseValue(std::string_view text, const Spec&, HostPort* out) {
  return HostPort::Parse(text, out) ? "" : Quoted(text) + " is not a host with a port";
}

std::string ParseValue(std::string_view text, const Spec&, Network* out) {
  return Network::Parse(text, out) ? "" : Quoted(text) + " is not a network such as 10.0.0.0/8";
}

std::string ParseEnum(std::string_view text, std::span<const EnumName> names, int* out) {
  for (const EnumName& name : names) {
    if (name.name != text) continue;
    *out = name.value;
    return "";
  }
  std::vector<std::string> candidates;
  for (const EnumName& name : names) candidates.emplace_back(name.name);
  std::string_view near = Nearest(text, candidates);
  std::string problem = Quoted(text) + " is not one of its values";
  if (!near.empty()) problem += " (did you mean " + std::string(near) + "?)";
  return problem;
}

std::string TypeName(const std::string*, const Spec& spec) {
  switch (spec.form) {
    case Form::kPath:
      return "file name";
    case Form::kSecret:
      return "secret text";
    default:
      return "text";
  }
}

std::string TypeName(const int*, const Spec&) { return "whole number"; }
std::string TypeName(const bool*, const Spec&) { return "true or false"; }
std::string TypeName(const char*, const Spec&) { return "one character"; }

std::string TypeName(const Address*, const Spec& spec) {
  return spec.form == Form::kHostOnly ? "IP address" : "address:port";
}

std::string TypeName(const HostPort*, const Spec&) { return "host:port"; }
std::string TypeName(const Network*, const Spec&) { return "network"; }
std::string EnumTypeName(std::span<const EnumName> names) { return JoinNames(names); }

std::string RangeName(const Spec& spec) {
  if (spec.maximum == 0) return "";
  std::string range = std::to_string(spec.minimum) + " to " + std::to_string(spec.maximum);
  return spec.zero_too ? "0 or " + range : range;
}

std::string_view Nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr size_t kLongestWord = 64;  // bytes; bounds the work for a hostile file
  if (word.size() > kLongestWord) return {};
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::string_view nearest;
  for (const std::string& candidate : candidates) {
    size_t distance = Distance(word, candidate);
    // A word that begins another one is meant more often than a word with other letters.
    bool begins = word.size() >= 3 && candidate.starts_with(word);
    if (begins) distance = std::min<size_t>(distance, 1);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace roost::config_detail

namespace roost {

std::string HostPort::ToString() const {
  if (port == 0 && host.empty()) return "";
  bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool HostPort::Parse(std::string_view text, HostPort* out) {
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view host = text.substr(0, colon), port_text = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size() || port == 0) return false;
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
    in6_addr ignored;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &ignored) != 1) return false;
  } else {
    constexpr size_t kLongestName = 253;  // RFC 1035, 2.3.4, as text
    auto is_host_char = [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             c == '-' || c == '.' || c == '_';
    };
    if (host.size() > kLongestName || !std::all_of(host.begin(), host.end(), is_host_char)) {
      return false;
    }
  }
  out->host = host;
  out->port = port;
  return true;
}

}  // namespace roost
