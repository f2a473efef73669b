#include "core/io/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/io/sockaddr.h"

namespace roost {
namespace {

// From linux/in.h; the C library's header has it only from 2.36 on, with _DEFAULT_SOURCE.
constexpr int kBindAddressNoPort = 24;

bool Set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

bool SetKeepalive(int fd, int idle_s) {
  return Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) && Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle_s) &&
         Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KeepaliveIntervalSeconds(idle_s)) &&
         Set(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

bool SetListenOptions(int fd, const Address& address, const ListenOptions& options) {
  return Set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
         (!options.reuse_port || Set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
         (address.family != 6 || Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0)) &&
         Set(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
         (options.user_timeout_ms == 0 ||
          Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms)) &&
         (options.keepalive_s == 0 || SetKeepalive(fd, options.keepalive_s)) &&
         (options.send_buffer == 0 || Set(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer)) &&
         (options.receive_buffer == 0 || Set(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer));
}

std::string Advice(int error, const Address& address) {
  switch (error) {
    case EADDRINUSE:
      return "another process listens there; stop it or choose another port (ss -ltnp shows which)";
    case EACCES:
      return address.port < 1024 ? "ports below 1024 need CAP_NET_BIND_SERVICE, or a lower "
                                   "net.ipv4.ip_unprivileged_port_start"
                                 : "a security policy forbids it";
    case EADDRNOTAVAIL:
      return "no interface of this machine has that address (ip addr shows them)";
    case EAFNOSUPPORT:
      return address.family == 6 ? "this machine has no IPv6; listen on 0.0.0.0 instead"
                                 : "this machine has no IPv4";
    case EMFILE:
      return "the process is out of file descriptors; raise RLIMIT_NOFILE (ulimit -n)";
    case ENFILE:
      return "the machine is out of file descriptors; raise fs.file-max";
    default:
      return "";
  }
}

std::string Describe(int error, const char* step, const Address& address) {
  std::string text = "cannot listen on " + address.ToString() + ": " + step + ": ";
  text += std::strerror(error);
  const std::string advice = Advice(error, address);
  if (!advice.empty()) text += ": " + advice;
  return text;
}

// A port that the kernel chose is the kernel's again when its socket listens no more, though for a
// moment (Io::Listen); one that was asked for stays.
ListenerDescriptor Again(ListenerDescriptor first, const ListenOptions& options,
                         std::string* error) {
  const ListenerDescriptor second = OpenListener(first.bound, options, error);
  CloseListenerDescriptor(&first);
  return second;
}

}  // namespace

ListenerDescriptor OpenListener(const Address& address, const ListenOptions& options,
                                std::string* error) {
  sockaddr_storage storage;
  const socklen_t length = ToSockaddr(address, &storage);
  if (length == 0) {
    *error = "cannot listen: no address was given";
    return {};
  }
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  const char* failed = nullptr;
  if (fd < 0) {
    failed = "socket";
  } else if (!SetListenOptions(fd, address, options)) {
    failed = "setsockopt";
  } else if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    failed = "bind";
  } else if (listen(fd, options.backlog) != 0) {
    failed = "listen";
  }
  ListenerDescriptor result;
  socklen_t bound_length = sizeof(storage);
  if (failed == nullptr &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &bound_length) != 0) {
    failed = "getsockname";
  }
  if (failed != nullptr) {
    *error = Describe(errno, failed, address);
    if (fd >= 0) close(fd);
    return {};
  }
  result.fd = fd;
  result.bound = address;
  result.bound.port = FromSockaddr(storage).port;
  result.backlog = options.backlog;
  return address.port == 0 && options.reuse_port ? Again(result, options, error) : result;
}

void CloseListenerDescriptor(ListenerDescriptor* descriptor) {
  if (descriptor->fd >= 0) close(descriptor->fd);
  descriptor->fd = -1;
}

int OpenConnectSocket(const Address& to, const ConnectOptions& options) {
  sockaddr_storage storage;
  if (ToSockaddr(to, &storage) == 0) return -EAFNOSUPPORT;
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return -errno;
  bool good = Set(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
              (options.user_timeout_ms == 0 ||
               Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms));
  if (good && options.reset_on_close) {
    const linger reset = {1, 0};
    good = setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0;
  }
  if (good && options.source.family != 0) {
    const socklen_t length = ToSockaddr(options.source, &storage);
    good = Set(fd, IPPROTO_IP, kBindAddressNoPort, 1) &&
           bind(fd, reinterpret_cast<sockaddr*>(&storage), length) == 0;
  }
  if (good) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

}  // namespace roost
