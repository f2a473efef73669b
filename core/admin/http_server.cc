#include "core/admin/http_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "core/io/listener.h"
#include "proto/net/http_request.h"

namespace roost {
namespace {

constexpr int kTickMs = 100;
constexpr std::chrono::milliseconds kWithoutDescriptors{100};

uint64_t NowNs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::nanoseconds(now).count());
}

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Bad Request";
  }
}

std::string Format(const HttpAnswer& answer, bool with_body) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + Reason(answer.status);
  text += "\r\nContent-Type: " + answer.type;
  text += "\r\nContent-Length: " + std::to_string(answer.body.size());
  text += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff";
  if (answer.status == 405) text += "\r\nAllow: GET, HEAD";
  text += "\r\nConnection: close\r\n\r\n";
  if (with_body) text += answer.body;
  return text;
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

HttpServer::HttpServer(ListenerDescriptor listener, Pages pages, uint64_t most_ns)
    : listener_(listener), pages_(std::move(pages)), most_ns_(most_ns) {
  fcntl(listener_.fd, F_SETFL, fcntl(listener_.fd, F_GETFL) | O_NONBLOCK);
  thread_ = std::thread([this] { Serve(); });
}

HttpServer::~HttpServer() {
  ending_ = true;
  thread_.join();
  for (const Connection& c : connections_) close(c.fd);
  CloseListenerDescriptor(&listener_);
}

void HttpServer::Serve() {
  while (!ending_) {
    Wait();
    const uint64_t now = NowNs();
    for (auto c = connections_.begin(); c != connections_.end();) {
      if (now < c->until_ns && Go(*c)) {
        ++c;
        continue;
      }
      close(c->fd);
      c = connections_.erase(c);
    }
    Accept();
  }
}

void HttpServer::Wait() {
  std::vector<pollfd> waiting{{listener_.fd, POLLIN, 0}};
  for (const Connection& c : connections_) {
    const bool writing = c.state == Connection::State::kWriting;
    waiting.push_back({c.fd, static_cast<short>(writing ? POLLOUT : POLLIN), 0});
  }
  poll(waiting.data(), waiting.size(), kTickMs);
}

void HttpServer::Accept() {
  // A bounded number in a round: those who are here are served in between.
  for (size_t i = 0; i < kMostConnections; ++i) {
    const int fd = accept4(listener_.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
      std::this_thread::sleep_for(kWithoutDescriptors);  // poll would return at once
    }
    if (fd < 0) return;
    if (connections_.size() == kMostConnections) {
      close(connections_.front().fd);
      connections_.pop_front();
    }
    Connection& c = connections_.emplace_back();
    c.fd = fd;
    c.until_ns = NowNs() + most_ns_;
  }
}

bool HttpServer::Go(Connection& c) {
  if (c.state != Connection::State::kWriting && !Read(c)) return false;
  return c.state != Connection::State::kWriting || Write(c);
}

bool HttpServer::Read(Connection& c) {
  char buffer[4096];
  const ssize_t n = read(c.fd, buffer, sizeof buffer);
  if (n < 0) return WouldBlock();
  if (n == 0) return false;
  if (c.state == Connection::State::kEnding) return true;
  c.in.append(buffer, static_cast<size_t>(n));
  bool whole = false;
  c.out = AnswerTo(c.in, &whole);
  if (!whole) return true;
  c.in.clear();
  c.state = Connection::State::kWriting;
  return true;
}

bool HttpServer::Write(Connection& c) {
  while (c.sent < c.out.size()) {
    const ssize_t n = send(c.fd, c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0) return WouldBlock();
    c.sent += static_cast<size_t>(n);
  }
  c.state = Connection::State::kEnding;
  return shutdown(c.fd, SHUT_WR) == 0;
}

std::string HttpServer::AnswerTo(std::string_view received, bool* whole) const {
  const HttpRequest request = ParseHttpRequest(received);
  *whole = request.verdict != HttpRequest::Verdict::kNeedMore;
  switch (request.verdict) {
    case HttpRequest::Verdict::kNeedMore:
      return {};
    case HttpRequest::Verdict::kGet:
      return Format(pages_(request.path), true);
    case HttpRequest::Verdict::kHead:
      return Format(pages_(request.path), false);
    case HttpRequest::Verdict::kOtherMethod:
      return Format({405, "only GET and HEAD\n"}, true);
    case HttpRequest::Verdict::kTooLong:
      return Format({431, "too long a request\n"}, true);
    case HttpRequest::Verdict::kMalformed:
      break;
  }
  return Format({400, "this is no HTTP request\n"}, true);
}

}  // namespace roost
