// Names of stores and look-up servers into addresses. getaddrinfo blocks: at start-up, or on a
// thread of its own.

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
