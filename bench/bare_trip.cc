// How long a question and its answer take between two programs that do nothing else: one asks by
// loopback TCP, the other answers at once, and both sleep in between as programs do at rest.
//
//   bare_trip [TRIPS]      JSON: microseconds from before the question to after the answer
//
// The bytes are those of a feed that has heard of a message and asks for its UID (DONE, UID FETCH,
// IDLE and what comes of them): who is told of messages by IDLE pays one such trip for each, and
// adds what it does itself. Blocking calls; the scheduler places both.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "proto/check.h"

namespace roost::bench {
namespace {

constexpr size_t kQuestion = 41;
constexpr size_t kAnswer = 64;
constexpr std::chrono::milliseconds kPause{10};

// A connection's two ends.
std::pair<int, int> Connected() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  ROOST_CHECK(bind(listener, name, length) == 0 && listen(listener, 1) == 0);
  ROOST_CHECK(getsockname(listener, name, &length) == 0);
  const int asking = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ROOST_CHECK(connect(asking, name, length) == 0);
  const int answering = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  ROOST_CHECK(answering >= 0);
  close(listener);
  for (const int end : {asking, answering}) {
    const int on = 1;
    ROOST_CHECK(setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  }
  return {asking, answering};
}

bool Receive(int socket, size_t bytes) {
  char buffer[kQuestion + kAnswer];
  while (bytes > 0) {
    const ssize_t n = recv(socket, buffer, bytes, 0);
    if (n <= 0) return false;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

void Send(int socket, size_t bytes) {
  const char buffer[kQuestion + kAnswer] = {};
  ROOST_CHECK(send(socket, buffer, bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes));
}

int Main(int argc, char** argv) {
  size_t trips = 200;
  if (argc == 2) {
    const std::string_view text = argv[1];
    const auto [end, problem] = std::from_chars(text.begin(), text.end(), trips);
    if (problem != std::errc() || end != text.end() || trips == 0) argc = 0;
  }
  if (argc != 1 && argc != 2) {
    std::fprintf(stderr, "usage: bare_trip [TRIPS]\n");
    return 2;
  }
  const auto [asking, answering] = Connected();
  const pid_t other = fork();
  ROOST_CHECK(other >= 0);
  if (other == 0) {
    close(asking);
    while (Receive(answering, kQuestion)) Send(answering, kAnswer);
    _exit(0);
  }
  close(answering);
  std::vector<double> took;
  while (took.size() < trips) {
    std::this_thread::sleep_for(kPause);
    const auto begin = std::chrono::steady_clock::now();
    Send(asking, kQuestion);
    ROOST_CHECK(Receive(asking, kAnswer));
    took.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  close(asking);
  ROOST_CHECK(waitpid(other, nullptr, 0) == other);
  std::sort(took.begin(), took.end());
  std::printf("{\"trips\": %zu, \"p50_us\": %.1f, \"p90_us\": %.1f}\n", trips, took[trips / 2],
              took[trips * 9 / 10]);
  return 0;
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) { return roost::bench::Main(argc, argv); }
