// OpenListener: makes a listening socket, before shards exist and before privileges are dropped.
//
// Blocking and made by ordinary system calls; an Io takes the result over in Io::Listen. What is
// set here (TCP_NODELAY, TCP_USER_TIMEOUT, keepalive, buffer sizes) every accepted socket inherits,
// which saves the calls per client.
#ifndef ROOST_CORE_IO_LISTENER_H_
#define ROOST_CORE_IO_LISTENER_H_

#include <algorithm>
#include <string>

#include "core/io/io.h"

namespace roost {

// Probes to a silent peer, the first after ListenOptions::keepalive_s, until it counts as gone.
constexpr int kKeepaliveProbes = 4;
constexpr int KeepaliveIntervalSeconds(int idle_s) { return std::max(1, idle_s / 10); }
// Linux counts no probes where TCP_USER_TIMEOUT is set: it resets when a probe is not answered and
// the silence, the time before the first one included, is as long as that. It sends none again, so
// one that is lost would do. All of them are sent if the timeout is this or longer.
constexpr int KeepaliveSeconds(int idle_s) {
  return idle_s + kKeepaliveProbes * KeepaliveIntervalSeconds(idle_s);
}

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
