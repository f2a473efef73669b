// Address to and from the kernel's form. IPv4 addresses that a dual-stack listener reports as
// ::ffff:a.b.c.d become plain IPv4, so that one client has one address however it came in.
#ifndef ROOST_CORE_IO_SOCKADDR_H_
#define ROOST_CORE_IO_SOCKADDR_H_

#include <sys/socket.h>

#include "core/io/io.h"

namespace roost {

// Returns the length used; 0 for an Address of no family.
socklen_t ToSockaddr(const Address& address, sockaddr_storage* out);
// Family 0 for anything but IPv4 and IPv6.
Address FromSockaddr(const sockaddr_storage& address);
// The length the kernel gives and wants for this family (AF_INET or AF_INET6).
socklen_t SockaddrLength(int family);

}  // namespace roost

#endif  // ROOST_CORE_IO_SOCKADDR_H_
