// One end of a real connection over loopback, read line by line and blocking: for tests of a
// Server.
#ifndef ROOST_CORE_TESTING_CLIENT_SOCKET_H_
#define ROOST_CORE_TESTING_CLIENT_SOCKET_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "core/io/io.h"

namespace roost {

// Looks again and again, for a minute at most.
template <typename Condition>
bool Awaits(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::yield();
  }
  return true;
}

class ClientSocket {
 public:
  // receive_buffer: 0 for the kernel's own.
  explicit ClientSocket(const std::string& address, int receive_buffer = 0)
      : ClientSocket(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    Address to;
    EXPECT_TRUE(Address::Parse(address, &to));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(to.port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (receive_buffer != 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  }
  // One that was accepted.
  explicit ClientSocket(int fd) : fd_(fd) {
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ClientSocket(const ClientSocket&) = delete;
  ~ClientSocket() { close(fd_); }
  // Up to its end; less when nothing more comes.
  std::string Line() {
    std::string line;
    char c = 0;
    while (line.find('\n') == line.npos) {
      // A signal ends a read with a time-out; the kernel sends them for what a ring leaves behind.
      const ssize_t n = read(fd_, &c, 1);
      if (n < 0 && errno == EINTR) continue;
      if (n != 1) break;
      line += c;
    }
    return line;
  }
  // Whatever still comes.
  std::string Rest() {
    std::string rest, piece(1 << 16, '\0');
    ssize_t n = 0;
    while ((n = read(fd_, piece.data(), piece.size())) > 0 || (n < 0 && errno == EINTR)) {
      if (n > 0) rest.append(piece, 0, static_cast<size_t>(n));
    }
    return rest;
  }
  void Say(std::string_view text) {
    EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // As much of one command after another as there is room for.
  void SayMore() {
    static constexpr std::string_view kCommand = "a CAPABILITY\r\n";
    const std::string_view left = kCommand.substr(said_ % kCommand.size());
    const ssize_t n = send(fd_, left.data(), left.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) said_ += static_cast<size_t>(n);
  }

 private:
  size_t said_ = 0;
  const int fd_;
};

}  // namespace roost

#endif  // ROOST_CORE_TESTING_CLIENT_SOCKET_H_
