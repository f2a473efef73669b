// Answers GET and HEAD of a few pages: for Prometheus and probes.
//
// What it is not: no TLS, no keep-alive, no bodies; nobody is asked who they are. It belongs on an
// address that only operators reach. Blocking calls on a thread of its own, so no shard waits for
// it; pages are made there one by one. Bounds: kMostConnections, of which the oldest goes when
// another one comes; kMaxHttpHead bytes of a request; kMostNs of time for each.
#ifndef ROOST_CORE_ADMIN_HTTP_SERVER_H_
#define ROOST_CORE_ADMIN_HTTP_SERVER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "core/base/clock.h"
#include "core/io/io.h"

namespace roost {

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string type = "text/plain; charset=utf-8";
};

class HttpServer {
 public:
  static constexpr size_t kMostConnections = 16;
  static constexpr uint64_t kMostNs = SecondsToNs(5);

  using Pages = std::function<HttpAnswer(std::string_view path)>;

  // Takes the listener. `pages` is called on the server's thread. Each connection may take most_ns.
  HttpServer(ListenerDescriptor listener, Pages pages, uint64_t most_ns = kMostNs);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct Connection {
    enum class State : uint8_t {
      kReading,
      kWriting,
      kEnding,  // all was said; until the peer has closed, so that no reset destroys it
    };
    int fd = -1;
    State state = State::kReading;
    uint64_t until_ns = 0;
    std::string in, out;
    size_t sent = 0;
  };

  void Serve();
  void Wait();
  void Accept();
  // False: it is over.
  bool Go(Connection& c);
  bool Read(Connection& c);
  bool Write(Connection& c);
  std::string AnswerTo(std::string_view received, bool* whole) const;

  ListenerDescriptor listener_;
  const Pages pages_;
  const uint64_t most_ns_;
  std::deque<Connection> connections_;  // oldest first
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_HTTP_SERVER_H_
