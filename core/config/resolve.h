// Names of stores into addresses, once at start-up: getaddrinfo blocks.

#ifndef ROOST_CORE_CONFIG_RESOLVE_H_
#define ROOST_CORE_CONFIG_RESOLVE_H_

#include <string>
#include <vector>

#include "core/config/config.h"

namespace roost {

// All addresses of a host, in the system's order of preference, each once. Literals need no
// look-up. False: `problem` says why.
bool ResolveHostPort(const HostPort& host_port, std::vector<Address>* out, std::string* problem);

}  // namespace roost

#endif  // ROOST_CORE_CONFIG_RESOLVE_H_
