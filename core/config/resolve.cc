#include "core/config/resolve.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace roost {

bool ResolveHostPort(const HostPort& host_port, std::vector<Address>* out, std::string* problem) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  int error =
      getaddrinfo(host_port.host.c_str(), std::to_string(host_port.port).c_str(), &hints, &list);
  if (error != 0) {
    *problem = "cannot resolve " + host_port.host + ": " + gai_strerror(error);
    return false;
  }
  size_t before = out->size();
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Address address;
    address.port = host_port.port;
    if (entry->ai_family == AF_INET) {
      address.family = 4;
      std::memcpy(address.bytes, &reinterpret_cast<sockaddr_in*>(entry->ai_addr)->sin_addr, 4);
    } else if (entry->ai_family == AF_INET6) {
      address.family = 6;
      std::memcpy(address.bytes, &reinterpret_cast<sockaddr_in6*>(entry->ai_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    if (std::find(out->begin(), out->end(), address) == out->end()) out->push_back(address);
  }
  freeaddrinfo(list);
  if (out->size() > before) return true;
  *problem = host_port.host + " has no IP address";
  return false;
}

}  // namespace roost
