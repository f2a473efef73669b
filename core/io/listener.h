// OpenListener: makes a listening socket, before shards exist and before privileges are dropped.
//
// Blocking and made by ordinary system calls; an Io takes the result over in Io::Listen. What is
// set here (TCP_NODELAY, TCP_USER_TIMEOUT, keepalive, buffer sizes) every accepted socket inherits,
// which saves the calls per client.
#ifndef ROOST_CORE_IO_LISTENER_H_
#define ROOST_CORE_IO_LISTENER_H_

#include <string>

#include "core/io/io.h"

namespace roost {

// With port 0 the kernel chooses; `bound` in the result tells. On failure fd is -1 and *error says
// what happened and what to do about it.
ListenerDescriptor OpenListener(const Address& address, const ListenOptions& options,
                                std::string* error);

// Closes one that no Io took over.
void CloseListenerDescriptor(ListenerDescriptor* descriptor);

// Makes an unconnected socket for Connect: options set, bound to the source.
// Returns a descriptor or -errno.
int OpenConnectSocket(const Address& to, const ConnectOptions& options);

}  // namespace roost

#endif  // ROOST_CORE_IO_LISTENER_H_
