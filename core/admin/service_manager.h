// Tells the service manager that started this process, if one did, that it is ready.
//
// What it is not: no library of a service manager is used, and nothing is read from one. The
// protocol is one datagram of lines like READY=1 to the socket named by NOTIFY_SOCKET in the
// environment (systemd's sd_notify(3)); without that variable nothing happens.
//
// Blocking for a moment at most: a datagram to a local socket.

#ifndef ROOST_CORE_ADMIN_SERVICE_MANAGER_H_
#define ROOST_CORE_ADMIN_SERVICE_MANAGER_H_

#include <string_view>

namespace roost {

// Sends `state`, lines without a newline at the end. False when a manager is named but cannot be
// told; it will then take us for not started, so that is worth a line in the log.
bool TellServiceManager(std::string_view state);

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_SERVICE_MANAGER_H_
