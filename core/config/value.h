// How one value of a Config is written and read: the text of a YAML scalar, without YAML.
//
// What it is not: it knows no keys and no structure (schema.h), no YAML (yaml_tree.h). Pure.
//
// Each type has a FormatValue and a ParseValue that are inverse to each other, and a TypeName for
// the reference. ParseValue returns what is wrong with the text, empty when nothing is; `out` is
// changed only then.

#ifndef ROOST_CORE_CONFIG_VALUE_H_
#define ROOST_CORE_CONFIG_VALUE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/config/config.h"

namespace roost::config_detail {

// What a text or an address is made of beyond its type.
enum class Form : uint8_t {
  kPlain,
  kPath,      // relative ones are joined with the configuration file's directory
  kSecret,    // never printed
  kHostOnly,  // an address without a port
};

// What is said about one key, apart from its type and default.
struct Spec {
  std::string_view why;  // one or two sentences, for the reference
  int64_t minimum = 0;   // numbers only
  int64_t maximum = 0;
  bool zero_too = false;  // 0 is allowed below the minimum, with a meaning of its own
  bool required = false;
  Form form = Form::kPlain;
  bool restart = false;  // a reload leaves it as it was
};

struct EnumName {
  int value;
  std::string_view name;
};

// The names of an enum's values, in the order in which they are told.
std::span<const EnumName> EnumNames(ListenerConfig::Tls);
std::span<const EnumName> EnumNames(TlsConfig::Version);
std::span<const EnumName> EnumNames(StoreConfig::Tls);
std::span<const EnumName> EnumNames(StoreConfig::Login);
std::span<const EnumName> EnumNames(RouteConfig::Kind);
std::span<const EnumName> EnumNames(DescriptorMode);
std::span<const EnumName> EnumNames(LogConfig::Level);
std::span<const EnumName> EnumNames(LogConfig::Format);

std::string FormatValue(const std::string& value, const Spec& spec);
std::string FormatValue(int value, const Spec& spec);
std::string FormatValue(bool value, const Spec& spec);
std::string FormatValue(char value, const Spec& spec);
std::string FormatValue(const Address& value, const Spec& spec);
std::string FormatValue(const HostPort& value, const Spec& spec);
std::string FormatValue(const Network& value, const Spec& spec);
std::string FormatEnum(std::span<const EnumName> names, int value);

std::string ParseValue(std::string_view text, const Spec& spec, std::string* out);
std::string ParseValue(std::string_view text, const Spec& spec, int* out);
std::string ParseValue(std::string_view text, const Spec& spec, bool* out);
std::string ParseValue(std::string_view text, const Spec& spec, char* out);
std::string ParseValue(std::string_view text, const Spec& spec, Address* out);
std::string ParseValue(std::string_view text, const Spec& spec, HostPort* out);
std::string ParseValue(std::string_view text, const Spec& spec, Network* out);
std::string ParseEnum(std::string_view text, std::span<const EnumName> names, int* out);

// "text", "number", "implicit, starttls or none": what the reference and the errors call it.
std::string TypeName(const std::string*, const Spec& spec);
std::string TypeName(const int*, const Spec& spec);
std::string TypeName(const bool*, const Spec& spec);
std::string TypeName(const char*, const Spec& spec);
std::string TypeName(const Address*, const Spec& spec);
std::string TypeName(const HostPort*, const Spec& spec);
std::string TypeName(const Network*, const Spec& spec);
std::string EnumTypeName(std::span<const EnumName> names);

// The allowed values of a number: "10 to 1740", "0 or 10 to 1740"; empty for other types.
std::string RangeName(const Spec& spec);

template <class E>
requires std::is_enum_v<E> std::string FormatValue(E value, const Spec&) {
  return FormatEnum(EnumNames(value), static_cast<int>(value));
}

template <class E>
requires std::is_enum_v<E> std::string ParseValue(std::string_view text, const Spec&, E* out) {
  int value = 0;
  std::string problem = ParseEnum(text, EnumNames(E{}), &value);
  if (problem.empty()) *out = static_cast<E>(value);
  return problem;
}

template <class E>
requires std::is_enum_v<E> std::string TypeName(const E*, const Spec&) {
  return EnumTypeName(EnumNames(E{}));
}

// The candidate nearest to `word`, if it is near enough to have been meant; else empty.
std::string_view Nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace roost::config_detail

#endif  // ROOST_CORE_CONFIG_VALUE_H_
