// An IP network as written in a configuration: "192.0.2.0/24", "2001:db8::/32", or one address.
//
// Pure; a value.
#ifndef ROOST_CORE_CONFIG_NETWORK_H_
#define ROOST_CORE_CONFIG_NETWORK_H_

#include <string>
#include <string_view>

#include "core/io/io.h"

namespace roost {

struct Network {
  Address address;  // port 0; zero behind the prefix
  int bits = 0;     // of the prefix

  // Families differ: false. An IPv4 address mapped into IPv6 is an IPv4 address.
  bool Contains(const Address& peer) const;
  std::string ToString() const;
  // Without a prefix: the address alone. Anything behind the prefix but zeros is an error: it is
  // more likely a mistake than meant.
  static bool Parse(std::string_view text, Network* out);
  friend bool operator==(const Network&, const Network&) = default;
};

// The IPv4 address that an IPv6 one contains ("::ffff:192.0.2.1"); else the address itself.
Address Unmapped(const Address& address);

}  // namespace roost

#endif  // ROOST_CORE_CONFIG_NETWORK_H_
